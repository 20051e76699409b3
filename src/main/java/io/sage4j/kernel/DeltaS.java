package io.sage4j.kernel;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.ShortArray;

/**
 * What smoothing Q took out of the scores: the product of each Q block's mean with every (smoothed) key
 * (SageAttention2, equation 2).
 *
 * <p>Grid: one work-item per element of the output, any work-group. Local memory: none. In: the strided K, means of Q blocks
 * [batch * qHeads][qTiles][paddedDim], means of K [batch * kvHeads][paddedDim]. Out: [batch * qHeads][qTiles][paddedKeys],
 * without sm_scale, zero in the padding.
 */
public final class DeltaS {
    private DeltaS() {}

    /**
     * Kernel.
     *
     * @param view where the elements of K lie
     * @param qMean means of the Q blocks
     * @param kMean means of K
     * @param delta output
     * @param qTiles Q blocks of a head
     * @param groupSize query heads per key/value head
     * @param paddedKeys keys of the output
     * @param paddedDim channels of the means
     * @param smoothK 1 if K is smoothed, else 0
     * @param type element type
     */
    public static void deltaS(
            KernelContext context,
            IntArray view,
            FloatArray floats,
            HalfFloatArray halves,
            ShortArray bfloats,
            FloatArray qMean,
            FloatArray kMean,
            FloatArray delta,
            int qTiles,
            int groupSize,
            int paddedKeys,
            int paddedDim,
            int smoothK,
            int type) {
        int index = context.globalIdx;
        if (index < delta.getSize()) {
            int block = index / paddedKeys;
            int key = index - block * paddedKeys;
            int kvHead = block / qTiles / groupSize;
            float sum = 0f;
            if (key < view.get(Elements.TOKENS)) {
                int start = Elements.rowStart(view, kvHead, key);
                for (int d = 0; d < view.get(Elements.CHANNELS); d++) {
                    float x = Elements.load(floats, halves, bfloats, type, start + d);
                    if (smoothK == 1) {
                        x = x - kMean.get(kvHead * paddedDim + d);
                    }
                    sum = sum + qMean.get(block * paddedDim + d) * x;
                }
            }
            delta.set(index, sum);
        }
    }
}
