package io.sage4j.kernel;

import io.sage4j.numeric.ExponentCode;
import io.sage4j.numeric.Numbers;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Attention on quantized operands: INT8 (or INT4) scores, online softmax in base 2 with the range of P folded into the exponent,
 * P rounded to its format, P V summed tile by tile in the accumulators of the scheme (SageAttention2, algorithm 1;
 * SageAttention2++, section 3; docs/numerics.md step by step).
 *
 * <p>Grid: heads x qTiles work-groups of blockQ work-items, one row each. Local memory: {@code 4 * stageKeys * dim} bytes, at
 * most 32 KiB, used for K (transposed) and for decoded V in turn, and {@code 8 * blockK} for what the keys of a tile bring to
 * the scores. Operands as {@link io.sage4j.numeric.OperandLayout} has them.
 *
 * <p>Codes are staged as FP32 numbers, in which their products and sums are exact: a score is at most
 * {@code 127 * 127 * 256 < 2^24}. That lets K and V share one stage, and vectors do the sums.
 */
public final class QuantizedAttention {
    /** Position in the factors: sm_scale * log2(e). */
    public static final int SCALE = 0;
    /** Position in the factors: the offset of the exponent of P. */
    public static final int P_OFFSET = 1;
    /** Numbers in the factors. */
    public static final int FACTORS = 2;

    private static final float HIDDEN = -1f;

    private QuantizedAttention() {}

    /**
     * What the kernel does, as one constant, since a task takes 20 arguments.
     *
     * @param pvFormat see {@link PvCodes}
     * @param maskKind see {@link Masking}
     * @param halfSums whether the inner accumulator is FP16
     * @param twoLevel whether each tile starts its own accumulator
     * @param smoothQ whether there are delta-s vectors
     * @param smoothV whether there are means of V
     * @param lse whether lse is wanted
     * @param fast whether half of P is coded by {@link io.sage4j.numeric.ExponentCode}, in E4M3
     */
    public static int options(
            int pvFormat,
            int maskKind,
            boolean halfSums,
            boolean twoLevel,
            boolean smoothQ,
            boolean smoothV,
            boolean lse,
            boolean fast) {
        return pvFormat
                + 8 * maskKind
                + 32 * flag(halfSums)
                + 64 * flag(twoLevel)
                + 128 * flag(smoothQ)
                + 256 * flag(smoothV)
                + 512 * flag(lse)
                + 1024 * flag(fast);
    }

    private static int flag(boolean on) {
        return on ? 1 : 0;
    }

