package io.sage4j.numeric;

/** Constants that all backends share. */
public final class Numbers {
    /** log2(e): scores are kept in base 2, so that the exponential is one instruction on a GPU. */
    public static final float LOG2E = 1.4426950408889634f;

    /** ln(2). */
    public static final float LN2 = 0.6931471805599453f;

    /** Adding and subtracting this rounds a float of magnitude below 2^22 to an integer, ties to even. */
    public static final float ROUND_TO_INT = 12582912f;

    /**
     * Least largest-magnitude of a scale group: keeps the reciprocal finite, so that an all-zero group gives zero
     * codes. Upstream's 1e-7 would flush small but valid FP32 and BF16 inputs.
     */
    public static final float AMAX_FLOOR = 0x1p-100f;

    /** Scores at or below this (base 2) count as masked out; also where the running maximum starts. */
    public static final float MASKED = -1e30f;

    /** Lanes of a token mean: interleaved partial sums, see {@link TokenMean}. */
    public static final int MEAN_LANES = 8;

    private Numbers() {}
}
