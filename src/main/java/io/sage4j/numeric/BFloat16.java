package io.sage4j.numeric;

/** bfloat16: the upper half of an FP32, round to nearest even. */
public final class BFloat16 {
    private BFloat16() {}

    /** Value of an encoded bfloat16. */
    public static float decode(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    /** Nearest bfloat16; NaN stays NaN (quiet), values beyond the range become infinite. */
    public static short encode(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) (bits >>> 16 | 0x40);
        }
        return (short) (bits + 0x7FFF + (bits >>> 16 & 1) >>> 16);
    }

    /** The value rounded to bfloat16. */
    public static float round(float value) {
        return decode(encode(value));
    }
}
