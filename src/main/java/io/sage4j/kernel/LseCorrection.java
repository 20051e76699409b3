package io.sage4j.kernel;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.ShortArray;

/**
 * Puts back into the log-sum-exp what smoothing K took out of every score of a row: {@code (q . kMean) * sm_scale}, from the
 * unquantized q.
 *
 * <p>Grid: one work-item per row, any work-group. Local memory: none. In: the strided Q, means of K
 * [batch * kvHeads][paddedDim]. In and out: lse [batch * qHeads][qoLen]; a row that sees no key stays minus infinity.
 */
public final class LseCorrection {
    /** No finite lse of FP32 inputs is below this. */
    private static final float LEAST = -3e38f;

    private LseCorrection() {}

    /**
     * Kernel.
     *
     * @param view where the elements of Q lie
     * @param kMean means of K
     * @param lse corrected in place
     * @param smScale factor of the scores
     * @param groupSize query heads per key/value head
     * @param paddedDim channels of the means
     * @param type element type
     */
    public static void correct(
            KernelContext context,
            IntArray view,
            FloatArray floats,
            HalfFloatArray halves,
            ShortArray bfloats,
            FloatArray kMean,
            FloatArray lse,
            float smScale,
            int groupSize,
            int paddedDim,
            int type) {
        int index = context.globalIdx;
        if (index < lse.getSize()) {
            int tokens = view.get(Elements.TOKENS);
            int head = index / tokens;
            int start = Elements.rowStart(view, head, index - head * tokens);
            int mean = head / groupSize * paddedDim;
            float sum = 0f;
            for (int d = 0; d < view.get(Elements.CHANNELS); d++) {
                sum = sum + Elements.load(floats, halves, bfloats, type, start + d) * kMean.get(mean + d);
            }
            float value = lse.get(index);
            if (value < LEAST) {
                sum = 0f;
            }
            lse.set(index, value + sum * smScale);
        }
    }
}
