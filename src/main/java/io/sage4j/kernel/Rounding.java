package io.sage4j.kernel;

import io.sage4j.numeric.ExponentCode;
import io.sage4j.numeric.Numbers;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.HalfFloat;

/**
 * Rounding to the number formats of quantized attention by plain FP32 arithmetic, for use inside kernels: TornadoVM has no
 * bit casts, no {@code rint} and no FP8 encoder that rounds to nearest even.
 *
 * <p>Two tricks do all the work, both exact and ties to even. Adding and subtracting {@code 1.5 * 2^23 * step} rounds to a
 * multiple of {@code step}. {@code c - (c - x)} with {@code c = 2^s * x} keeps the upper {@code 24 - s} bits of {@code x}
 * (c - x lies in the binade of c, whose steps are those wanted; where it falls below that binade, x is so close to a power
 * of two that both grids round to it). NaN passes through everything.
 */
public final class Rounding {
    /** The least float above {@link Numbers#MASKED}: scores below it are masked out, and NaN is not below it. */
    public static final float VISIBLE_FROM = -0x1.93e592p99f;

    private static final float E4M3_MAX = 448f;
    private static final float E5M2_MAX = 57344f;
    private static final float HALF_MAX = 65504f;
    /** The largest float that rounds to 65504; the next is half way to the next step and becomes infinite. */
    private static final float HALF_OVERFLOW = 65519.996f;

    /** 1.5 * 2^23 times the least step of a format. */
    private static final float HALF_SUBNORMAL = 0x1.8p-1f;

    private static final float E4M3_SUBNORMAL = 0x1.8p14f;
    private static final float E5M2_SUBNORMAL = 0x1.8p7f;

    private Rounding() {}

    /** {@code 2^y}; TornadoVM has no exp2. */
    public static float exp2(float y) {
        return TornadoMath.exp(y * Numbers.LN2);
    }

    /** Nearest integer of a value of magnitude below 2^22. */
    public static float integer(float x) {
        return (x + Numbers.ROUND_TO_INT) - Numbers.ROUND_TO_INT;
    }

    /** {@link #integer} as an int, which takes one operation less. */
    public static int nearest(float x) {
        return (int) (x + Numbers.ROUND_TO_INT) - (int) Numbers.ROUND_TO_INT;
    }

    /** An int whose low 8 bits are those of {@link #nearest}, which takes one operation less again. */
    public static int nearestBits(float x) {
        return (int) (x + Numbers.ROUND_TO_INT);
    }

    /**
     * Nearest integer in {@code -limit..limit}. The clamp comes first, which also keeps a compiler from contracting the
     * multiplication that made {@code x} with the addition.
     */
    public static float code(float x, float limit) {
        return integer(TornadoMath.max(-limit, TornadoMath.min(limit, x)));
    }

    /** Nearest FP16 value; beyond 65504 infinite, as in an FP16 accumulator. */
    public static float half(float x) {
        float c = x * 0x1p13f;
        float rounded = c - (c - x);
        if (TornadoMath.abs(x) < 0x1p-14f) {
            rounded = (x + HALF_SUBNORMAL) - HALF_SUBNORMAL;
        }
        if (TornadoMath.abs(x) > HALF_OVERFLOW) {
            rounded = x * Float.MAX_VALUE;
        }
        return rounded;
    }

    /** {@code x} clamped to what FP16 can hold; NaN stays NaN. */
    public static float halfRange(float x) {
        float clamped = x;
        if (x > HALF_MAX) {
            clamped = HALF_MAX;
        }
        if (x < -HALF_MAX) {
            clamped = -HALF_MAX;
        }
        return clamped;
    }

    /** Nearest E4M3 value, saturating at 448. */
    public static float e4m3(float x) {
        float c = x * 0x1p20f;
        float rounded = c - (c - x);
        if (TornadoMath.abs(x) < 0x1p-6f) {
            rounded = (x + E4M3_SUBNORMAL) - E4M3_SUBNORMAL;
        }
        if (TornadoMath.abs(x) > E4M3_MAX) {
            rounded = x < 0f ? -E4M3_MAX : E4M3_MAX;
        }
        return rounded;
    }

