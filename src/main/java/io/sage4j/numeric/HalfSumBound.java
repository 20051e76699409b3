package io.sage4j.numeric;

import java.util.Locale;

/**
 * The static overflow proof of FP16 accumulation (SageAttention2++, equations 1 to 3): every partial sum of
 * {@code keys} products is at most {@code keys * pRange * vRange} in magnitude, which must stay finite in FP16.
 */
public final class HalfSumBound {
    /** Largest finite FP16 value. */
    public static final double MAX = 65504;

    private HalfSumBound() {}

    /** Largest magnitude that a sum of {@code keys} products can reach. */
    public static double worstSum(int keys, double pRange, double vRange) {
        return keys * pRange * vRange;
    }

    /**
     * Rejects ranges that could overflow.
     *
     * @param keys keys summed in FP16 before the sum moves to FP32
     * @param pRange largest P, as rounded to its format
     * @param vRange largest magnitude of a scaled V, as rounded to its format
     * @throws IllegalArgumentException naming the worst sum and the largest V range that would be safe
     */
    public static void requireNoOverflow(int keys, double pRange, double vRange) {
        double worst = worstSum(keys, pRange, vRange);
        if (!(worst <= MAX)) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "FP16 accumulation over %d keys can reach %d * %s * %s = %.0f, more than %.0f;"
                            + " with P up to %s V may be at most %s (both as rounded to their format)",
                    keys,
                    keys,
                    pRange,
                    vRange,
                    worst,
                    MAX,
                    pRange,
                    MAX / (keys * pRange)));
        }
    }
}
