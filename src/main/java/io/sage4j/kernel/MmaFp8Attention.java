package io.sage4j.kernel;

import io.sage4j.numeric.Numbers;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.enums.MMAShape;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * {@link MmaHalfAttention} with P and V in FP8 (E4M3) and operands that come by asynchronous copies; those of V for the next
 * 32 channels are under way while the warp computes the softmax or adds to the output. For the CUDA backend of TornadoVM,
 * the only one with these operations.
 *
 * <p>Grid as there. Local memory: 8 KiB. Each of the 16 tiles of K, or of V for 32 channels, has a local array of its own.
 */
public final class MmaFp8Attention {
    private static final int WARP = 32;
    private static final int ROWS = MmaTiles.ROWS;
    private static final int BLOCK_K = MmaTiles.BLOCK_K;
    private static final int A_WORDS = 128;
    private static final int B_WORDS = 64;
    private static final int BLOCK_WORDS = MmaTiles.BLOCK_WORDS;

    private MmaFp8Attention() {}

    /**
     * Kernel.
     *
     * <pre>
     * for each tile of 128 keys:
     *     s = qCode . kCode (MMA, by way of memory);  x = s * (qScale * sm_scale * log2e * kScale) + deltaS + mask
     *     mNew = max(m, max x);  alpha = 2^(m - mNew);  p = 2^(x - mNew + offset)
     *     l = l * alpha + sum p;  O = O * alpha + e4m3(p) V (MMA, by way of memory)
     * out = O / l * vScale + vMean
     * </pre>
     *
     * @param sizes {@link AttentionSizes}, then {@link MmaTiles}
     * @param factors see {@link QuantizedAttention#FACTORS}
     * @param kTiles codes of K as B tiles, see {@link MmaTiles#packBytes}
     * @param vTiles codes of V as B tiles, see {@link MmaTiles#packBytes}
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
            ByteArray qCodes,
            ByteArray kTiles,
            ByteArray vTiles,
            FloatArray qScales,
            FloatArray kScales,
            FloatArray vScales,
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
        int[] p0 = context.allocateIntLocalArray(A_WORDS);
        int[] p1 = context.allocateIntLocalArray(A_WORDS);
        int[] p2 = context.allocateIntLocalArray(A_WORDS);
        int[] p3 = context.allocateIntLocalArray(A_WORDS);
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
                    int qFrom = (head * qRows + firstRow) * dim + block * 32;
                    context.localBarrier();
                    for (int e = lane; e < A_WORDS; e += WARP) {
                        context.asyncCopyToLocal(a, e, qCodes, qFrom + e / 8 * dim + e % 8 * 4);
                    }
                    context.asyncCopyToLocal(b0, lane, kTiles, (from + 0) * 4);
                    context.asyncCopyToLocal(b0, lane + WARP, kTiles, (from + 32) * 4);
                    context.asyncCopyToLocal(b1, lane, kTiles, (from + 64) * 4);
                    context.asyncCopyToLocal(b1, lane + WARP, kTiles, (from + 96) * 4);
                    context.asyncCopyToLocal(b2, lane, kTiles, (from + 128) * 4);
                    context.asyncCopyToLocal(b2, lane + WARP, kTiles, (from + 160) * 4);
                    context.asyncCopyToLocal(b3, lane, kTiles, (from + 192) * 4);
                    context.asyncCopyToLocal(b3, lane + WARP, kTiles, (from + 224) * 4);
                    context.asyncCopyToLocal(b4, lane, kTiles, (from + 256) * 4);
                    context.asyncCopyToLocal(b4, lane + WARP, kTiles, (from + 288) * 4);
                    context.asyncCopyToLocal(b5, lane, kTiles, (from + 320) * 4);
                    context.asyncCopyToLocal(b5, lane + WARP, kTiles, (from + 352) * 4);
                    context.asyncCopyToLocal(b6, lane, kTiles, (from + 384) * 4);
                    context.asyncCopyToLocal(b6, lane + WARP, kTiles, (from + 416) * 4);
                    context.asyncCopyToLocal(b7, lane, kTiles, (from + 448) * 4);
                    context.asyncCopyToLocal(b7, lane + WARP, kTiles, (from + 480) * 4);
                    context.asyncCopyToLocal(b8, lane, kTiles, (from + 512) * 4);
                    context.asyncCopyToLocal(b8, lane + WARP, kTiles, (from + 544) * 4);
                    context.asyncCopyToLocal(b9, lane, kTiles, (from + 576) * 4);
                    context.asyncCopyToLocal(b9, lane + WARP, kTiles, (from + 608) * 4);
                    context.asyncCopyToLocal(b10, lane, kTiles, (from + 640) * 4);
                    context.asyncCopyToLocal(b10, lane + WARP, kTiles, (from + 672) * 4);
                    context.asyncCopyToLocal(b11, lane, kTiles, (from + 704) * 4);
                    context.asyncCopyToLocal(b11, lane + WARP, kTiles, (from + 736) * 4);
                    context.asyncCopyToLocal(b12, lane, kTiles, (from + 768) * 4);
                    context.asyncCopyToLocal(b12, lane + WARP, kTiles, (from + 800) * 4);
                    context.asyncCopyToLocal(b13, lane, kTiles, (from + 832) * 4);
                    context.asyncCopyToLocal(b13, lane + WARP, kTiles, (from + 864) * 4);
                    context.asyncCopyToLocal(b14, lane, kTiles, (from + 896) * 4);
                    context.asyncCopyToLocal(b14, lane + WARP, kTiles, (from + 928) * 4);
                    context.asyncCopyToLocal(b15, lane, kTiles, (from + 960) * 4);
                    context.asyncCopyToLocal(b15, lane + WARP, kTiles, (from + 992) * 4);
                    context.asyncCopyCommit();
                    context.asyncCopyWaitGroup(0);
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
                // V of the first 32 channels comes while the softmax runs.
                int vFrom = kvTile * BLOCK_WORDS + lane;
                context.asyncCopyToLocal(b0, lane, vTiles, (vFrom + 0) * 4);
                context.asyncCopyToLocal(b0, lane + WARP, vTiles, (vFrom + 32) * 4);
                context.asyncCopyToLocal(b1, lane, vTiles, (vFrom + 64) * 4);
                context.asyncCopyToLocal(b1, lane + WARP, vTiles, (vFrom + 96) * 4);
                context.asyncCopyToLocal(b2, lane, vTiles, (vFrom + 128) * 4);
                context.asyncCopyToLocal(b2, lane + WARP, vTiles, (vFrom + 160) * 4);
                context.asyncCopyToLocal(b3, lane, vTiles, (vFrom + 192) * 4);
                context.asyncCopyToLocal(b3, lane + WARP, vTiles, (vFrom + 224) * 4);
                context.asyncCopyToLocal(b4, lane, vTiles, (vFrom + 256) * 4);
                context.asyncCopyToLocal(b4, lane + WARP, vTiles, (vFrom + 288) * 4);
                context.asyncCopyToLocal(b5, lane, vTiles, (vFrom + 320) * 4);
                context.asyncCopyToLocal(b5, lane + WARP, vTiles, (vFrom + 352) * 4);
                context.asyncCopyToLocal(b6, lane, vTiles, (vFrom + 384) * 4);
                context.asyncCopyToLocal(b6, lane + WARP, vTiles, (vFrom + 416) * 4);
                context.asyncCopyToLocal(b7, lane, vTiles, (vFrom + 448) * 4);
                context.asyncCopyToLocal(b7, lane + WARP, vTiles, (vFrom + 480) * 4);
                context.asyncCopyToLocal(b8, lane, vTiles, (vFrom + 512) * 4);
                context.asyncCopyToLocal(b8, lane + WARP, vTiles, (vFrom + 544) * 4);
                context.asyncCopyToLocal(b9, lane, vTiles, (vFrom + 576) * 4);
                context.asyncCopyToLocal(b9, lane + WARP, vTiles, (vFrom + 608) * 4);
                context.asyncCopyToLocal(b10, lane, vTiles, (vFrom + 640) * 4);
                context.asyncCopyToLocal(b10, lane + WARP, vTiles, (vFrom + 672) * 4);
                context.asyncCopyToLocal(b11, lane, vTiles, (vFrom + 704) * 4);
                context.asyncCopyToLocal(b11, lane + WARP, vTiles, (vFrom + 736) * 4);
                context.asyncCopyToLocal(b12, lane, vTiles, (vFrom + 768) * 4);
                context.asyncCopyToLocal(b12, lane + WARP, vTiles, (vFrom + 800) * 4);
                context.asyncCopyToLocal(b13, lane, vTiles, (vFrom + 832) * 4);
                context.asyncCopyToLocal(b13, lane + WARP, vTiles, (vFrom + 864) * 4);
                context.asyncCopyToLocal(b14, lane, vTiles, (vFrom + 896) * 4);
                context.asyncCopyToLocal(b14, lane + WARP, vTiles, (vFrom + 928) * 4);
                context.asyncCopyToLocal(b15, lane, vTiles, (vFrom + 960) * 4);
                context.asyncCopyToLocal(b15, lane + WARP, vTiles, (vFrom + 992) * 4);
                context.asyncCopyCommit();

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
                float shift = MmaTiles.shiftOf(mNew);
                float sum = 0f;
                for (int n = 0; n < 4; n++) {
                    sum = codesOfWeights(x, n * 4, shift, offset, sum);
                    p0[r * 8 + n * 2 + side] = PvCodes.word(x[n * 4], x[n * 4 + 1], x[n * 4 + 2], x[n * 4 + 3]);
                }
                for (int n = 4; n < 8; n++) {
                    sum = codesOfWeights(x, n * 4, shift, offset, sum);
                    p1[r * 8 + n % 4 * 2 + side] = PvCodes.word(x[n * 4], x[n * 4 + 1], x[n * 4 + 2], x[n * 4 + 3]);
                }
                for (int n = 8; n < 12; n++) {
                    sum = codesOfWeights(x, n * 4, shift, offset, sum);
                    p2[r * 8 + n % 4 * 2 + side] = PvCodes.word(x[n * 4], x[n * 4 + 1], x[n * 4 + 2], x[n * 4 + 3]);
                }
                for (int n = 12; n < 16; n++) {
                    sum = codesOfWeights(x, n * 4, shift, offset, sum);
                    p3[r * 8 + n % 4 * 2 + side] = PvCodes.word(x[n * 4], x[n * 4 + 1], x[n * 4 + 2], x[n * 4 + 3]);
                }
                l = l * alpha + sum;
                m = mNew;

                // O = O * alpha + P V, 32 channels at a time.
                context.asyncCopyWaitGroup(0);
                context.localBarrier();
                byte[] w0 = context.mmaLoadAFP8(p0, 32);
                byte[] w1 = context.mmaLoadAFP8(p1, 32);
                byte[] w2 = context.mmaLoadAFP8(p2, 32);
                byte[] w3 = context.mmaLoadAFP8(p3, 32);
                for (int block = 0; block < blocks; block++) {
                    float[] c0 = context.mmaFragment(0f);
                    float[] c1 = context.mmaFragment(0f);
                    float[] c2 = context.mmaFragment(0f);
                    float[] c3 = context.mmaFragment(0f);
                    byte[] v0 = context.mmaLoadBFP8(b0, 32);
                    byte[] v1 = context.mmaLoadBFP8(b1, 32);
                    byte[] v2 = context.mmaLoadBFP8(b2, 32);
                    byte[] v3 = context.mmaLoadBFP8(b3, 32);
                    c0 = context.mmaFP8E4M3(w0, v0, c0, MMAShape.M16N8K32);
                    c1 = context.mmaFP8E4M3(w0, v1, c1, MMAShape.M16N8K32);
                    c2 = context.mmaFP8E4M3(w0, v2, c2, MMAShape.M16N8K32);
                    c3 = context.mmaFP8E4M3(w0, v3, c3, MMAShape.M16N8K32);
                    byte[] v4 = context.mmaLoadBFP8(b4, 32);
                    byte[] v5 = context.mmaLoadBFP8(b5, 32);
                    byte[] v6 = context.mmaLoadBFP8(b6, 32);
                    byte[] v7 = context.mmaLoadBFP8(b7, 32);
                    c0 = context.mmaFP8E4M3(w1, v4, c0, MMAShape.M16N8K32);
                    c1 = context.mmaFP8E4M3(w1, v5, c1, MMAShape.M16N8K32);
                    c2 = context.mmaFP8E4M3(w1, v6, c2, MMAShape.M16N8K32);
                    c3 = context.mmaFP8E4M3(w1, v7, c3, MMAShape.M16N8K32);
                    byte[] v8 = context.mmaLoadBFP8(b8, 32);
                    byte[] v9 = context.mmaLoadBFP8(b9, 32);
                    byte[] v10 = context.mmaLoadBFP8(b10, 32);
                    byte[] v11 = context.mmaLoadBFP8(b11, 32);
                    c0 = context.mmaFP8E4M3(w2, v8, c0, MMAShape.M16N8K32);
                    c1 = context.mmaFP8E4M3(w2, v9, c1, MMAShape.M16N8K32);
                    c2 = context.mmaFP8E4M3(w2, v10, c2, MMAShape.M16N8K32);
                    c3 = context.mmaFP8E4M3(w2, v11, c3, MMAShape.M16N8K32);
                    byte[] v12 = context.mmaLoadBFP8(b12, 32);
                    byte[] v13 = context.mmaLoadBFP8(b13, 32);
                    byte[] v14 = context.mmaLoadBFP8(b14, 32);
                    byte[] v15 = context.mmaLoadBFP8(b15, 32);
                    c0 = context.mmaFP8E4M3(w3, v12, c0, MMAShape.M16N8K32);
                    c1 = context.mmaFP8E4M3(w3, v13, c1, MMAShape.M16N8K32);
                    c2 = context.mmaFP8E4M3(w3, v14, c2, MMAShape.M16N8K32);
                    c3 = context.mmaFP8E4M3(w3, v15, c3, MMAShape.M16N8K32);
                    sumTurn = 1 - sumTurn;
                    int sumRow = sumRegion + sumTurn * ROWS;
                    context.mmaStore(c0, sums, sumRow, MmaTiles.ALIGN, 8);
                    context.mmaStore(c1, sums, sumRow + 16, MmaTiles.ALIGN, 8);
                    context.mmaStore(c2, sums, sumRow + 32, MmaTiles.ALIGN, 8);
                    context.mmaStore(c3, sums, sumRow + 48, MmaTiles.ALIGN, 8);
                    context.localBarrier();
                    if (block + 1 < blocks) {
                        int vNext = (kvTile + block + 1) * BLOCK_WORDS + lane;
                        context.asyncCopyToLocal(b0, lane, vTiles, (vNext + 0) * 4);
                        context.asyncCopyToLocal(b0, lane + WARP, vTiles, (vNext + 32) * 4);
                        context.asyncCopyToLocal(b1, lane, vTiles, (vNext + 64) * 4);
                        context.asyncCopyToLocal(b1, lane + WARP, vTiles, (vNext + 96) * 4);
                        context.asyncCopyToLocal(b2, lane, vTiles, (vNext + 128) * 4);
                        context.asyncCopyToLocal(b2, lane + WARP, vTiles, (vNext + 160) * 4);
                        context.asyncCopyToLocal(b3, lane, vTiles, (vNext + 192) * 4);
                        context.asyncCopyToLocal(b3, lane + WARP, vTiles, (vNext + 224) * 4);
                        context.asyncCopyToLocal(b4, lane, vTiles, (vNext + 256) * 4);
                        context.asyncCopyToLocal(b4, lane + WARP, vTiles, (vNext + 288) * 4);
                        context.asyncCopyToLocal(b5, lane, vTiles, (vNext + 320) * 4);
                        context.asyncCopyToLocal(b5, lane + WARP, vTiles, (vNext + 352) * 4);
                        context.asyncCopyToLocal(b6, lane, vTiles, (vNext + 384) * 4);
                        context.asyncCopyToLocal(b6, lane + WARP, vTiles, (vNext + 416) * 4);
                        context.asyncCopyToLocal(b7, lane, vTiles, (vNext + 448) * 4);
                        context.asyncCopyToLocal(b7, lane + WARP, vTiles, (vNext + 480) * 4);
                        context.asyncCopyToLocal(b8, lane, vTiles, (vNext + 512) * 4);
                        context.asyncCopyToLocal(b8, lane + WARP, vTiles, (vNext + 544) * 4);
                        context.asyncCopyToLocal(b9, lane, vTiles, (vNext + 576) * 4);
                        context.asyncCopyToLocal(b9, lane + WARP, vTiles, (vNext + 608) * 4);
                        context.asyncCopyToLocal(b10, lane, vTiles, (vNext + 640) * 4);
                        context.asyncCopyToLocal(b10, lane + WARP, vTiles, (vNext + 672) * 4);
                        context.asyncCopyToLocal(b11, lane, vTiles, (vNext + 704) * 4);
                        context.asyncCopyToLocal(b11, lane + WARP, vTiles, (vNext + 736) * 4);
                        context.asyncCopyToLocal(b12, lane, vTiles, (vNext + 768) * 4);
                        context.asyncCopyToLocal(b12, lane + WARP, vTiles, (vNext + 800) * 4);
                        context.asyncCopyToLocal(b13, lane, vTiles, (vNext + 832) * 4);
                        context.asyncCopyToLocal(b13, lane + WARP, vTiles, (vNext + 864) * 4);
                        context.asyncCopyToLocal(b14, lane, vTiles, (vNext + 896) * 4);
                        context.asyncCopyToLocal(b14, lane + WARP, vTiles, (vNext + 928) * 4);
                        context.asyncCopyToLocal(b15, lane, vTiles, (vNext + 960) * 4);
                        context.asyncCopyToLocal(b15, lane + WARP, vTiles, (vNext + 992) * 4);
                        context.asyncCopyCommit();
                    }
                    for (int n = 0; n < 4; n++) {
                        for (int i = 0; i < 4; i++) {
                            float inner = sums.get((sumRow + n * ROWS) * 8 + MmaTiles.ALIGN + lane + WARP * i);
                            int at = (block * 4 + n) * 128 + lane + WARP * i;
                            o[at] = o[at] * alphas[lane / 8 + 4 * i] + inner;
                        }
                    }
                    context.asyncCopyWaitGroup(0);
                    context.localBarrier();
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
                        value = value * vScales.get(kvHead * dim + channel);
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

    /**
     * Four scores become the codes of their weights. No branch around the weight of a hidden key, which is 0 as it is far below
     * the shift: branches would be one after the other, and each would wait.
     *
     * @return {@code sum} and the weights
     */
    private static float codesOfWeights(float[] x, int from, float shift, float offset, float sum) {
        float total = sum;
        for (int j = from; j < from + 4; j++) {
            float weight = Rounding.exp2((x[j] - shift) + offset);
            total = total + weight;
            x[j] = Rounding.e4m3CodeOfWeight(weight);
        }
        return total;
    }
}
