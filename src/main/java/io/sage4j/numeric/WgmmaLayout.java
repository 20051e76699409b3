package io.sage4j.numeric;

/**
 * Where the Hopper quantizers put their output and the {@code wgmma} kernels find it. Each tile is stored as the very
 * image that it has in shared memory, swizzled for a matrix descriptor, so that one bulk copy brings it there and no
 * tensor map is needed. Contiguous per (batch, head):
 *
 * <ul>
 *   <li>Q codes: [batch * qHeads][{@link #qTiles}][64 rows x D bytes], zero beyond qoLen and headDim;
 *   <li>K codes: [batch * kvHeads][{@link #kTiles}][128 rows x D bytes], likewise;
 *   <li>V as E4M3: [batch * kvHeads][{@link #kTiles}][D rows x 128 bytes], transposed, keys of every 16 permuted by
 *       {@link OperandLayout#keyAt};
 *   <li>V as FP16: [batch * kvHeads][{@link #kTiles}][2 halves of 64 keys][D rows x 128 bytes], transposed, keys in order;
 *   <li>Q scales: FP32 [batch * qHeads][{@link #qTiles}][32]: entry {@code row / 16 * 8 + row % 8} for a row of the tile.
 *       K scales: FP32 [batch * kvHeads][{@link #kTiles}][4]: entry {@code row % 8 / 2}. Coarser granularities repeat
 *       their one value;
 *   <li>V scales and means of K and V: FP32 [batch * kvHeads][D].
 * </ul>
 *
 * <p>D is head_dim padded to 64 or 128. A row of 128 bytes has its 16-byte chunks exchanged by {@code chunk ^ (row & 7)},
 * a row of 64 bytes by {@code chunk ^ (row >> 1 & 3)}: the swizzles of 128 and 64 bytes of the PTX ISA's matrix descriptors.
 *
 * @param shape sizes of the call; head_dim at most 128
 */
public record WgmmaLayout(AttentionShape shape) {
    /** Rows of a tile of Q: what a warpgroup attends. */
    public static final int Q_ROWS = 64;
    /** Keys of a tile of K and V. */
    public static final int KEYS = 128;
    /** Largest head_dim. */
    public static final int MAX_DIM = 128;
    /** Q scales of a tile. */
    public static final int Q_SCALES = 32;
    /** K scales of a tile. */
    public static final int K_SCALES = 4;

    private static final int CHUNK = 16;
    private static final int WIDE = 128;
    private static final int HALF_KEYS = 64;

    /** @throws IllegalArgumentException if head_dim is too large */
    public WgmmaLayout {
        if (shape.headDim() > MAX_DIM) {
            throw new IllegalArgumentException(
                    "head_dim is " + shape.headDim() + ", the wgmma kernels take at most 128");
        }
    }

    /** head_dim rounded up to 64 or 128. */
    public int paddedDim() {
        return shape.headDim() <= HALF_KEYS ? HALF_KEYS : MAX_DIM;
    }

    /** Tiles of 64 rows of Q per head. */
    public int qTiles() {
        return Math.ceilDiv(shape.qoLen(), Q_ROWS);
    }

    /** Tiles of 128 keys per head. */
    public int kTiles() {
        return Math.ceilDiv(shape.kvLen(), KEYS);
    }

    /** Bytes of all Q codes. */
    public long qBytes() {
        return (long) shape.batch() * shape.qHeads() * qTiles() * Q_ROWS * paddedDim();
    }

    /** Bytes of all K codes, and of V as E4M3; V as FP16 takes twice as many. */
    public long kBytes() {
        return (long) shape.batch() * shape.kvHeads() * kTiles() * KEYS * paddedDim();
    }

    /** Number of Q scales. */
    public long qScales() {
        return (long) shape.batch() * shape.qHeads() * qTiles() * Q_SCALES;
    }

    /** Number of K scales. */
    public long kScales() {
        return (long) shape.batch() * shape.kvHeads() * kTiles() * K_SCALES;
    }

    /** Byte of a Q code; {@code head} counts over batch and query heads. */
    public long qIndex(int head, int row, int channel) {
        int dim = paddedDim();
        long tile = (long) head * qTiles() + row / Q_ROWS;
        return tile * Q_ROWS * dim + swizzled(row % Q_ROWS, channel, dim);
    }

    /** Byte of a K code; {@code head} counts over batch and key/value heads. */
    public long kIndex(int head, int row, int channel) {
        int dim = paddedDim();
        long tile = (long) head * kTiles() + row / KEYS;
        return tile * KEYS * dim + swizzled(row % KEYS, channel, dim);
    }

    /** Byte of an E4M3 code of V; {@code head} counts over batch and key/value heads. */
    public long vIndex(int head, int key, int channel) {
        long tile = (long) head * kTiles() + key / KEYS;
        return tile * KEYS * paddedDim() + swizzled(channel, OperandLayout.positionOf(key % KEYS), WIDE);
    }

    /** Byte where an FP16 value of V starts; {@code head} counts over batch and key/value heads. */
    public long vHalfIndex(int head, int key, int channel) {
        long tile = (long) head * kTiles() + key / KEYS;
        long half = tile * 2 + key % KEYS / HALF_KEYS;
        return half * paddedDim() * WIDE + swizzled(channel, key % HALF_KEYS * Short.BYTES, WIDE);
    }

    /** Index of the Q scale of a row. */
    public long qScaleIndex(int head, int row) {
        int inTile = row % Q_ROWS;
        return ((long) head * qTiles() + row / Q_ROWS) * Q_SCALES + inTile / 16 * 8 + inTile % 8;
    }

    /** Index of the K scale of a row. */
    public long kScaleIndex(int head, int row) {
        return ((long) head * kTiles() + row / KEYS) * K_SCALES + row % 8 / 2;
    }

    /** Offset of a byte in a tile whose rows have 128 or 64 bytes. */
    public static int swizzled(int row, int column, int pitch) {
        int chunk = column / CHUNK ^ (pitch == WIDE ? row & 7 : row >> 1 & 3);
        return row * pitch + chunk * CHUNK + column % CHUNK;
    }
}
