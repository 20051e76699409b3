package io.sage4j.numeric;

/** IEEE 754 binary16, round to nearest even. */
public final class Float16 {
    /** Largest finite value. */
    public static final float MAX = 65504f;

    private Float16() {}

    /** Value of an encoded half. */
    public static float decode(short bits) {
        return Float.float16ToFloat(bits);
    }

    /** Nearest half; values beyond the range become infinite, as in an FP16 accumulator. */
    public static short encode(float value) {
        return Float.floatToFloat16(value);
    }

    /** Nearest half, saturating at +-65504; NaN stays NaN. For operands, which must stay finite. */
    public static short encodeSaturating(float value) {
        return encode(Math.max(-MAX, Math.min(MAX, value)));
    }

    /** The value rounded to half precision. */
    public static float round(float value) {
        return decode(encode(value));
    }
}
