package io.sage4j.kernel;

import io.sage4j.numeric.Numbers;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Attention in FP32 with the online softmax, K and V staged in local memory (FlashAttention, algorithm 1): a tile of Q shares
 * each load of K and V.
 *
 * <p>Grid: heads x qTiles work-groups, a work-item per row of the tile. Local memory: {@code 4 * stageKeys * dim} bytes, used
 * for K (transposed, so that one channel's keys are neighbours) and for V in turn. Q, K and V are contiguous
 * [heads][tokens][dim], {@code dim} a multiple of 4, zero beyond head_dim.
 */
public final class FlashAttention {
    private static final float HIDDEN = -1f;

    private FlashAttention() {}

    /**
     * Kernel; the arithmetic is {@link TiledAttention}'s.
     *
     * @param scale sm_scale * log2(e)
     * @param dim channels of Q, K and V
     * @param blockK keys of a tile
     * @param stageKeys keys in local memory at a time, a divisor of {@code blockK}
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
            int stageKeys,
            int maskKind,
            int wantLse) {
        float[] stage = context.allocateFloatLocalArray(stageKeys * dim);
        float[] query = new float[dim];
        float[] x = new float[blockK];
        float[] o = new float[dim];
        int item = context.localIdx;
        int blockQ = context.localGroupSizeX;
        int qTiles = sizes.get(AttentionSizes.Q_TILES);
        int rows = sizes.get(Elements.TOKENS);
        int keys = sizes.get(AttentionSizes.KEYS);
        int head = context.groupIdx / qTiles;
        int tileStart = (context.groupIdx - head * qTiles) * blockQ;
        int row = tileStart + item;
        int last = AttentionSizes.lastKey(sizes, row);
        int lastOfTile = AttentionSizes.lastKey(sizes, TornadoMath.min(tileStart + blockQ, rows) - 1);
        int kvStart = head / sizes.get(AttentionSizes.GROUP_SIZE) * keys * dim;
        int maskStart = AttentionSizes.maskRow(sizes, head, row);
        int maskStep = sizes.get(AttentionSizes.MASK_KEY);

        float m = Numbers.MASKED;
        float l = 0f;
        for (int d = 0; d < dim; d++) {
            o[d] = 0f;
            query[d] = 0f;
        }
        if (row < rows) {
            for (int d = 0; d < dim; d++) {
                query[d] = q.get((head * rows + row) * dim + d);
            }
        }
        for (int first = 0; first <= lastOfTile; first += blockK) {
            for (int j = 0; j < blockK; j++) {
                x[j] = 0f;
            }
            for (int sub = 0; sub < blockK; sub += stageKeys) {
                context.localBarrier();
                for (int e = item; e < stageKeys * dim; e += blockQ) {
                    int j = e / dim;
                    int d = e - j * dim;
                    float value = 0f;
                    if (first + sub + j < keys) {
                        value = k.get(kvStart + (first + sub) * dim + e);
                    }
                    stage[d * stageKeys + j] = value;
                }
                context.localBarrier();
                if (first + sub <= last) {
                    // x[j] += q[d] * k[j][d], d ascending: the keys are the inner, vectorizable loop
                    for (int d = 0; d < dim; d += 4) {
                        float q0 = query[d];
                        float q1 = query[d + 1];
                        float q2 = query[d + 2];
                        float q3 = query[d + 3];
                        int at = d * stageKeys;
                        for (int j = 0; j < stageKeys; j++) {
                            x[sub + j] = x[sub + j]
                                    + q0 * stage[at + j]
                                    + q1 * stage[at + stageKeys + j]
                                    + q2 * stage[at + 2 * stageKeys + j]
                                    + q3 * stage[at + 3 * stageKeys + j];
                        }
                    }
                }
            }

            float best = Numbers.MASKED;
            for (int j = 0; j < blockK; j++) {
                float score = Numbers.MASKED;
                if (first + j <= last) {
                    int at = maskStart + (first + j) * maskStep;
                    score = Masking.apply(x[j] * scale, maskBits, maskValues, maskKind, at);
                }
                x[j] = score;
                best = TornadoMath.max(best, score);
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

            for (int sub = 0; sub < blockK; sub += stageKeys) {
                context.localBarrier();
                for (int e = item; e < stageKeys * dim; e += blockQ) {
                    float value = 0f;
                    if (first + sub + e / dim < keys) {
                        value = v.get(kvStart + (first + sub) * dim + e);
                    }
                    stage[e] = value;
                }
                context.localBarrier();
                if (first + sub <= last) {
                    for (int d = 0; d < dim; d += 4) {
                        float o0 = o[d];
                        float o1 = o[d + 1];
                        float o2 = o[d + 2];
                        float o3 = o[d + 3];
                        for (int j = 0; j < stageKeys; j++) {
                            float p = x[sub + j];
                            // A hidden key must not bring in a NaN of V: 0 * NaN is NaN.
                            if (p > HIDDEN) {
                                int at = j * dim + d;
                                o0 = o0 + p * stage[at];
                                o1 = o1 + p * stage[at + 1];
                                o2 = o2 + p * stage[at + 2];
                                o3 = o3 + p * stage[at + 3];
                            }
                        }
                        o[d] = o0;
                        o[d + 1] = o1;
                        o[d + 2] = o2;
                        o[d + 3] = o3;
                    }
                }
            }
        }

        if (row < rows) {
            int start = Elements.rowStart(sizes, head, row);
            for (int d = 0; d < sizes.get(Elements.CHANNELS); d++) {
                float value = 0f;
                if (l != 0f) {
                    value = o[d] / l;
                }
                out.set(start + d, value);
            }
            if (wantLse == 1) {
                lse.set(head * rows + row, (m + TornadoMath.log(l) * Numbers.LOG2E) * Numbers.LN2);
            }
        }
    }
}
