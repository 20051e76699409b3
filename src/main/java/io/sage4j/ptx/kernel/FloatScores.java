package io.sage4j.ptx.kernel;

import io.sage4j.numeric.Numbers;

/**
 * Integer scores that are floats as they stand: tensor cores start them from the bits of 1.5 * 2^23, where a float's last bit
 * counts ones, so that {@code c * (s - 1.5 * 2^23)} costs no conversion. The sums of 256 products of INT8 codes stay below
 * 2^22, so the exponent never changes.
 *
 * <p>{@code 1.5 * 2^23 * c} is rounded before the exponent of a score is formed, and once more together with the row's
 * maximum. Each rounding shifts the exponents of all of a thread's scores of a row and tile alike, by at most 0.75 c. P then
 * rounds to a neighbour where it lies that near a tie. Where c is not small, scores are made exact instead.
 */
final class FloatScores {
    /** What scores start from. */
    static final int START = Float.floatToRawIntBits(Numbers.ROUND_TO_INT);

    private static final float SMALL_SCALE = 0x1p-8f;
    private static final float SMALL_SCALE_FP16 = 0x1p-10f;

    private FloatScores() {}

    /** Largest c whose shift is small beside the rounding of P to E4M3, or to FP16, of which it is a tenth of a percent. */
    static float smallScale(boolean fp16) {
        return fp16 ? SMALL_SCALE_FP16 : SMALL_SCALE;
    }
}
