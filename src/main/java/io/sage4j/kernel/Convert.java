package io.sage4j.kernel;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.ShortArray;

/**
 * Between the caller's strided tensors and contiguous FP32: what the unquantized kernels read, [heads][tokens][dim] with
 * {@code dim} padded with zeros, and what all attention kernels write, [heads][tokens][channels].
 */
public final class Convert {
    /** Work-items of a work-group. */
    public static final int ITEMS = 64;
    /** Elements that one work-group converts. */
    public static final int CHUNK = 4096;

    private Convert() {}

    /**
     * Kernel: strided tensor to contiguous FP32, counting what is not finite.
     *
     * <p>Grid: one work-group of {@link #ITEMS} per {@link #CHUNK} elements. Local memory: 256 bytes.
     *
     * @param view where the tensor's elements lie
     * @param wide output
     * @param nonFinite output, one count per work-group
     * @param dim channels of the output
     * @param type element type
     */
    public static void widen(
            KernelContext context,
            IntArray view,
            FloatArray floats,
            HalfFloatArray halves,
            ShortArray bfloats,
            FloatArray wide,
            IntArray nonFinite,
            int dim,
            int type) {
        int[] found = context.allocateIntLocalArray(ITEMS);
        int item = context.localIdx;
        int tokens = view.get(Elements.TOKENS);
        int channels = view.get(Elements.CHANNELS);
        int bad = 0;
        int first = context.groupIdx * CHUNK;
        int count = TornadoMath.min(wide.getSize() - first, CHUNK);
        for (int e = item; e < count; e += ITEMS) {
            int line = (first + e) / dim;
            int channel = first + e - line * dim;
            int head = line / tokens;
            float x = 0f;
            if (channel < channels) {
                int start = Elements.rowStart(view, head, line - head * tokens);
                x = Elements.load(floats, halves, bfloats, type, start + channel);
            }
            wide.set(first + e, x);
            bad = bad + 1 - Rounding.isFinite(x);
        }
        found[item] = bad;
        context.localBarrier();
        if (item == 0) {
            bad = 0;
            for (int other = 0; other < ITEMS; other++) {
                bad = bad + found[other];
            }
            nonFinite.set(context.groupIdx, bad);
        }
    }

    /**
     * Kernel: contiguous FP32 to a strided tensor, each element to the nearest value.
     *
     * <p>Grid: one work-group of {@link #ITEMS} per {@link #CHUNK} elements. Local memory: none.
     *
     * @param view where the tensor's elements lie
     * @param wide input
     * @param type element type
     */
    public static void narrow(
            KernelContext context,
            IntArray view,
            FloatArray wide,
            FloatArray floats,
            HalfFloatArray halves,
            ShortArray bfloats,
            int type) {
        int tokens = view.get(Elements.TOKENS);
        int channels = view.get(Elements.CHANNELS);
        int first = context.groupIdx * CHUNK;
        int count = TornadoMath.min(wide.getSize() - first, CHUNK);
        for (int e = context.localIdx; e < count; e += ITEMS) {
            int line = (first + e) / channels;
            int head = line / tokens;
            int start = Elements.rowStart(view, head, line - head * tokens);
            Elements.store(floats, halves, bfloats, type, start + first + e - line * channels, wide.get(first + e));
        }
    }

    /**
     * Kernel: rewrites the first element of a tensor with itself. TornadoVM copies an array to the device only if a kernel
     * reads it; a tensor that does not fill its array needs that, since the whole array comes back.
     *
     * <p>Grid: one work-item. Local memory: none.
     *
     * @param view where the tensor's elements lie
     * @param type element type
     */
    public static void touch(
            KernelContext context,
            IntArray view,
            FloatArray floats,
            HalfFloatArray halves,
            ShortArray bfloats,
            int type) {
        int index = view.get(Elements.OFFSET) + context.globalIdx;
        if (type == Elements.FLOAT32) {
            floats.set(index, floats.get(index));
        }
        if (type == Elements.FLOAT16) {
            halves.set(index, halves.get(index));
        }
        if (type == Elements.BFLOAT16) {
            bfloats.set(index, bfloats.get(index));
        }
    }
}
