package io.sage4j.kernel;

import io.sage4j.numeric.Numbers;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.ShortArray;

/**
 * Means over tokens, for smoothing: of all keys or values of a head (SageAttention, equation 6), or of the valid rows of
 * each Q block (SageAttention2, equation 2). The order of summation is {@link io.sage4j.numeric.TokenMean}'s.
 *
 * <p>Grid: heads x segments x (paddedDim / {@link #CHANNELS}) work-groups of {@link #ITEMS} work-items; a work-item is one
 * lane of one channel. Local memory: 1024 bytes. In: a strided tensor. Out: [heads][segments][paddedDim] FP32, zero in the
 * padding channels.
 */
public final class TokenMeans {
    /** Channels of one work-group. */
    public static final int CHANNELS = 32;
    /** Work-items of one work-group. */
    public static final int ITEMS = CHANNELS * Numbers.MEAN_LANES;

    private TokenMeans() {}

    /**
     * Kernel.
     *
     * @param view where the tensor's elements lie
     * @param mean output
     * @param rows tokens of one segment; the last segment of a head may be shorter
     * @param segments segments of one head
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
            int paddedDim,
            int type) {
        float[] sums = context.allocateFloatLocalArray(ITEMS);
        int item = context.localIdx;
        int lane = item / CHANNELS;
        int chunks = paddedDim / CHANNELS;
        int segment = context.groupIdx / chunks;
        int channel = (context.groupIdx - segment * chunks) * CHANNELS + (item - lane * CHANNELS);
        int head = segment / segments;
        int first = (segment - head * segments) * rows;
        int last = TornadoMath.min(first + rows, view.get(Elements.TOKENS));

        float sum = 0f;
        if (channel < view.get(Elements.CHANNELS)) {
            int index = Elements.rowStart(view, head, first + lane) + channel;
            int step = Numbers.MEAN_LANES * view.get(Elements.TOKEN_STRIDE);
            for (int row = first + lane; row < last; row += Numbers.MEAN_LANES) {
                sum = sum + Elements.load(floats, halves, bfloats, type, index);
                index = index + step;
            }
        }
        sums[item] = sum;
        for (int lanes = Numbers.MEAN_LANES / 2; lanes > 0; lanes = lanes / 2) {
            context.localBarrier();
            if (lane < lanes) {
                sums[item] = sums[item] + sums[item + lanes * CHANNELS];
            }
        }
        if (lane == 0) {
            mean.set(segment * paddedDim + channel, sums[item] / TornadoMath.max(last - first, 1));
        }
    }
}
