package io.sage4j.plan;

/**
 * How a kernel reads an attention mask: element (b, h, i, j) at
 * {@code offset + b * batchStride + h * headStride + i * queryStride + j * keyStride}; a broadcast dimension has stride 0.
 *
 * @param kind what an element means
 * @param offset index of the first element
 * @param batchStride elements from one batch entry to the next
 * @param headStride elements from one query head to the next
 * @param queryStride elements from one query to the next
 * @param keyStride elements from one key to the next
 */
public record MaskView(Kind kind, int offset, int batchStride, int headStride, int queryStride, int keyStride) {
    /** No mask. */
    public static final MaskView NONE = new MaskView(Kind.NONE, 0, 0, 0, 0, 0);

    /** What a mask element means. */
    public enum Kind {
        /** There is no mask. */
        NONE,
        /** A byte; the pair takes part where it is not zero. */
        BOOL,
        /** An FP32 number added to the scaled score, in natural units. */
        ADDITIVE
    }

    /** Elements that an array needs to hold the mask: one more than the largest index. */
    public long span(int batch, int heads, int queries, int keys) {
        if (kind == Kind.NONE || batch == 0 || heads == 0 || queries == 0 || keys == 0) {
            return 0;
        }
        return offset
                + (batch - 1L) * batchStride
                + (heads - 1L) * headStride
                + (queries - 1L) * queryStride
                + (keys - 1L) * keyStride
                + 1;
    }

    boolean hasNegative() {
        return offset < 0 || batchStride < 0 || headStride < 0 || queryStride < 0 || keyStride < 0;
    }
}
