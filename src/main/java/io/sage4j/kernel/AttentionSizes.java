package io.sage4j.kernel;

import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Run-time numbers of an attention kernel, in one IntArray of {@link #SIZE}: positions 0..6 are the view of the output
 * ({@link Elements}), whose heads, tokens and channels are those of Q; the rest is named here.
 */
public final class AttentionSizes {
    /** Position: index of the first mask element; then its strides by batch, head, query and key. */
    public static final int MASK_OFFSET = 7;
    /** Position: mask elements from one batch entry to the next. */
    public static final int MASK_BATCH = 8;
    /** Position: mask elements from one head to the next. */
    public static final int MASK_HEAD = 9;
    /** Position: mask elements from one query to the next. */
    public static final int MASK_QUERY = 10;
    /** Position: mask elements from one key to the next. */
    public static final int MASK_KEY = 11;
    /** Position: query heads per key/value head. */
    public static final int GROUP_SIZE = 12;
    /** Position: keys of one head. */
    public static final int KEYS = 13;
    /** Position: query i sees the keys j with {@code j <= i + diagonal}. */
    public static final int DIAGONAL = 14;
    /** Position: work-groups per head. */
    public static final int Q_TILES = 15;
    /** Position: tiles of keys per head. */
    public static final int K_TILES = 16;
    /** Position: tile, groups, period and width of the scales of Q, then scales per head. */
    public static final int Q_SCALES = 17;
    /** Position: tile, groups, period and width of the scales of K, then scales per head. */
    public static final int K_SCALES = 22;
    /** Numbers in the array. */
    public static final int SIZE = 27;

    private AttentionSizes() {}

    /** Index of the mask element of key 0; {@code head} counts over batch and query heads. */
    public static int maskRow(IntArray sizes, int head, int row) {
        int heads = sizes.get(Elements.HEADS);
        int batch = head / heads;
        return sizes.get(MASK_OFFSET)
                + batch * sizes.get(MASK_BATCH)
                + (head - batch * heads) * sizes.get(MASK_HEAD)
                + row * sizes.get(MASK_QUERY);
    }

    /** Last key that a row sees, -1 if it sees none; also -1 for a row beyond the last. */
    public static int lastKey(IntArray sizes, int row) {
        int last = sizes.get(KEYS) - 1;
        int diagonal = row + sizes.get(DIAGONAL);
        if (diagonal < last) {
            last = diagonal;
        }
        if (row >= sizes.get(Elements.TOKENS) || last < 0) {
            last = -1;
        }
        return last;
    }

    /** Index of the scale of a row inside its head; {@code at} is {@link #Q_SCALES} or {@link #K_SCALES}. */
    public static int scaleOf(IntArray sizes, int at, int row) {
        return row / sizes.get(at) * sizes.get(at + 1) + row % sizes.get(at + 2) / sizes.get(at + 3);
    }
}
