package io.sage4j.kernel;

import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.TokenMean;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.ShortArray;

/**
 * Means over tokens, for smoothing: of all keys or values of a head (SageAttention, equation 6), or of the valid rows of
 * each Q block (SageAttention2, equation 2). The order of summation is {@link TokenMean}'s.
 *
 * <p>Grid: heads x segments x (paddedDim / {@link #CHANNELS}) x lanes / {@link Numbers#MEAN_LANES} work-groups, rounded up,
 * of {@link #ITEMS} work-items; a work-item is one lane of one channel. Local memory: 1024 bytes. In: a strided tensor. Out:
 * [heads][segments][paddedDim] FP32, zero in the padding channels.
 */
public final class TokenMeans {
    /** Channels of one work-group. */
    public static final int CHANNELS = 32;
    /** Work-items of one work-group. */
    public static final int ITEMS = CHANNELS * Numbers.MEAN_LANES;

    private static final int SPAN = TokenMean.STRAND_SPAN;
    private static final int STRANDS = SPAN / TokenMean.STRAND_ROWS;

    private TokenMeans() {}

    /**
     * Kernel.
     *
     * @param view where the tensor's elements lie
     * @param mean output
     * @param rows tokens of one segment; the last segment of a head may be shorter
     * @param segments segments of one head
     * @param count segments of all heads
     * @param lanes of a segment: all, or 1 where a segment is no longer than a part
     * @param paddedDim channels of the output
     * @param type element type
     */
    public static void mean(
            KernelContext context,
            IntArray view,
            FloatArray floats,
            HalfFloatArray halves,
            ShortArray bfloats,
            FloatArray mean,
            int rows,
            int segments,
            int count,
            int lanes,
            int paddedDim,
            int type) {
        float[] sums = context.allocateFloatLocalArray(ITEMS);
        int item = context.localIdx;
        int slot = item / CHANNELS;
        int place = context.groupIdx * Numbers.MEAN_LANES + slot;
        int unit = place / lanes;
        int lane = place - unit * lanes;
        int chunks = paddedDim / CHANNELS;
        int channel = (unit - unit / chunks * chunks) * CHANNELS + (item - slot * CHANNELS);
        // Lanes of the last work-group past the last segment do that one once more.
        int segment = TornadoMath.min(unit / chunks, count - 1);
        int head = segment / segments;
        int first = (segment - head * segments) * rows;
        int last = TornadoMath.min(first + rows, view.get(Elements.TOKENS));

        float sum = 0f;
        if (channel < view.get(Elements.CHANNELS)) {
            int token = view.get(Elements.TOKEN_STRIDE);
            for (int part = first + lane * TokenMean.PART; part < last; part += lanes * TokenMean.PART) {
                float ofPart = 0f;
                int end = TornadoMath.min(part + TokenMean.PART, last);
                int span = part;
                // Whole spans: eight loads side by side, none under a condition.
                while (span + SPAN <= end) {
                    for (int group = 0; group < STRANDS; group++) {
                        int index = Elements.rowStart(view, head, span + 2 * group) + channel;
                        int next = index + 8 * token;
                        int third = index + 16 * token;
                        int fourth = index + 24 * token;
                        float x0 = Elements.load(floats, halves, bfloats, type, index);
                        float x1 = Elements.load(floats, halves, bfloats, type, index + token);
                        float x2 = Elements.load(floats, halves, bfloats, type, next);
                        float x3 = Elements.load(floats, halves, bfloats, type, next + token);
                        float x4 = Elements.load(floats, halves, bfloats, type, third);
                        float x5 = Elements.load(floats, halves, bfloats, type, third + token);
                        float x6 = Elements.load(floats, halves, bfloats, type, fourth);
                        float x7 = Elements.load(floats, halves, bfloats, type, fourth + token);
                        ofPart = ofPart + (x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7);
                    }
                    span = span + SPAN;
                }
                for (int group = 0; group < STRANDS; group++) {
                    float strand = 0f;
                    for (int row = span + 2 * group; row < end; row += 8) {
                        int index = Elements.rowStart(view, head, row) + channel;
                        strand = strand + Elements.load(floats, halves, bfloats, type, index);
                        if (row + 1 < end) {
                            strand = strand + Elements.load(floats, halves, bfloats, type, index + token);
                        }
                    }
                    ofPart = ofPart + strand;
                }
                sum = sum + ofPart;
            }
        }
        sums[item] = sum;
        for (int away = lanes / 2; away > 0; away = away / 2) {
            context.localBarrier();
            if (lane < away) {
                sums[item] = sums[item] + sums[item + away * CHANNELS];
            }
        }
        if (lane == 0) {
            mean.set(segment * paddedDim + channel, sums[item] / TornadoMath.max(last - first, 1));
        }
    }
}
