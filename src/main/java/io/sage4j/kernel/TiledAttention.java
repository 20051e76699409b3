package io.sage4j.kernel;

import io.sage4j.numeric.Numbers;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Attention in FP32 with the online softmax over tiles of keys (FlashAttention, algorithm 1, inner loop): the scores are never
 * in memory as a whole. One work-item a row, any work-group, no local memory: K and V come from global memory again for each
 * row.
 *
 * <p>Q, K and V are contiguous [heads][tokens][dim], zero beyond head_dim.
 */
public final class TiledAttention {
    private static final float HIDDEN = -1f;

    private TiledAttention() {}

    /**
     * Kernel.
     *
     * <pre>
     * for each tile of blockK keys:
     *     x = q . k * scale, masked;  mNew = max(m, max x);  alpha = 2^(m - mNew);  p = 2^(x - mNew)
     *     l = l * alpha + sum p;      o = o * alpha + sum p * v
     * out = o / l
     * </pre>
     *
     * @param scale sm_scale * log2(e)
     * @param dim channels of Q, K and V
     * @param blockK keys of a tile
     * @param maskKind see {@link Masking}
     * @param wantLse 1 to write lse, else 0
     */
    public static void attend(
            KernelContext context,
            IntArray sizes,
            FloatArray q,
            FloatArray k,
            FloatArray v,
            ByteArray maskBits,
            FloatArray maskValues,
            FloatArray out,
            FloatArray lse,
            float scale,
            int dim,
            int blockK,
            int maskKind,
            int wantLse) {
        float[] x = new float[blockK];
        float[] o = new float[dim];
        int rows = sizes.get(Elements.TOKENS);
        int line = context.globalIdx;
        int lines = q.getSize() / dim;
        int head = line / rows;
        int row = line - head * rows;
        int keys = sizes.get(AttentionSizes.KEYS);
        int kvStart = head / sizes.get(AttentionSizes.GROUP_SIZE) * keys * dim;
        int maskStart = AttentionSizes.maskRow(sizes, head, row);
        int last = AttentionSizes.lastKey(sizes, row);
        if (line >= lines) {
            last = -1; // The grid is rounded up to whole work-groups.
        }
        float m = Numbers.MASKED;
        float l = 0f;
        for (int d = 0; d < dim; d++) {
            o[d] = 0f;
        }
        for (int first = 0; first <= last; first += blockK) {
            float best = Numbers.MASKED;
            for (int j = 0; j < blockK; j++) {
                x[j] = Numbers.MASKED;
                int key = first + j;
                if (key <= last) {
                    float sum = 0f;
                    for (int d = 0; d < dim; d++) {
                        sum = sum + q.get(line * dim + d) * k.get(kvStart + key * dim + d);
                    }
                    int at = maskStart + key * sizes.get(AttentionSizes.MASK_KEY);
                    x[j] = Masking.apply(sum * scale, maskBits, maskValues, maskKind, at);
                    best = TornadoMath.max(best, x[j]);
                }
            }
            float mNew = TornadoMath.max(m, best);
            float alpha = Rounding.exp2(m - mNew);
            float sum = 0f;
            for (int j = 0; j < blockK; j++) {
                float p = HIDDEN;
                if (x[j] < Rounding.VISIBLE_FROM) {
                    x[j] = p;
                } else {
                    p = Rounding.exp2(x[j] - mNew);
                    sum = sum + p;
                    x[j] = p;
                }
            }
            l = l * alpha + sum;
            m = mNew;
            for (int d = 0; d < dim; d++) {
                o[d] = o[d] * alpha;
            }
            for (int j = 0; j < blockK; j++) {
                float p = x[j];
                if (p > HIDDEN) {
                    for (int d = 0; d < dim; d++) {
                        o[d] = o[d] + p * v.get(kvStart + (first + j) * dim + d);
                    }
                }
            }
        }
        if (line < lines) {
            int start = Elements.rowStart(sizes, head, row);
            for (int d = 0; d < sizes.get(Elements.CHANNELS); d++) {
                float value = 0f;
                if (l != 0f) {
                    value = o[d] / l;
                }
                out.set(start + d, value);
            }
            if (wantLse == 1) {
                lse.set(line, (m + TornadoMath.log(l) * Numbers.LOG2E) * Numbers.LN2);
            }
        }
    }
}