    /** Nearest E5M2 value, saturating at 57344. */
    public static float e5m2(float x) {
        float c = x * 0x1p21f;
        float rounded = c - (c - x);
        if (TornadoMath.abs(x) < 0x1p-14f) {
            rounded = (x + E5M2_SUBNORMAL) - E5M2_SUBNORMAL;
        }
        if (TornadoMath.abs(x) > E5M2_MAX) {
            rounded = x < 0f ? -E5M2_MAX : E5M2_MAX;
        }
        return rounded;
    }

    /** FP16 bits, 0..65535, of the nearest value, saturating; 0 for NaN. */
    public static int halfCode(float x) {
        float y = TornadoMath.abs(x);
        if (y > HALF_MAX) {
            y = HALF_MAX;
        }
        y = y * 0x1p14f;
        int code = 0;
        if (y >= 0x1p16f) {
            y = y * 0x1p-16f;
            code = 16384;
        }
        if (y >= 0x1p8f) {
            y = y * 0x1p-8f;
            code = code + 8192;
        }
        if (y >= 0x1p4f) {
            y = y * 0x1p-4f;
            code = code + 4096;
        }
        if (y >= 0x1p2f) {
            y = y * 0x1p-2f;
            code = code + 2048;
        }
        if (y >= 0x1p1f) {
            y = y * 0x1p-1f;
            code = code + 1024;
        }
        code = code + nearest(y * 1024f);
        if (isNaN(x) == 1) {
            code = 0;
        }
        return code + 32768 * signBit(x);
    }

    /** FP16 bits of the nearest value of {@code weight}, 0..2; not specified for NaN. For inner loops. */
    public static int halfCodeOfWeight(float weight) {
        float y = weight * 0x1p14f;
        int code = 0;
        if (y >= 0x1p8f) {
            y = y * 0x1p-8f;
            code = 8192;
        }
        if (y >= 0x1p4f) {
            y = y * 0x1p-4f;
            code = code + 4096;
        }
        if (y >= 0x1p2f) {
            y = y * 0x1p-2f;
            code = code + 2048;
        }
        if (y >= 0x1p1f) {
            y = y * 0x1p-1f;
            code = code + 1024;
        }
        return code + nearest(y * 1024f);
    }

    /** E4M3 code of the nearest value of {@code weight}, 0..448; not specified for NaN. For inner loops. */
    public static float e4m3CodeOfWeight(float weight) {
        return e4m3Place(weight, Numbers.ROUND_TO_INT) - Numbers.ROUND_TO_INT;
    }

    /** E4M3 code of the nearest magnitude of {@code x}, -448..448, plus {@code sign} for negative numbers, but not for -0. */
    public static float e4m3Code(float x, float sign) {
        return e4m3Place(TornadoMath.abs(x), signedPlace(x, sign)) - Numbers.ROUND_TO_INT;
    }

    /** E4M3 code of a magnitude, added to {@code start}, which is 1.5 * 2^23 or an even number near it. */
    private static float e4m3Place(float magnitude, float start) {
        float y = magnitude;
        float place = start;
        if (y >= 0x1p2f) {
            y = y * 0x1p-8f;
            place = place + 64f;
        }
        if (y >= 0x1p-2f) {
            y = y * 0x1p-4f;
            place = place + 32f;
        }
        if (y >= 0x1p-4f) {
            y = y * 0x1p-2f;
            place = place + 16f;
        }
        if (y >= 0x1p-5f) {
            y = y * 0x1p-1f;
            place = place + 8f;
        }
        return y * 0x1p9f + place;
    }

    /** E5M2 code of the nearest value of {@code weight}, 0..57344; not specified for NaN. For inner loops. */
    public static float e5m2CodeOfWeight(float weight) {
        return e5m2Place(weight, Numbers.ROUND_TO_INT) - Numbers.ROUND_TO_INT;
    }

    /** E5M2 code of the nearest magnitude of {@code x}, -57344..57344, plus {@code sign} for negative numbers, but not for -0. */
    public static float e5m2Code(float x, float sign) {
        return e5m2Place(TornadoMath.abs(x), signedPlace(x, sign)) - Numbers.ROUND_TO_INT;
    }

    /** As {@link #e4m3Place}. */
    private static float e5m2Place(float magnitude, float start) {
        float y = magnitude;
        float place = start;
        if (y >= 0x1p2f) {
            y = y * 0x1p-16f;
            place = place + 64f;
        }
        if (y >= 0x1p-6f) {
            y = y * 0x1p-8f;
            place = place + 32f;
        }
        if (y >= 0x1p-10f) {
            y = y * 0x1p-4f;
            place = place + 16f;
        }
        if (y >= 0x1p-12f) {
            y = y * 0x1p-2f;
            place = place + 8f;
        }
        if (y >= 0x1p-13f) {
            y = y * 0x1p-1f;
            place = place + 4f;
        }
        return y * 0x1p16f + place;
    }

