package io.sage4j.numeric;

/**
 * Where the quantizers put their output and the attention kernels find it. All operands are contiguous per (batch,
 * head):
 *
 * <ul>
 *   <li>Q codes: [batch * qHeads][qRows][paddedDim], zero beyond qoLen and headDim;
 *   <li>K codes: [batch * kvHeads][kRows][paddedDim], likewise;
 *   <li>V codes: [batch * kvHeads][kTiles][paddedDim][blockK], V transposed tile by tile, keys of every 16 permuted by
 *       {@link #keyAt}, so that the P accumulator of an m16n8 MMA is the A operand of the next one without a shuffle;
 *   <li>Q, K scales: see {@link ScaleGroups}; V scales and means: [batch * kvHeads][paddedDim].
 * </ul>
 *
 * @param shape sizes of the call
 * @param tiles tile of the attention kernel
 */
public record OperandLayout(AttentionShape shape, TileShape tiles) {
    /** Channels are padded with zeros to a multiple of this, the depth of an 8-bit MMA. */
    public static final int DIM_UNIT = 32;

    private static final int[] KEY_AT = {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15};
    private static final int[] POSITION_OF = new int[KEY_AT.length];

    static {
        for (int p = 0; p < KEY_AT.length; p++) {
            POSITION_OF[KEY_AT[p]] = p;
        }
    }

    /** Key (relative to its tile) stored at a position of a V^T row. */
    public static int keyAt(int position) {
        return (position & ~15) + KEY_AT[position & 15];
    }

    /** Position in a V^T row of a key (relative to its tile); the inverse of {@link #keyAt}. */
    public static int positionOf(int key) {
        return (key & ~15) + POSITION_OF[key & 15];
    }

    /** head_dim rounded up to {@link #DIM_UNIT}. */
    public int paddedDim() {
        return Math.ceilDiv(shape.headDim(), DIM_UNIT) * DIM_UNIT;
    }

    /** Tiles of Q per head. */
    public int qTiles() {
        return Math.ceilDiv(shape.qoLen(), tiles.blockQ());
    }

    /** Tiles of K and V per head. */
    public int kTiles() {
        return Math.ceilDiv(shape.kvLen(), tiles.blockK());
    }

    /** Rows of Q per head, padding included. */
    public int qRows() {
        return Math.multiplyExact(qTiles(), tiles.blockQ());
    }

    /** Rows of K per head, padding included. */
    public int kRows() {
        return Math.multiplyExact(kTiles(), tiles.blockK());
    }

    /** Number of Q codes. */
    public long qSize() {
        return (long) shape.batch() * shape.qHeads() * qRows() * paddedDim();
    }

    /** Number of K codes, and of V codes. */
    public long kSize() {
        return (long) shape.batch() * shape.kvHeads() * kRows() * paddedDim();
    }

    /** Index of a Q code; {@code head} counts over batch and query heads. */
    public long qIndex(int head, int row, int channel) {
        return ((long) head * qRows() + row) * paddedDim() + channel;
    }

    /** Index of a K code; {@code head} counts over batch and key/value heads. */
    public long kIndex(int head, int row, int channel) {
        return ((long) head * kRows() + row) * paddedDim() + channel;
    }

    /** Index of a V code; {@code head} counts over batch and key/value heads. */
    public long vIndex(int head, int key, int channel) {
        int tile = key / tiles.blockK();
        return (((long) head * kTiles() + tile) * paddedDim() + channel) * tiles.blockK()
                + positionOf(key % tiles.blockK());
    }
}
