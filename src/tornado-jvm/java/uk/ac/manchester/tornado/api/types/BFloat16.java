package uk.ac.manchester.tornado.api.types;

/**
 * bfloat16: the upper half of a float.
 *
 * <p>As in TornadoVM 5.2.0, encoding rounds to nearest with ties <em>away from zero</em>.
 */
public final class BFloat16 {
    /** Largest finite value. */
    public static final float BF16_MAX = 3.3895314e38f;

    private static final short NAN = 0x7fc0;

    private BFloat16() {}

    /**
     * Decodes.
     *
     * @param bits the 16 bits
     * @return their value
     */
    public static float bf16ToFloat(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    /**
     * Encodes; values that round above the largest finite one become infinity.
     *
     * @param value the value
     * @return the 16 bits
     */
    public static short bf16FromFloat(float value) {
        if (value != value) {
            return NAN;
        }
        if (value == 0) {
            return 0; // also for -0, like TornadoVM
        }
        int bits = Float.floatToRawIntBits(value);
        int magnitude = (bits & 0x7fffffff) + 0x8000;
        return (short) (((bits & 0x80000000) | magnitude) >>> 16);
    }
}