    /**
     * Kernel.
     *
     * <pre>
     * for each tile of blockK keys:
     *     s = qCode . kCode;  x = s * (qScale * sm_scale * log2e * kScale) + deltaS + mask
     *     mNew = max(m, max x);  alpha = 2^(m - mNew);  p = 2^(x - mNew + offset)
     *     l = l * alpha + sum p
     *     P = round(p);  o = o * alpha + sum P * V     in the accumulators of the scheme
     * out = o / l * vScale + vMean
     * </pre>
     *
     * @param factors see {@link #FACTORS}
     * @param vCodes V in an 8-bit format, see {@link PvCodes#word}
     * @param vHalves V in FP16
     * @param deltaS [batch * qHeads][qTiles][kTiles * blockK]
     * @param dim padded channels
     * @param blockK keys of a tile
     * @param stageKeys keys in local memory at a time: a divisor of {@code blockK}, a multiple of 32
     * @param options see {@link #options}
     */
    public static void attend(
            KernelContext context,
            IntArray sizes,
            FloatArray factors,
            ByteArray qCodes,
            ByteArray kCodes,
            IntArray vCodes,
            HalfFloatArray vHalves,
            FloatArray qScales,
            FloatArray kScales,
            FloatArray vScales,
            FloatArray vMeans,
            FloatArray deltaS,
            ByteArray maskBits,
            FloatArray maskValues,
            FloatArray out,
            FloatArray lse,
            int dim,
            int blockK,
            int stageKeys,
            int options) {
        int format = options % 8;
        int maskKind = options / 8 % 4;
        int halfSums = options / 32 % 2;
        int twoLevel = options / 64 % 2;
        int smoothQ = options / 128 % 2;
        int smoothV = options / 256 % 2;
        int wantLse = options / 512 % 2;
        int fast = options / 1024 % 2;
        int mmaKeys = format == PvCodes.FP16 ? 16 : 32;

        float[] stage = context.allocateFloatLocalArray(stageKeys * dim);
        float[] keyScales = context.allocateFloatLocalArray(blockK);
        float[] keyDeltas = context.allocateFloatLocalArray(blockK);
        float[] query = new float[dim];
        float[] x = new float[blockK];
        float[] step = new float[dim];
        float[] inner = new float[dim];
        float[] o = new float[dim];
        int item = context.localIdx;
        int blockQ = context.localGroupSizeX;
        int qTiles = sizes.get(AttentionSizes.Q_TILES);
        int kTiles = sizes.get(AttentionSizes.K_TILES);
        int rows = sizes.get(Elements.TOKENS);
        int head = context.groupIdx / qTiles;
        int qTile = context.groupIdx - head * qTiles;
        int row = qTile * blockQ + item;
        int last = AttentionSizes.lastKey(sizes, row);
        int lastOfTile = AttentionSizes.lastKey(sizes, TornadoMath.min(qTile * blockQ + blockQ, rows) - 1);
        int kvHead = head / sizes.get(AttentionSizes.GROUP_SIZE);
        int maskStart = AttentionSizes.maskRow(sizes, head, row);
        int maskStep = sizes.get(AttentionSizes.MASK_KEY);
        int deltaStart = context.groupIdx * kTiles * blockK;
        int kScaleStart = kvHead * sizes.get(AttentionSizes.K_SCALES + 4);
        int qScale = head * sizes.get(AttentionSizes.Q_SCALES + 4);
        qScale = qScale + AttentionSizes.scaleOf(sizes, AttentionSizes.Q_SCALES, row);
        float scale = factors.get(SCALE);
        float offset = factors.get(P_OFFSET);
        float rowScale = qScales.get(qScale) * scale;

        float m = Numbers.MASKED;
        float l = 0f;
        for (int d = 0; d < dim; d++) {
            query[d] = qCodes.get((context.groupIdx * blockQ + item) * dim + d);
            inner[d] = 0f;
            o[d] = 0f;
        }
        for (int first = 0; first <= lastOfTile; first += blockK) {
            int kvTile = kvHead * kTiles + first / blockK;
            for (int j = 0; j < blockK; j++) {
                x[j] = 0f;
            }
            for (int j = item; j < blockK; j += blockQ) {
                int key = first + j;
                keyScales[j] = kScales.get(kScaleStart + AttentionSizes.scaleOf(sizes, AttentionSizes.K_SCALES, key));
                if (smoothQ == 1) {
                    keyDeltas[j] = deltaS.get(deltaStart + key) * scale;
                }
            }
            for (int sub = 0; sub < blockK; sub += stageKeys) {
                context.localBarrier();
                for (int e = item; e < stageKeys * dim; e += blockQ) {
                    int j = e / dim;
                    int d = e - j * dim;
                    stage[d * stageKeys + j] = kCodes.get((kvTile * blockK + sub) * dim + e);
                }
                context.localBarrier();
                if (first + sub <= last) {
                    // x[j] += qCode[d] * kCode[j][d]: the keys are the inner, vectorizable loop
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
                int key = first + j;
                float score = Numbers.MASKED;
                if (key <= last) {
                    score = x[j] * (rowScale * keyScales[j]);
                    if (smoothQ == 1) {
                        score = score + keyDeltas[j];
                    }
                    score = Masking.apply(score, maskBits, maskValues, maskKind, maskStart + key * maskStep);
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
                    float exponent = (x[j] - mNew) + offset;
                    p = Rounding.exp2(exponent);
                    float rounded = PvCodes.round(p, format);
                    if (fast == 1) {
                        if (j % ExponentCode.PERIOD >= ExponentCode.PERIOD / 2) {
                            rounded = Rounding.e4m3OfExponent(exponent);
                        }
                        p = rounded;
                    }
                    sum = sum + p;
                    x[j] = rounded;
                }
            }
            l = l * alpha + sum;
            m = mNew;

            float kept = halfSums == 1 ? Rounding.half(alpha) : alpha;
            for (int d = 0; d < dim; d++) {
                float start = 0f;
                if (twoLevel == 0) {
                    start = inner[d] * kept;
                    if (halfSums == 1) {
                        start = Rounding.half(start);
                    }
                }
                inner[d] = start;
            }
            for (int sub = 0; sub < blockK; sub += stageKeys) {
                context.localBarrier();
                // V^T comes with the keys of every 16 permuted; it goes to stage[key][channel].
                int together = format == PvCodes.FP16 ? 1 : PvCodes.PER_WORD;
                for (int e = item * together; e < stageKeys * dim; e += blockQ * together) {
                    int d = e / stageKeys;
                    int position = e - d * stageKeys;
                    int index = (kvTile * dim + d) * blockK + sub + position;
                    if (format == PvCodes.FP16) {
                        stage[PvCodes.keyAt(position) * dim + d] =
                                vHalves.get(index).getFloat32();
                    } else {
                        int word = vCodes.get(index / PvCodes.PER_WORD);
                        for (int i = 0; i < PvCodes.PER_WORD; i++) {
                            stage[PvCodes.keyAt(position + i) * dim + d] = PvCodes.valueAt(word, i, format);
                        }
                    }
                }
                context.localBarrier();
                if (first + sub <= last) {
                    for (int mma = 0; mma < stageKeys; mma += mmaKeys) {
                        for (int d = 0; d < dim; d += 8) {
                            float t0 = 0f;
                            float t1 = 0f;
                            float t2 = 0f;
                            float t3 = 0f;
                            float t4 = 0f;
                            float t5 = 0f;
                            float t6 = 0f;
                            float t7 = 0f;
                            for (int j = mma; j < mma + mmaKeys; j++) {
                                float p = x[sub + j];
                                // A hidden key must not bring in a NaN of V: 0 * NaN is NaN.
                                if (p > HIDDEN) {
                                    int at = j * dim + d;
                                    t0 = t0 + p * stage[at];
                                    t1 = t1 + p * stage[at + 1];
                                    t2 = t2 + p * stage[at + 2];
                                    t3 = t3 + p * stage[at + 3];
                                    t4 = t4 + p * stage[at + 4];
                                    t5 = t5 + p * stage[at + 5];
                                    t6 = t6 + p * stage[at + 6];
                                    t7 = t7 + p * stage[at + 7];
                                }
                            }
                            step[d] = t0;
                            step[d + 1] = t1;
                            step[d + 2] = t2;
                            step[d + 3] = t3;
                            step[d + 4] = t4;
                            step[d + 5] = t5;
                            step[d + 6] = t6;
                            step[d + 7] = t7;
                        }
                        for (int d = 0; d < dim; d++) {
                            float total = inner[d] + step[d];
                            if (halfSums == 1) {
                                total = Rounding.half(total);
                            }
                            inner[d] = total;
                        }
                    }
                }
            }
            if (twoLevel == 1) {
                for (int d = 0; d < dim; d++) {
                    o[d] = o[d] * alpha + inner[d];
                }
            }
        }

        if (row < rows) {
            int start = Elements.rowStart(sizes, head, row);
            for (int d = 0; d < sizes.get(Elements.CHANNELS); d++) {
                float value = 0f;
                if (l != 0f) {
                    value = (twoLevel == 1 ? o[d] : inner[d]) / l;
                    if (format != PvCodes.FP16) {
                        value = value * vScales.get(kvHead * dim + d);
                    }
                    if (smoothV == 1) {
                        value = value + vMeans.get(kvHead * dim + d);
                    }
                }
                out.set(start + d, value);
            }
            if (wantLse == 1) {
                lse.set(head * rows + row, (m + (TornadoMath.log(l) * Numbers.LOG2E - offset)) * Numbers.LN2);
            }
        }
    }
}
