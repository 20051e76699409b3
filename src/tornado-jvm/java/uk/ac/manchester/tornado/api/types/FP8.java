package uk.ac.manchester.tornado.api.types;

/**
 * The two 8-bit float formats of OCP: E4M3 (no infinities) and E5M2.
 *
 * <p>As in TornadoVM 5.2.0, encoding rounds to nearest with ties <em>away from zero</em>; the GPU's own conversion
 * instructions round ties to even.
 */
public final class FP8 {
    /** Largest finite E4M3 value. */
    public static final float E4M3_MAX = 448.0f;

    /** Largest finite E5M2 value. */
    public static final float E5M2_MAX = 57344.0f;

    private static final int E4M3_TOP = 0x7e;
    private static final int E5M2_INFINITY = 0x7c;
    private static final int NAN = 0x7f;
    private static final float[] E4M3 = new float[256];
    private static final float[] E5M2 = new float[256];

    static {
        for (int bits = 0; bits < 256; bits++) {
            float sign = bits < 128 ? 1 : -1;
            int field = bits & 0x7f;
            E4M3[bits] = field == NAN ? Float.NaN : sign * decode(field, 3, 7);
            if (field < E5M2_INFINITY) {
                E5M2[bits] = sign * decode(field, 2, 15);
            } else {
                E5M2[bits] = field == E5M2_INFINITY ? sign * Float.POSITIVE_INFINITY : Float.NaN;
            }
        }
    }

    private FP8() {}

    /**
     * Decodes E4M3.
     *
     * @param bits the byte
     * @return its value
     */
    public static float e4m3ToFloat(byte bits) {
        return E4M3[bits & 0xff];
    }

    /**
     * Encodes E4M3: too large values and infinities become the largest finite value, NaN becomes 0x7f.
     *
     * @param value the value
     * @return the byte
     */
    public static byte e4m3FromFloat(float value) {
        if (value != value) {
            return NAN;
        }
        float magnitude = Math.abs(value);
        int field = magnitude >= E4M3_MAX ? E4M3_TOP : encode(magnitude, 3, 7);
        return (byte) (value < 0 ? field | 0x80 : field);
    }

    /**
     * Decodes E5M2.
     *
     * @param bits the byte
     * @return its value
     */
    public static float e5m2ToFloat(byte bits) {
        return E5M2[bits & 0xff];
    }

    /**
     * Encodes E5M2: too large values become infinity, NaN becomes 0x7f.
     *
     * @param value the value
     * @return the byte
     */
    public static byte e5m2FromFloat(float value) {
        if (value != value) {
            return NAN;
        }
        float magnitude = Math.abs(value);
        int field = magnitude >= 2 * E5M2_MAX ? E5M2_INFINITY : Math.min(encode(magnitude, 2, 15), E5M2_INFINITY);
        return (byte) (value < 0 ? field | 0x80 : field);
    }

    private static float decode(int field, int mantissaBits, int bias) {
        int exponent = field >> mantissaBits;
        int mantissa = field & ((1 << mantissaBits) - 1);
        if (exponent == 0) {
            return Math.scalb((float) mantissa, 1 - bias - mantissaBits);
        }
        return Math.scalb((float) (mantissa + (1 << mantissaBits)), exponent - bias - mantissaBits);
    }

    /* The unit in the last place is a power of two, so the division by it is exact; a carry out of the mantissa
     * moves to the next exponent by itself. The sum is one of floats, as in TornadoVM: the float just below half the
     * smallest value rounds up. */
    private static int encode(float magnitude, int mantissaBits, int bias) {
        int exponent = Math.max(Math.getExponent(magnitude), 1 - bias);
        int units = (int) (Math.scalb(magnitude, mantissaBits - exponent) + 0.5f);
        return ((exponent + bias - 1) << mantissaBits) + units;
    }
}
