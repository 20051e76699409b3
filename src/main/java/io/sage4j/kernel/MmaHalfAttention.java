package io.sage4j.kernel;

import io.sage4j.numeric.Numbers;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.enums.MMAShape;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Attention on tensor cores: Q K^T with INT8 MMA, P V with FP16 MMA, each tile of 128 keys summed from zero and then added to
 * an FP32 output. For the PTX and CUDA backends of TornadoVM.
 *
 * <p>TornadoVM 5.2 can store the accumulator of an MMA to global memory and do nothing else with it. So each work-group has a
 * place in global memory through which its scores go to the softmax, and another for its products P V: 11 KiB that are
 * written and read again at once, hence stay in the second-level cache. Its 8-bit tile loads always start at the beginning of
 * a local array, so a tile needs an array of its own, and a work-group is one warp with 16 rows. {@link MmaTiles} has the
 * sizes and makes the operands; {@link MmaFp8Attention} is this kernel with P and V in FP8.
 *
 * <p>Grid: {@link MmaTiles#GROUPS} work-groups of 32 work-items; each takes every GROUPS-th tile of 16 rows. Local memory:
 * 14 KiB. In the softmax two lanes share a row: a lane has 4 keys of every 8, and a sum of its own. A task is one method,
 * since neither local arrays nor fragments can be handed on.
 */
public final class MmaHalfAttention {
    private static final int WARP = 32;
    private static final int ROWS = MmaTiles.ROWS;
    private static final int BLOCK_K = MmaTiles.BLOCK_K;
    private static final int A_WORDS = 128;
    private static final int B_WORDS = 64;
    private static final int A_BYTES = 4 * A_WORDS;
    private static final int B_BYTES = 4 * B_WORDS;
    private static final int BLOCK_WORDS = MmaTiles.BLOCK_WORDS;
    private static final int MINUS_ZERO = 32768;

    private MmaHalfAttention() {}

    /**
     * Kernel.
     *
     * <pre>
     * for each tile of 128 keys:
     *     s = qCode . kCode (MMA, by way of memory);  x = s * (qScale * sm_scale * log2e * kScale) + deltaS + mask
     *     mNew = max(m, max x);  alpha = 2^(m - mNew);  p = 2^(x - mNew)
     *     l = l * alpha + sum p;  O = O * alpha + half(p) V (MMA, by way of memory)
     * out = O / l + vMean
     * </pre>
     *
     * @param sizes {@link AttentionSizes}, then {@link MmaTiles}
     * @param factors see {@link QuantizedAttention#FACTORS}
     * @param qWords codes of Q, four to a number
     * @param kWords codes of K as B tiles, see {@link MmaTiles#packBytes}
     * @param vWords V as B tiles, see {@link MmaTiles#packHalves}
     * @param vHalves V as the quantizer wrote it, read where it has NaNs
     * @param vCounts what the quantizer of V counted
     * @param deltaS [batch * qHeads][qTiles][kTiles * 128]
     * @param scores [groups][{@link MmaTiles#SCORE_ROWS}][8] and {@link MmaTiles#ALIGN}: where scores pass
     * @param sums [groups][{@link MmaTiles#SUM_ROWS}][8] and {@link MmaTiles#ALIGN}: where products pass
     * @param dim padded channels
     * @param options see {@link MmaTiles#options}
     */
    public static void attend(
            KernelContext context,
            IntArray sizes,
            FloatArray factors,
            IntArray qWords,
            IntArray kWords,
            IntArray vWords,
            HalfFloatArray vHalves,
            IntArray vCounts,
            FloatArray qScales,
            FloatArray kScales,
            FloatArray vMeans,
            FloatArray deltaS,
            ByteArray maskBits,
            FloatArray maskValues,
            FloatArray out,
            FloatArray lse,
            IntArray scores,
            FloatArray sums,
            int dim,
            int options) {
        int maskKind = options % 4;
        int smoothQ = options / 4 % 2;
        int smoothV = options / 8 % 2;
        int wantLse = options / 16 % 2;

        int[] a = context.allocateIntLocalArray(A_WORDS);
        int[] b0 = context.allocateIntLocalArray(B_WORDS);
        int[] b1 = context.allocateIntLocalArray(B_WORDS);
        int[] b2 = context.allocateIntLocalArray(B_WORDS);
        int[] b3 = context.allocateIntLocalArray(B_WORDS);
        int[] b4 = context.allocateIntLocalArray(B_WORDS);
        int[] b5 = context.allocateIntLocalArray(B_WORDS);
        int[] b6 = context.allocateIntLocalArray(B_WORDS);
        int[] b7 = context.allocateIntLocalArray(B_WORDS);
        int[] b8 = context.allocateIntLocalArray(B_WORDS);
        int[] b9 = context.allocateIntLocalArray(B_WORDS);
        int[] b10 = context.allocateIntLocalArray(B_WORDS);
        int[] b11 = context.allocateIntLocalArray(B_WORDS);
        int[] b12 = context.allocateIntLocalArray(B_WORDS);
        int[] b13 = context.allocateIntLocalArray(B_WORDS);
        int[] b14 = context.allocateIntLocalArray(B_WORDS);
        int[] b15 = context.allocateIntLocalArray(B_WORDS);
        int[] p = context.allocateIntLocalArray(8 * A_WORDS);
        int[] v = context.allocateIntLocalArray(16 * B_WORDS);
        float[] keyScales = context.allocateFloatLocalArray(BLOCK_K);
        float[] keyDeltas = context.allocateFloatLocalArray(BLOCK_K);
        float[] halves = context.allocateFloatLocalArray(WARP);
        float[] alphas = context.allocateFloatLocalArray(ROWS);
        float[] x = new float[BLOCK_K / 2];
        float[] o = context.allocateFloatLocalArray(ROWS * dim);
        int lane = context.localIdx;
        int rows = sizes.get(Elements.TOKENS);
        int kTilesPerHead = sizes.get(AttentionSizes.K_TILES);
        int rowTiles = sizes.get(MmaTiles.ROW_TILES);
        int qRows = sizes.get(MmaTiles.Q_ROWS);
        int blockQ = sizes.get(MmaTiles.BLOCK_Q);
        int groups = sizes.get(MmaTiles.WORK_GROUPS);
        int tiles = sizes.get(MmaTiles.TILES);
        int maskStep = sizes.get(AttentionSizes.MASK_KEY);
        float scale = factors.get(QuantizedAttention.SCALE);
        float offset = factors.get(QuantizedAttention.P_OFFSET);
        int blocks = sizes.get(MmaTiles.BLOCKS);
        int r = lane / 2;
        int side = lane % 2;
        int scoreRegion = context.groupIdx * MmaTiles.SCORE_ROWS;
        int sumRegion = context.groupIdx * MmaTiles.SUM_ROWS;
        int scoreTurn = 0;
        int sumTurn = 0;

        for (int tile = context.groupIdx; tile < tiles; tile += groups) {
            int head = tile / rowTiles;
            // The tiles of a head are of unequal work under a diagonal: each head begins at another one.
            int rowTile = (tile - head * rowTiles + head * (rowTiles * 5 / 13)) % rowTiles;
            int firstRow = rowTile * ROWS;
            int row = firstRow + r;
            int last = AttentionSizes.lastKey(sizes, row);
            int lastOfTile = AttentionSizes.lastKey(sizes, TornadoMath.min(firstRow + ROWS, rows) - 1);
            int kvHead = head / sizes.get(AttentionSizes.GROUP_SIZE);
            int maskStart = AttentionSizes.maskRow(sizes, head, row);
            int deltaStart = (head * (qRows / blockQ) + firstRow / blockQ) * kTilesPerHead * BLOCK_K;
            int kScaleStart = kvHead * sizes.get(AttentionSizes.K_SCALES + 4);
            int qScale = head * sizes.get(AttentionSizes.Q_SCALES + 4);
            qScale = qScale + AttentionSizes.scaleOf(sizes, AttentionSizes.Q_SCALES, row);
            float rowScale = qScales.get(qScale) * scale;
            float m = Numbers.MASKED;
            float l = 0f;
            for (int e = lane; e < ROWS * dim; e += WARP) {
                o[e] = 0f;
            }
            for (int first = 0; first <= lastOfTile; first += BLOCK_K) {
                int kvTile = (kvHead * kTilesPerHead + first / BLOCK_K) * blocks;
                scoreTurn = 1 - scoreTurn;
                for (int j = lane; j < BLOCK_K; j += WARP) {
                    keyScales[j] = kScales.get(
                            kScaleStart + AttentionSizes.scaleOf(sizes, AttentionSizes.K_SCALES, first + j));
                    if (smoothQ == 1) {
                        keyDeltas[j] = deltaS.get(deltaStart + first + j) * scale;
                    }
                }

                // S = Q K^T: 16 rows, 128 keys, 32 channels at a time.
                int[] s0 = context.mmaFragmentInt(0);
                int[] s1 = context.mmaFragmentInt(0);
                int[] s2 = context.mmaFragmentInt(0);
                int[] s3 = context.mmaFragmentInt(0);
                int[] s4 = context.mmaFragmentInt(0);
                int[] s5 = context.mmaFragmentInt(0);
                int[] s6 = context.mmaFragmentInt(0);
                int[] s7 = context.mmaFragmentInt(0);
                int[] s8 = context.mmaFragmentInt(0);
                int[] s9 = context.mmaFragmentInt(0);
                int[] s10 = context.mmaFragmentInt(0);
                int[] s11 = context.mmaFragmentInt(0);
                int[] s12 = context.mmaFragmentInt(0);
                int[] s13 = context.mmaFragmentInt(0);
                int[] s14 = context.mmaFragmentInt(0);
                int[] s15 = context.mmaFragmentInt(0);
                for (int block = 0; block < blocks; block++) {
                    int from = (kvTile + block) * BLOCK_WORDS + lane;
                    int qFrom = ((head * qRows + firstRow) * dim + block * 32) / 4;
                    context.localBarrier();
                    for (int e = lane; e < A_WORDS; e += WARP) {
                        a[e] = qWords.get(qFrom + e / 8 * (dim / 4) + e % 8);
                    }
                    int low0 = kWords.get(from + 0);
                    int high0 = kWords.get(from + 32);
                    int low1 = kWords.get(from + 64);
                    int high1 = kWords.get(from + 96);
                    int low2 = kWords.get(from + 128);
                    int high2 = kWords.get(from + 160);
                    int low3 = kWords.get(from + 192);
                    int high3 = kWords.get(from + 224);
                    int low4 = kWords.get(from + 256);
                    int high4 = kWords.get(from + 288);
                    int low5 = kWords.get(from + 320);
                    int high5 = kWords.get(from + 352);
                    int low6 = kWords.get(from + 384);
                    int high6 = kWords.get(from + 416);
                    int low7 = kWords.get(from + 448);
                    int high7 = kWords.get(from + 480);
                    int low8 = kWords.get(from + 512);
                    int high8 = kWords.get(from + 544);
                    int low9 = kWords.get(from + 576);
                    int high9 = kWords.get(from + 608);
                    int low10 = kWords.get(from + 640);
                    int high10 = kWords.get(from + 672);
                    int low11 = kWords.get(from + 704);
                    int high11 = kWords.get(from + 736);
                    int low12 = kWords.get(from + 768);
                    int high12 = kWords.get(from + 800);
                    int low13 = kWords.get(from + 832);
                    int high13 = kWords.get(from + 864);
                    int low14 = kWords.get(from + 896);
                    int high14 = kWords.get(from + 928);
                    int low15 = kWords.get(from + 960);
                    int high15 = kWords.get(from + 992);
                    b0[lane] = low0;
                    b0[lane + WARP] = high0;
                    b1[lane] = low1;
                    b1[lane + WARP] = high1;
                    b2[lane] = low2;
                    b2[lane + WARP] = high2;
                    b3[lane] = low3;
                    b3[lane + WARP] = high3;
                    b4[lane] = low4;
                    b4[lane + WARP] = high4;
                    b5[lane] = low5;
                    b5[lane + WARP] = high5;
                    b6[lane] = low6;
                    b6[lane + WARP] = high6;
                    b7[lane] = low7;
                    b7[lane + WARP] = high7;
                    b8[lane] = low8;
                    b8[lane + WARP] = high8;
                    b9[lane] = low9;
                    b9[lane + WARP] = high9;
                    b10[lane] = low10;
                    b10[lane + WARP] = high10;
                    b11[lane] = low11;
                    b11[lane + WARP] = high11;
                    b12[lane] = low12;
                    b12[lane + WARP] = high12;
                    b13[lane] = low13;
                    b13[lane + WARP] = high13;
                    b14[lane] = low14;
                    b14[lane + WARP] = high14;
                    b15[lane] = low15;
                    b15[lane + WARP] = high15;
                    context.localBarrier();
                    byte[] queries = context.mmaLoadAInt8(a, 32);
                    byte[] k0 = context.mmaLoadBInt8(b0, 32);
                    byte[] k1 = context.mmaLoadBInt8(b1, 32);
                    byte[] k2 = context.mmaLoadBInt8(b2, 32);
                    byte[] k3 = context.mmaLoadBInt8(b3, 32);
                    s0 = context.mmaInt8(queries, k0, s0, MMAShape.M16N8K32);
                    s1 = context.mmaInt8(queries, k1, s1, MMAShape.M16N8K32);
                    s2 = context.mmaInt8(queries, k2, s2, MMAShape.M16N8K32);
                    s3 = context.mmaInt8(queries, k3, s3, MMAShape.M16N8K32);
                    byte[] k4 = context.mmaLoadBInt8(b4, 32);
                    byte[] k5 = context.mmaLoadBInt8(b5, 32);
                    byte[] k6 = context.mmaLoadBInt8(b6, 32);
                    byte[] k7 = context.mmaLoadBInt8(b7, 32);
                    s4 = context.mmaInt8(queries, k4, s4, MMAShape.M16N8K32);
                    s5 = context.mmaInt8(queries, k5, s5, MMAShape.M16N8K32);
                    s6 = context.mmaInt8(queries, k6, s6, MMAShape.M16N8K32);
                    s7 = context.mmaInt8(queries, k7, s7, MMAShape.M16N8K32);
                    byte[] k8 = context.mmaLoadBInt8(b8, 32);
                    byte[] k9 = context.mmaLoadBInt8(b9, 32);
                    byte[] k10 = context.mmaLoadBInt8(b10, 32);
                    byte[] k11 = context.mmaLoadBInt8(b11, 32);
                    s8 = context.mmaInt8(queries, k8, s8, MMAShape.M16N8K32);
                    s9 = context.mmaInt8(queries, k9, s9, MMAShape.M16N8K32);
                    s10 = context.mmaInt8(queries, k10, s10, MMAShape.M16N8K32);
                    s11 = context.mmaInt8(queries, k11, s11, MMAShape.M16N8K32);
                    byte[] k12 = context.mmaLoadBInt8(b12, 32);
                    byte[] k13 = context.mmaLoadBInt8(b13, 32);
                    byte[] k14 = context.mmaLoadBInt8(b14, 32);
                    byte[] k15 = context.mmaLoadBInt8(b15, 32);
                    s12 = context.mmaInt8(queries, k12, s12, MMAShape.M16N8K32);
                    s13 = context.mmaInt8(queries, k13, s13, MMAShape.M16N8K32);
                    s14 = context.mmaInt8(queries, k14, s14, MMAShape.M16N8K32);
                    s15 = context.mmaInt8(queries, k15, s15, MMAShape.M16N8K32);
                }
                // Another place each time: TornadoVM does not know that mmaStoreInt writes what is read below.
                int scoreRow = scoreRegion + scoreTurn * ROWS;
                context.mmaStoreInt(s0, scores, scoreRow, MmaTiles.ALIGN, 8);
                context.mmaStoreInt(s1, scores, scoreRow + 16, MmaTiles.ALIGN, 8);
                context.mmaStoreInt(s2, scores, scoreRow + 32, MmaTiles.ALIGN, 8);
                context.mmaStoreInt(s3, scores, scoreRow + 48, MmaTiles.ALIGN, 8);
                context.mmaStoreInt(s4, scores, scoreRow + 64, MmaTiles.ALIGN, 8);
                context.mmaStoreInt(s5, scores, scoreRow + 80, MmaTiles.ALIGN, 8);
                context.mmaStoreInt(s6, scores, scoreRow + 96, MmaTiles.ALIGN, 8);
                context.mmaStoreInt(s7, scores, scoreRow + 112, MmaTiles.ALIGN, 8);
                context.mmaStoreInt(s8, scores, scoreRow + 128, MmaTiles.ALIGN, 8);
                context.mmaStoreInt(s9, scores, scoreRow + 144, MmaTiles.ALIGN, 8);
                context.mmaStoreInt(s10, scores, scoreRow + 160, MmaTiles.ALIGN, 8);
                context.mmaStoreInt(s11, scores, scoreRow + 176, MmaTiles.ALIGN, 8);
                context.mmaStoreInt(s12, scores, scoreRow + 192, MmaTiles.ALIGN, 8);
                context.mmaStoreInt(s13, scores, scoreRow + 208, MmaTiles.ALIGN, 8);
                context.mmaStoreInt(s14, scores, scoreRow + 224, MmaTiles.ALIGN, 8);
                context.mmaStoreInt(s15, scores, scoreRow + 240, MmaTiles.ALIGN, 8);
                context.localBarrier();

                float top = Numbers.MASKED;
                for (int n = 0; n < BLOCK_K / 8; n++) {
                    int at = (scoreRow + n * ROWS + r) * 8 + MmaTiles.ALIGN + side * 4;
                    for (int i = 0; i < 4; i++) {
                        int j = n * 8 + side * 4 + i;
                        float score = scores.get(at + i) * (rowScale * keyScales[j]);
                        if (smoothQ == 1) {
                            score = score + keyDeltas[j];
                        }
                        if (maskKind == Masking.NONE) {
                            if (score < Rounding.VISIBLE_FROM) {
                                score = Numbers.MASKED;
                            }
                        } else {
                            if (first + j <= last) {
                                score = Masking.apply(
                                        score, maskBits, maskValues, maskKind, maskStart + (first + j) * maskStep);
                            }
                        }
                        if (first + j > last) {
                            score = Numbers.MASKED;
                        }
                        x[n * 4 + i] = score;
                        top = TornadoMath.max(top, score);
                    }
                }
                halves[lane] = top;
                context.localBarrier();
                float mNew = TornadoMath.max(m, TornadoMath.max(halves[2 * r], halves[2 * r + 1]));
                float alpha = Rounding.exp2(m - mNew);
                if (side == 0) {
                    alphas[r] = alpha;
                }
                float sum = 0f;
                // No branch around the weight of a hidden key, which is 0 as it is far below the shift: branches would
                // be one after
                // the other, and wait.
                float shift = MmaTiles.shiftOf(mNew);
                for (int n = 0; n < BLOCK_K / 8; n++) {
                    for (int i = 0; i < 4; i += 2) {
                        float even = Rounding.exp2((x[n * 4 + i] - shift) + offset);
                        float odd = Rounding.exp2((x[n * 4 + i + 1] - shift) + offset);
                        sum = sum + even + odd;
                        // A hidden key gets the weight -0, by which a NaN of V is kept out below.
                        int low = Rounding.halfCodeOfWeight(even);
                        if (x[n * 4 + i] < Rounding.VISIBLE_FROM) {
                            low = MINUS_ZERO;
                        }
                        int high = Rounding.halfCodeOfWeight(odd);
                        if (x[n * 4 + i + 1] < Rounding.VISIBLE_FROM) {
                            high = -MINUS_ZERO;
                        }
                        p[n / 2 * A_WORDS + r * 8 + n % 2 * 4 + side * 2 + i / 2] = low + 65536 * high;
                    }
                }
                l = l * alpha + sum;
                m = mNew;

                // O = O * alpha + P V, 32 channels at a time.
                for (int block = 0; block < blocks; block++) {
                    float[] c0 = context.mmaFragment(0f);
                    float[] c1 = context.mmaFragment(0f);
                    float[] c2 = context.mmaFragment(0f);
                    float[] c3 = context.mmaFragment(0f);
                    for (int part = 0; part < 2; part++) {
                        int vFrom = (kvTile + block) * (2 * BLOCK_WORDS) + part * BLOCK_WORDS;
                        context.localBarrier();
                        // Sixteen loads under way at a time: a loop over single ones would wait for each.
                        for (int e = lane; e < BLOCK_WORDS; e += 16 * WARP) {
                            int word0 = vWords.get(vFrom + e);
                            int word1 = vWords.get(vFrom + e + 32);
                            int word2 = vWords.get(vFrom + e + 64);
                            int word3 = vWords.get(vFrom + e + 96);
                            int word4 = vWords.get(vFrom + e + 128);
                            int word5 = vWords.get(vFrom + e + 160);
                            int word6 = vWords.get(vFrom + e + 192);
                            int word7 = vWords.get(vFrom + e + 224);
                            int word8 = vWords.get(vFrom + e + 256);
                            int word9 = vWords.get(vFrom + e + 288);
                            int word10 = vWords.get(vFrom + e + 320);
                            int word11 = vWords.get(vFrom + e + 352);
                            int word12 = vWords.get(vFrom + e + 384);
                            int word13 = vWords.get(vFrom + e + 416);
                            int word14 = vWords.get(vFrom + e + 448);
                            int word15 = vWords.get(vFrom + e + 480);
                            v[e] = word0;
                            v[e + 32] = word1;
                            v[e + 64] = word2;
                            v[e + 96] = word3;
                            v[e + 128] = word4;
                            v[e + 160] = word5;
                            v[e + 192] = word6;
                            v[e + 224] = word7;
                            v[e + 256] = word8;
                            v[e + 288] = word9;
                            v[e + 320] = word10;
                            v[e + 352] = word11;
                            v[e + 384] = word12;
                            v[e + 416] = word13;
                            v[e + 448] = word14;
                            v[e + 480] = word15;
                        }
                        context.localBarrier();
                        for (int step = 0; step < 4; step++) {
                            HalfFloat[] weights = context.mmaLoadA(p, 16, (part * 4 + step) * A_BYTES);
                            HalfFloat[] v0 = context.mmaLoadB(v, 16, step * 4 * B_BYTES);
                            HalfFloat[] v1 = context.mmaLoadB(v, 16, (step * 4 + 1) * B_BYTES);
                            HalfFloat[] v2 = context.mmaLoadB(v, 16, (step * 4 + 2) * B_BYTES);
                            HalfFloat[] v3 = context.mmaLoadB(v, 16, (step * 4 + 3) * B_BYTES);
                            c0 = context.mma(weights, v0, c0, MMAShape.M16N8K16);
                            c1 = context.mma(weights, v1, c1, MMAShape.M16N8K16);
                            c2 = context.mma(weights, v2, c2, MMAShape.M16N8K16);
                            c3 = context.mma(weights, v3, c3, MMAShape.M16N8K16);
                        }
                    }
                    sumTurn = 1 - sumTurn;
                    int sumRow = sumRegion + sumTurn * ROWS;
                    context.mmaStore(c0, sums, sumRow, MmaTiles.ALIGN, 8);
                    context.mmaStore(c1, sums, sumRow + 16, MmaTiles.ALIGN, 8);
                    context.mmaStore(c2, sums, sumRow + 32, MmaTiles.ALIGN, 8);
                    context.mmaStore(c3, sums, sumRow + 48, MmaTiles.ALIGN, 8);
                    context.localBarrier();
                    for (int n = 0; n < 4; n++) {
                        for (int i = 0; i < 4; i++) {
                            float inner = sums.get((sumRow + n * ROWS) * 8 + MmaTiles.ALIGN + lane + WARP * i);
                            int at = (block * 4 + n) * 128 + lane + WARP * i;
                            o[at] = o[at] * alphas[lane / 8 + 4 * i] + inner;
                        }
                    }
                    if (vCounts.get((kvTile + block) * QuantizeV.COUNTS + QuantizeV.SPOILT) != 0) {
                        // V has NaNs, which mma was not given: they go to the rows that see them.
                        for (int e = 0; e < 16; e++) {
                            int channel = block * 32 + e / 4 * 8 + lane % 8;
                            int values = (kvTile / blocks * dim + channel) * BLOCK_K;
                            for (int position = 0; position < BLOCK_K; position++) {
                                int j = PvCodes.keyAt(position);
                                int pair = p[j / 16 * A_WORDS + (lane / 8 + 4 * (e % 4)) * 8 + j % 16 / 2];
                                float value = vHalves.get(values + position).getFloat32();
                                if (MmaTiles.visible(pair, j % 2) >= 0) {
                                    if (TornadoMath.abs(value) < Float.POSITIVE_INFINITY) {
                                        value = 0f;
                                    }
                                    int at = (block * 4 + e / 4) * 128 + lane + WARP * (e % 4);
                                    o[at] = o[at] + value;
                                }
                            }
                        }
                    }
                }
            }

            halves[lane] = l;
            context.localBarrier();
            for (int n = 0; n < 4 * blocks; n++) {
                for (int i = 0; i < 4; i++) {
                    int valueRow = lane / 8 + 4 * i;
                    int channel = n * 8 + lane % 8;
                    float total = halves[2 * valueRow] + halves[2 * valueRow + 1];
                    float value = 0f;
                    if (total != 0f) {
                        value = o[n * 128 + lane + WARP * i] / total;
                        if (smoothV == 1) {
                            value = value + vMeans.get(kvHead * dim + channel);
                        }
                    }
                    if (firstRow + valueRow < rows && channel < sizes.get(Elements.CHANNELS)) {
                        out.set(Elements.rowStart(sizes, head, firstRow + valueRow) + channel, value);
                    }
                }
            }
            if (wantLse == 1 && side == 0 && row < rows) {
                float total = halves[lane] + halves[lane + 1];
                lse.set(head * rows + row, (m + (TornadoMath.log(total) * Numbers.LOG2E - offset)) * Numbers.LN2);
            }
            context.localBarrier();
        }
    }
}