    /** 1.5 * 2^23, and {@code sign}, an even number, for negative numbers. */
    private static float signedPlace(float x, float sign) {
        float place = Numbers.ROUND_TO_INT;
        if (x < 0f) {
            place = place + sign;
        }
        return place;
    }

    /**
     * 128 times the E4M3 code of the nearest value of {@code magnitude}, 0..448: the bits of a half, since the halves of magnitudes
     * below 2^-14 have the steps of E4M3 below 2^-6. Needs a device whose halves show their bits.
     */
    public static int e4m3HalfBits(float magnitude) {
        float c = TornadoMath.max(magnitude * 0x1p12f, 0x1.8p6f);
        float rounded = c - (c - magnitude * 0x1p-8f);
        return new HalfFloat(rounded).getHalfFloatValue();
    }

    /** 256 times the E5M2 code of the nearest value of {@code magnitude}, 0..57344: the bits of the half that it is. */
    public static int e5m2HalfBits(float magnitude) {
        float c = TornadoMath.max(magnitude * 0x1p21f, E5M2_SUBNORMAL);
        float rounded = c - (c - magnitude);
        return new HalfFloat(rounded).getHalfFloatValue();
    }

    /** Value of an E4M3 code. */
    public static float e4m3Value(byte code) {
        int bits = unsigned(code, 256f);
        int sign = bits / 128;
        int rest = bits - 128 * sign;
        int exponent = rest / 8;
        int mantissa = rest - 8 * exponent;
        float value = exponent > 0 ? (mantissa + 8) * 0x1p-10f : mantissa * 0x1p-9f;
        if (exponent / 8 % 2 == 1) {
            value = value * 0x1p8f;
        }
        if (exponent / 4 % 2 == 1) {
            value = value * 0x1p4f;
        }
        if (exponent / 2 % 2 == 1) {
            value = value * 0x1p2f;
        }
        if (exponent / 1 % 2 == 1) {
            value = value * 0x1p1f;
        }
        if (rest == 127) {
            value = notANumber(value);
        }
        return sign == 1 ? -value : value;
    }

    /** Value of the E4M3 code that {@link ExponentCode} gives 2^t. */
    public static float e4m3OfExponent(float t) {
        float place = t * ExponentCode.PER_OCTAVE + ExponentCode.ZERO;
        float value = e4m3Value((byte) integer(TornadoMath.max(0f, TornadoMath.min(ExponentCode.LARGEST, place))));
        if (isNaN(t) == 1) {
            value = t;
        }
        return value;
    }

    /** Value of an E5M2 code. */
    public static float e5m2Value(byte code) {
        int bits = unsigned(code, 256f);
        int sign = bits / 128;
        int rest = bits - 128 * sign;
        int exponent = rest / 4;
        int mantissa = rest - 4 * exponent;
        float value = exponent > 0 ? (mantissa + 4) * 0x1p-17f : mantissa * 0x1p-16f;
        if (exponent / 16 % 2 == 1) {
            value = value * 0x1p16f;
        }
        if (exponent / 8 % 2 == 1) {
            value = value * 0x1p8f;
        }
        if (exponent / 4 % 2 == 1) {
            value = value * 0x1p4f;
        }
        if (exponent / 2 % 2 == 1) {
            value = value * 0x1p2f;
        }
        if (exponent / 1 % 2 == 1) {
            value = value * 0x1p1f;
        }
        if (rest == 124) {
            value = value * Float.MAX_VALUE;
        }
        if (rest > 124) {
            value = notANumber(value);
        }
        return sign == 1 ? -value : value;
    }

    /** Value of a bfloat16. */
    public static float bf16Value(short raw) {
        int bits = unsigned(raw, 65536f);
        int sign = bits / 32768;
        int rest = bits - 32768 * sign;
        int exponent = rest / 128;
        int mantissa = rest - 128 * exponent;
        // In two factors, so that neither leaves the range; the exponent of infinity and NaN overflows by itself.
        int power = TornadoMath.max(exponent, 1);
        int part = power / 2;
        float value =
                (exponent > 0 ? mantissa + 128 : mantissa) * powerOfTwo(part - 67) * powerOfTwo(power - part - 67);
        if (exponent == 255) {
            value = mantissa > 0 ? notANumber(value) : value;
        }
        return sign == 1 ? -value : value;
    }

