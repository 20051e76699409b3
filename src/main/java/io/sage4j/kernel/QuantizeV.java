package io.sage4j.kernel;

import io.sage4j.numeric.Numbers;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.ShortArray;

/**
 * V in FP8, INT8 (one scale per channel over all tokens; SageAttention2, section 3.3) or FP16 (no scale), transposed tile by
 * tile with the keys of every 16 permuted ({@link io.sage4j.numeric.OperandLayout}), with the mean subtracted first if
 * there is one.
 *
 * <p>Grid: heads x (paddedDim / {@link #CHANNELS}) work-groups of {@link #ITEMS} work-items. A first pass takes 8 tokens of
 * each of the 32 channels at a time, so that neighbours read neighbouring channels; the second walks the output, so that
 * neighbours write neighbouring codes. Local memory: 4352 bytes. In: a strided tensor. Out: codes
 * [heads][tiles][paddedDim][blockK], zero in the padding; scales [heads][paddedDim]; counts [groups][{@link #COUNTS}].
 */
public final class QuantizeV {
    /** Channels of one work-group. */
    public static final int CHANNELS = 32;
    /** Work-items of one work-group. */
    public static final int ITEMS = 256;

    /** Position in the counts: inputs that are not finite. */
    public static final int NON_FINITE = 0;
    /** Position in the counts: values beyond the range of FP16. */
    public static final int SATURATED = 1;
    /** Position in the counts: values that are not zero but whose code is. */
    public static final int FLUSHED = 2;
    /** Counts of one work-group. */
    public static final int COUNTS = 3;

    private static final float HALF_MAX = 65504f;

    private QuantizeV() {}

    /**
     * Kernel.
     *
     * @param view where the tensor's elements lie
     * @param mean [heads][paddedDim]
     * @param codes output, 8-bit formats
     * @param halfCodes output, FP16
     * @param scales output, 8-bit formats
     * @param counts output
     * @param range largest magnitude of a scaled value
     * @param paddedDim channels of the codes
     * @param blockK keys of a tile
     * @param format see {@link PvCodes}
     * @param smooth 1 to subtract the mean, else 0
     * @param type element type
     */
    public static void quantize(
            KernelContext context,
            IntArray view,
            FloatArray floats,
            HalfFloatArray halves,
            ShortArray bfloats,
            FloatArray mean,
            ByteArray codes,
            HalfFloatArray halfCodes,
            FloatArray scales,
            IntArray counts,
            float range,
            int paddedDim,
            int blockK,
            int format,
            int smooth,
            int type) {
        float[] largest = context.allocateFloatLocalArray(ITEMS);
        int[] poisoned = context.allocateIntLocalArray(ITEMS);
        int[] found = context.allocateIntLocalArray(ITEMS);
        int[] lost = context.allocateIntLocalArray(ITEMS);
        float[] inverses = context.allocateFloatLocalArray(CHANNELS);
        int[] sound = context.allocateIntLocalArray(CHANNELS);
        int item = context.localIdx;
        int lane = item / CHANNELS;
        int lanes = ITEMS / CHANNELS;
        int chunks = paddedDim / CHANNELS;
        int head = context.groupIdx / chunks;
        int firstChannel = (context.groupIdx - head * chunks) * CHANNELS;
        int tokens = view.get(Elements.TOKENS);
        int tokenStride = view.get(Elements.TOKEN_STRIDE);
        int start = Elements.rowStart(view, head, 0);
        int channels = view.get(Elements.CHANNELS);

        float amax = 0f;
        int bad = 0;
        int inputs = 0;
        int channel = firstChannel + item - lane * CHANNELS;
        if (channel < channels) {
            for (int row = lane; row < tokens; row += lanes) {
                float x = Elements.load(floats, halves, bfloats, type, start + row * tokenStride + channel);
                float y = x;
                if (smooth == 1) {
                    y = x - mean.get(head * paddedDim + channel);
                }
                amax = TornadoMath.max(amax, TornadoMath.abs(y));
                bad = bad + 1 - Rounding.isFinite(y);
                inputs = inputs + 1 - Rounding.isFinite(x);
            }
        }
        largest[item] = amax;
        poisoned[item] = bad;
        found[item] = inputs;
        context.localBarrier();

        if (lane == 0) {
            amax = 0f;
            bad = 0;
            for (int l = 0; l < lanes; l++) {
                amax = TornadoMath.max(amax, largest[l * CHANNELS + item]);
                bad = bad + poisoned[l * CHANNELS + item];
            }
            float floor = TornadoMath.max(amax, Numbers.AMAX_FLOOR);
            float one = bad == 0 ? 1f : 0f;
            inverses[item] = bad == 0 ? range / floor : 0f;
            sound[item] = bad == 0 ? 1 : 0;
            if (format != PvCodes.FP16) {
                // A channel with a NaN or an infinity has scale NaN, made as 0 / 0, and codes 0.
                scales.set(head * paddedDim + channel, floor / range + 0f / one);
            }
        }
        context.localBarrier();

        int saturated = 0;
        int flushed = 0;
        int tiles = (tokens + blockK - 1) / blockK;
        for (int e = item; e < tiles * CHANNELS * blockK; e += ITEMS) {
            int line = e / blockK;
            int position = e - line * blockK;
            int tile = line / CHANNELS;
            int c = line - tile * CHANNELS;
            int key = PvCodes.keyAt(position);
            int row = tile * blockK + key;
            float y = 0f;
            if (row < tokens && firstChannel + c < channels) {
                int index = start + row * tokenStride + firstChannel + c;
                y = Elements.load(floats, halves, bfloats, type, index);
                if (smooth == 1) {
                    y = y - mean.get(head * paddedDim + firstChannel + c);
                }
            }
            int at = ((head * tiles + tile) * paddedDim + firstChannel + c) * blockK + position;
            float decoded = 0f;
            if (format == PvCodes.FP16) {
                float kept = Rounding.halfRange(y);
                halfCodes.set(at, new HalfFloat(kept));
                decoded = Rounding.half(kept);
                if (TornadoMath.abs(y) > HALF_MAX) {
                    saturated = saturated + 1;
                }
            }
            if (format != PvCodes.FP16) {
                byte code = 0;
                if (sound[c] == 1) {
                    code = PvCodes.encode(y * inverses[c], format);
                    decoded = PvCodes.decode(code, format);
                }
                codes.set(at, code);
            }
            if (decoded == 0f && TornadoMath.abs(y) > 0f && (format == PvCodes.FP16 || sound[c] == 1)) {
                flushed = flushed + 1;
            }
        }
        poisoned[item] = saturated;
        lost[item] = flushed;
        context.localBarrier();
        if (item == 0) {
            inputs = 0;
            saturated = 0;
            flushed = 0;
            for (int other = 0; other < ITEMS; other++) {
                inputs = inputs + found[other];
                saturated = saturated + poisoned[other];
                flushed = flushed + lost[other];
            }
            counts.set(context.groupIdx * COUNTS + NON_FINITE, inputs);
            counts.set(context.groupIdx * COUNTS + SATURATED, saturated);
            counts.set(context.groupIdx * COUNTS + FLUSHED, flushed);
        }
    }
}
