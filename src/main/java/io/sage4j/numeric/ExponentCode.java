package io.sage4j.numeric;

/**
 * {@link PvFormat#E4M3_FAST}: the E4M3 code of 2^t read off t, without the power. An octave has eight codes, so {@code 8 t +
 * 56} is the code of a whole t; between two of them it rises linearly where the code of 2^t bends, by up to 0.69. {@link #ZERO}
 * lies 0.42 lower, so that this is no bias. A value is then up to 7.7 % off, where rounding is up to 6.3 %.
 */
public final class ExponentCode {
    /** Codes to an octave. */
    public static final float PER_OCTAVE = 8f;
    /** Where the exponent 0 lies among the codes. */
    public static final float ZERO = 55.58f;
    /** Code of the largest value, 448. */
    public static final float LARGEST = 126f;

    /** Keys of a tile come in groups of so many; the upper half of each group is coded so. */
    public static final int PERIOD = 16;

    private ExponentCode() {}

    /** Whether the P of a key of a tile is coded so. */
    public static boolean takes(int key) {
        return key % PERIOD >= PERIOD / 2;
    }
}