    /** Bits, 0..65535, of the nearest bfloat16; beyond the range infinite. */
    public static int bf16Bits(float x) {
        float y = TornadoMath.abs(x);
        int binade = 0;
        if (y >= 0x1p2f) {
            y = y * 0x1p-64f * 0x1p-64f;
            binade = 128;
        }
        if (y >= 0x1p-62f) {
            y = y * 0x1p-64f;
            binade = binade + 64;
        }
        if (y >= 0x1p-94f) {
            y = y * 0x1p-32f;
            binade = binade + 32;
        }
        // Now y is below 2^-94; what remains of its distance to 2^-126 fits 32 binades.
        float ratio = y * 0x1p126f;
        int rest = binade32(ratio);
        int code = 128 * (binade + rest) + (int) integer(ratio * powerOfTwo(-rest) * 128f);
        int nan = 0;
        // Not isNaN: under "not finite" TornadoVM's CUDA and PTX backends take its comparison for decided, and NaN
        // becomes infinite.
        if (x != x) {
            nan = 1;
        }
        if (isFinite(x) == 0) {
            code = 255 * 128 + 64 * nan;
        }
        return code + 32768 * signBit(x);
    }

    /** 1 if {@code x} is neither NaN nor infinite, else 0. TornadoVM writes an infinite constant as a division. */
    public static int isFinite(float x) {
        return x - x == 0f ? 1 : 0;
    }

    /** Not {@code |x| > -1}: ptxas takes that for true. */
    private static int isNaN(float x) {
        return x == x ? 0 : 1;
    }

    /**
     * The bits of a signed code as a positive number. In float, as a comparison of integers becomes an arithmetic shift, which
     * TornadoVM's PTX backend makes a logical one.
     */
    private static int unsigned(int code, float span) {
        float value = code;
        if (value < 0f) {
            value = value + span;
        }
        return (int) value;
    }

    /** 1 for negative numbers and for -0. */
    private static int signBit(float x) {
        int sign = 0;
        if (x < 0f) {
            sign = 1;
        }
        if (x == 0f) {
            sign = 1f / x < 0f ? 1 : 0;
        }
        return sign;
    }

    /** NaN from any finite value. */
    private static float notANumber(float value) {
        float infinite = (TornadoMath.abs(value) + 1f) * Float.MAX_VALUE * 2f;
        return infinite - infinite;
    }

    /** Logarithm, rounded down, of {@code x} in 1..2^32; 0 below 1. */
    private static int binade32(float x) {
        float y = x;
        int binade = 0;
        if (y >= 0x1p16f) {
            y = y * 0x1p-16f;
            binade = 16;
        }
        if (y >= 0x1p8f) {
            y = y * 0x1p-8f;
            binade = binade + 8;
        }
        if (y >= 0x1p4f) {
            y = y * 0x1p-4f;
            binade = binade + 4;
        }
        if (y >= 0x1p2f) {
            y = y * 0x1p-2f;
            binade = binade + 2;
        }
        if (y >= 0x1p1f) {
            binade = binade + 1;
        }
        return binade;
    }

    /** {@code 2^n} for n in -126..127. */
    private static float powerOfTwo(int n) {
        int m = TornadoMath.abs(n);
        float power = 1f;
        if (m >= 64) {
            power = n < 0 ? 0x1p-64f : 0x1p64f;
            m = m - 64;
        }
        if (m >= 32) {
            power = power * (n < 0 ? 0x1p-32f : 0x1p32f);
            m = m - 32;
        }
        if (m >= 16) {
            power = power * (n < 0 ? 0x1p-16f : 0x1p16f);
            m = m - 16;
        }
        if (m >= 8) {
            power = power * (n < 0 ? 0x1p-8f : 0x1p8f);
            m = m - 8;
        }
        if (m >= 4) {
            power = power * (n < 0 ? 0x1p-4f : 0x1p4f);
            m = m - 4;
        }
        if (m >= 2) {
            power = power * (n < 0 ? 0x1p-2f : 0x1p2f);
            m = m - 2;
        }
        if (m >= 1) {
            power = power * (n < 0 ? 0x1p-1f : 0x1p1f);
        }
        return power;
    }
}
