package io.sage4j.kernel;

import io.sage4j.numeric.Numbers;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Attention in three passes with the whole score matrix in memory, in FP32: the textbook formula
 * {@code softmax(Q K^T * sm_scale) V}.
 *
 * <p>Q, K and V are contiguous [heads][tokens][dim], zero beyond head_dim; scores are [batch * qHeads][qoLen][kvLen]. No local
 * memory; any work-group.
 */
public final class NaiveAttention {
    private static final float HIDDEN = -1f;

    private NaiveAttention() {}

    /**
     * First pass, one work-item per score: {@code scores = Q K^T * scale} in base 2, masked.
     *
     * @param scale sm_scale * log2(e)
     * @param dim channels of Q and K
     * @param maskKind see {@link Masking}
     */
    public static void scores(
            KernelContext context,
            IntArray sizes,
            FloatArray q,
            FloatArray k,
            ByteArray maskBits,
            FloatArray maskValues,
            FloatArray scores,
            float scale,
            int dim,
            int maskKind) {
        int index = context.globalIdx;
        if (index < scores.getSize()) {
            int keys = sizes.get(AttentionSizes.KEYS);
            int rows = sizes.get(Elements.TOKENS);
            int line = index / keys;
            int key = index - line * keys;
            int head = line / rows;
            int row = line - head * rows;
            float score = Numbers.MASKED;
            if (key <= AttentionSizes.lastKey(sizes, row)) {
                int kStart = (head / sizes.get(AttentionSizes.GROUP_SIZE) * keys + key) * dim;
                float sum = 0f;
                for (int d = 0; d < dim; d++) {
                    sum = sum + q.get(line * dim + d) * k.get(kStart + d);
                }
                int at = AttentionSizes.maskRow(sizes, head, row) + key * sizes.get(AttentionSizes.MASK_KEY);
                score = Masking.apply(sum * scale, maskBits, maskValues, maskKind, at);
            }
            scores.set(index, score);
        }
    }

    /**
     * Second pass, one work-item per row: the scores become {@code p = 2^(x - max)}, or -1 where they are hidden.
     *
     * @param sums output: the sum of p of each row
     * @param lse output, if asked for
     * @param wantLse 1 to write lse, else 0
     */
    public static void softmax(
            KernelContext context, IntArray sizes, FloatArray scores, FloatArray sums, FloatArray lse, int wantLse) {
        int line = context.globalIdx;
        if (line < sums.getSize()) {
            int keys = sizes.get(AttentionSizes.KEYS);
            float max = Numbers.MASKED;
            for (int j = 0; j < keys; j++) {
                max = TornadoMath.max(max, scores.get(line * keys + j));
            }
            float sum = 0f;
            for (int j = 0; j < keys; j++) {
                float x = scores.get(line * keys + j);
                float p = HIDDEN;
                if (x < Rounding.VISIBLE_FROM) {
                    scores.set(line * keys + j, p);
                } else {
                    p = Rounding.exp2(x - max);
                    sum = sum + p;
                    scores.set(line * keys + j, p);
                }
            }
            sums.set(line, sum);
            if (wantLse == 1) {
                lse.set(line, (max + TornadoMath.log(sum) * Numbers.LOG2E) * Numbers.LN2);
            }
        }
    }

    /**
     * Third pass, one work-item per output element: {@code out = (sum_j p[j] * v[j]) / sum_j p[j]}.
     *
     * @param dim channels of V
     */
    public static void output(
            KernelContext context,
            IntArray sizes,
            FloatArray scores,
            FloatArray sums,
            FloatArray v,
            FloatArray out,
            int dim) {
        int channels = sizes.get(Elements.CHANNELS);
        int line = context.globalIdx / channels;
        int channel = context.globalIdx - line * channels;
        if (line < sums.getSize()) {
            int keys = sizes.get(AttentionSizes.KEYS);
            int rows = sizes.get(Elements.TOKENS);
            int head = line / rows;
            int vStart = head / sizes.get(AttentionSizes.GROUP_SIZE) * keys * dim + channel;
            float sum = 0f;
            for (int j = 0; j < keys; j++) {
                float p = scores.get(line * keys + j);
                // A hidden key must not bring in a NaN of V: 0 * NaN is NaN.
                if (p > HIDDEN) {
                    sum = sum + p * v.get(vStart + j * dim);
                }
            }
            float total = sums.get(line);
            float value = 0f;
            if (total != 0f) {
                value = sum / total;
            }
            out.set(Elements.rowStart(sizes, head, line - head * rows) + channel, value);
        }
    }
}
