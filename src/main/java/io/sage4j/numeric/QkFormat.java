package io.sage4j.numeric;

/** Number format of Q and K in the product Q K^T. */
public enum QkFormat {
    /** Not quantized. */
    FP32(0),
    /** Symmetric, -127..127, no zero point. */
    INT8(127),
    /** Symmetric, -7..7, no zero point (SageAttention2, section 3.1). */
    INT4(7);

    private final int limit;

    QkFormat(int limit) {
        this.limit = limit;
    }

    /** Largest magnitude of a code; 0 where nothing is quantized. */
    public int limit() {
        return limit;
    }
}
