package io.sage4j.numeric;

/**
 * What kernels round smooth Q's shifts to that have scores as floats which start from {@link Numbers#ROUND_TO_INT}
 * (docs/numerics.md, 5): a shift and the start's share {@code -ROUND_TO_INT * c} become one number, whose last bit is worth
 * between 0.75 c and 1.5 c. A score is {@code c} times a whole number, off by many of them since Q and K were rounded.
 */
public final class ShiftGrid {
    /** Bits of {@code c} that are kept, so that the start's share is exact. */
    public static final int KEPT = ~3;

    private ShiftGrid() {}

    /** The factor of scores that is used in place of {@code c}. */
    public static float factor(float c) {
        return Float.intBitsToFloat(Float.floatToRawIntBits(c) & KEPT);
    }

    /**
     * Score of a key, rounded once.
     *
     * @param s sum of products of codes, below 2^22
     * @param factor as {@link #factor} gives it
     * @param shift what smooth Q took from the score
     */
    public static float score(int s, float factor, float shift) {
        double start = (double) Numbers.ROUND_TO_INT * factor;
        float both = (float) (shift - start);
        return (float) (s * (double) factor + (start + both));
    }
}
