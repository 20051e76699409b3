package io.sage4j.numeric;

/**
 * The two 8-bit floats of the OCP FP8 specification, rounding to nearest even and saturating to the largest finite
 * value (as {@code cvt.rn.satfinite} does); NaN stays NaN.
 */
public enum Fp8 {
    /** 4 exponent bits (bias 7), 3 mantissa bits; S.1111.111 is NaN, there is no infinity; largest value 448. */
    E4M3(3, 7, 0x7E, 0x7F),
    /** 5 exponent bits (bias 15), 2 mantissa bits; infinity 0x7C, NaN above it; largest value 57344. */
    E5M2(2, 15, 0x7B, 0x7F);

    private final int mantissaBits;
    private final int bias;
    private final int maxCode;
    private final int nanCode;
    private final float[] values = new float[256];

    Fp8(int mantissaBits, int bias, int maxCode, int nanCode) {
        this.mantissaBits = mantissaBits;
        this.bias = bias;
        this.maxCode = maxCode;
        this.nanCode = nanCode;
        for (int code = 0; code < 128; code++) {
            values[code] = valueOf(code);
            values[code + 128] = -values[code];
        }
    }

    private float valueOf(int code) {
        if (code > maxCode) {
            return mantissaBits == 2 && code == maxCode + 1 ? Float.POSITIVE_INFINITY : Float.NaN;
        }
        int exponent = code >> mantissaBits;
        int mantissa = code & (1 << mantissaBits) - 1;
        int significand = exponent == 0 ? mantissa : mantissa + (1 << mantissaBits);
        return Math.scalb((float) significand, Math.max(exponent, 1) - bias - mantissaBits);
    }

    /** Value of a code. */
    public float decode(byte code) {
        return values[code & 0xFF];
    }

    /** Code of the nearest value. */
    public byte encode(float value) {
        if (Float.isNaN(value)) {
            return (byte) nanCode;
        }
        int bits = Float.floatToRawIntBits(value);
        int sign = bits >>> 24 & 0x80;
        float magnitude = Math.abs(value);
        if (magnitude >= values[maxCode]) {
            return (byte) (sign | maxCode);
        }
        float leastNormal = Math.scalb(1f, 1 - bias);
        int code;
        if (magnitude < leastNormal) {
            // Subnormal: an integer count of the smallest step; rint rounds ties to even.
            code = (int) Math.rint(Math.scalb((double) magnitude, bias - 1 + mantissaBits));
        } else {
            int drop = 23 - mantissaBits;
            int m = Float.floatToRawIntBits(magnitude);
            m += (1 << drop - 1) - 1 + (m >>> drop & 1);
            code = (m >>> drop) - (127 - bias << mantissaBits);
        }
        return (byte) (sign | Math.min(code, maxCode));
    }

    /** The value rounded to this format. */
    public float round(float value) {
        return decode(encode(value));
    }
}
