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
    public static final int ITEMS = 256;
    /** Elements of the output that one of the counts behind it takes: as many digits, each exact in every type. */
    public static final int DIGITS = 4;
    /** Position in the view of an output, behind the others: where its array takes counts. */
    public static final int CARRIED_AT = Elements.VIEW_SIZE;
    /** Position in the view of an output: how many counts, at most {@link #ITEMS} / {@link #DIGITS}. */
    public static final int CARRIED = CARRIED_AT + 1;
    /** Numbers in the view of an output. */
    public static final int VIEW_SIZE = CARRIED + 1;
    /** Values of a digit. */
    public static final int DIGIT = 256;
    /** Tokens of a head that one work-group converts. */
    private static final int TOKENS = 64;

    private static final int WARP = 32;
    /** Tokens of a warp, whose loads are under way together; the last one is read again instead of none. */
    private static final int HELD = TOKENS / (ITEMS / WARP);

    private Convert() {}

    /** Work-groups that convert a tensor. */
    public static long groups(long heads, int tokens) {
        return heads * perHead(tokens);
    }

    private static int perHead(int tokens) {
        return (tokens + TOKENS - 1) / TOKENS;
    }

    /**
     * Kernel: strided tensor to contiguous FP32, counting what is not finite.
     *
     * <p>Grid: {@link #groups} work-groups of {@link #ITEMS}; a warp takes every 8th token. Local memory: 1024 bytes.
     *
     * @param view where the tensor's elements lie
     * @param wide output
     * @param nonFinite output, one count per work-group
     * @param countsAt where they begin
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
            int countsAt,
            int dim,
            int type) {
        int[] found = context.allocateIntLocalArray(ITEMS);
        float[] held = new float[HELD];
        int item = context.localIdx;
        int warp = item / WARP;
        int lane = item - warp * WARP;
        int tokens = view.get(Elements.TOKENS);
        int channels = view.get(Elements.CHANNELS);
        int perHead = perHead(tokens);
        int head = context.groupIdx / perHead;
        int first = (context.groupIdx - head * perHead) * TOKENS + warp;
        int start = Elements.rowStart(view, head, 0);
        int tokenStride = view.get(Elements.TOKEN_STRIDE);
        int bad = 0;
        for (int channel = lane; channel < dim; channel += WARP) {
            for (int i = 0; i < HELD; i++) {
                int at = start + TornadoMath.min(first + i * (ITEMS / WARP), tokens - 1) * tokenStride;
                held[i] = Elements.load(floats, halves, bfloats, type, at + TornadoMath.min(channel, channels - 1));
            }
            for (int i = 0; i < HELD; i++) {
                int token = first + i * (ITEMS / WARP);
                if (token < tokens) {
                    float x = 0f;
                    if (channel < channels) {
                        x = held[i];
                    }
                    wide.set((head * tokens + token) * dim + channel, x);
                    bad = bad + 1 - Rounding.isFinite(x);
                }
            }
        }
        found[item] = bad;
        context.localBarrier();
        if (warp == 0) {
            for (int other = item + WARP; other < ITEMS; other += WARP) {
                bad = bad + found[other];
            }
            found[item] = bad;
        }
        context.localBarrier();
        if (item == 0) {
            for (int other = 1; other < WARP; other++) {
                bad = bad + found[other];
            }
            nonFinite.set(countsAt + context.groupIdx, bad);
        }
    }

    /**
     * Kernel: contiguous FP32 to a strided tensor, each element to the nearest value.
     *
     * <p>Grid: {@link #groups} work-groups of {@link #ITEMS}; a warp takes every 8th token. Local memory: none.
     *
     * @param view where the tensor's elements lie, and the counts behind them
     * @param wide input
     * @param counts counts of the steps before, not negative
     * @param type element type
     */
    public static void narrow(
            KernelContext context,
            IntArray view,
            FloatArray wide,
            FloatArray floats,
            HalfFloatArray halves,
            ShortArray bfloats,
            IntArray counts,
            int type) {
        float[] held = new float[HELD];
        int item = context.localIdx;
        int warp = item / WARP;
        int lane = item - warp * WARP;
        int tokens = view.get(Elements.TOKENS);
        int channels = view.get(Elements.CHANNELS);
        int perHead = perHead(tokens);
        int head = context.groupIdx / perHead;
        int first = (context.groupIdx - head * perHead) * TOKENS + warp;
        int start = Elements.rowStart(view, head, 0);
        int tokenStride = view.get(Elements.TOKEN_STRIDE);
        if (item < view.get(CARRIED) * DIGITS && context.groupIdx == 0) {
            int count = counts.get(item / DIGITS);
            for (int before = item - item / DIGITS * DIGITS; before > 0; before--) {
                count = count / DIGIT;
            }
            Elements.store(floats, halves, bfloats, type, view.get(CARRIED_AT) + item, count - count / DIGIT * DIGIT);
        }
        for (int channel = lane; channel < channels; channel += WARP) {
            for (int i = 0; i < HELD; i++) {
                int token = TornadoMath.min(first + i * (ITEMS / WARP), tokens - 1);
                held[i] = wide.get((head * tokens + token) * channels + channel);
            }
            for (int i = 0; i < HELD; i++) {
                int token = first + i * (ITEMS / WARP);
                if (token < tokens) {
                    Elements.store(floats, halves, bfloats, type, start + token * tokenStride + channel, held[i]);
                }
            }
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
