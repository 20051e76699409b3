package io.sage4j.kernel;

import io.sage4j.numeric.PvFormat;
import uk.ac.manchester.tornado.api.math.TornadoMath;

/** The formats of P and V inside kernels: a format is a constant argument, so that one branch remains. */
public final class PvCodes {
    /** IEEE half precision. */
    public static final int FP16 = 1;
    /** OCP FP8 with 3 mantissa bits. */
    public static final int E4M3 = 2;
    /** OCP FP8 with 2 mantissa bits. */
    public static final int E5M2 = 3;
    /** Integers -127..127. */
    public static final int INT8 = 4;

    private static final float INT8_LIMIT = 127f;
    private static final int FP8_SIGN = 128;

    /** Codes in an int of {@link #word}. */
    public static final int PER_WORD = 4;

    private PvCodes() {}

    /** Format constant of a format, of V where P has another one. */
    public static int formatOf(PvFormat format) {
        return switch (format) {
            case FP16 -> FP16;
            case E4M3, E4M3_FAST -> E4M3;
            case E5M2 -> E5M2;
            case INT8 -> INT8;
            case FP32 -> throw new IllegalArgumentException("FP32 is not a quantized format");
        };
    }

    /** Value rounded to a format. */
    public static float round(float value, int format) {
        float rounded = value;
        if (format == FP16) {
            rounded = Rounding.half(value);
        }
        if (format == E4M3) {
            rounded = Rounding.e4m3(value);
        }
        if (format == E5M2) {
            rounded = Rounding.e5m2(value);
        }
        if (format == INT8) {
            rounded = Rounding.code(value, INT8_LIMIT);
        }
        return rounded;
    }

    /** 8-bit code of the nearest value of a magnitude in the range of the format. */
    public static int codeOfWeight(float weight, int format) {
        int code = 0;
        if (format == E4M3) {
            code = (int) Rounding.e4m3CodeOfWeight(weight);
        }
        if (format == E5M2) {
            code = (int) Rounding.e5m2CodeOfWeight(weight);
        }
        if (format == INT8) {
            code = Rounding.nearest(TornadoMath.min(INT8_LIMIT, weight));
        }
        return code;
    }

    /** Four codes as one int, the first in its lowest 8 bits; each as {@link #codeOf} gives it, the last one signed. */
    public static int word(float first, float second, float third, float last) {
        // Exact sums of integers, since a cast to int costs more; nothing overflows.
        return (int) (last * 256f + third) * 65536 + (int) (second * 256f + first);
    }

    /**
     * FP8 code of the nearest value of {@code x} in the range of the format, that of 0 for -0 too, at its place in a {@link #word};
     * the sum of four is the word. By the bits of halves, with half as many operations as {@link #codeOf}.
     *
     * @param which place in the word, a constant
     */
    public static int inWord(float x, int which, int format) {
        float magnitude = TornadoMath.abs(x);
        int placed = 0;
        if (format == E4M3) {
            int bits = Rounding.e4m3HalfBits(magnitude);
            placed = which == 0 ? bits >> 7 : bits << 8 * which - 7;
        }
        if (format == E5M2) {
            int bits = Rounding.e5m2HalfBits(magnitude);
            placed = which == 0 ? bits >> 8 : bits << 8 * which - 8;
        }
        if (x < 0f) {
            placed = placed + (FP8_SIGN << 8 * which);
        }
        return placed;
    }

    /**
     * 8-bit code of the nearest value of {@code x} in the range of the format; that of 0 for -0 too.
     *
     * @param asSigned 1 for -128..127, 0 for 0..255
     */
    public static float codeOf(float x, int asSigned, int format) {
        float code = 0f;
        if (format == E4M3) {
            code = Rounding.e4m3Code(x, asSigned == 1 ? -FP8_SIGN : FP8_SIGN);
        }
        if (format == E5M2) {
            code = Rounding.e5m2Code(x, asSigned == 1 ? -FP8_SIGN : FP8_SIGN);
        }
        if (format == INT8) {
            code = Rounding.code(x, INT8_LIMIT);
            if (asSigned == 0 && code < 0f) {
                code = code + 256f;
            }
        }
        return code;
    }

    /** The least magnitude whose code is not that of zero: the float above half of the least step, whose tie goes to zero. */
    public static float leastKept(int format) {
        float least = 0f;
        if (format == FP16) {
            least = 0x1.000002p-25f;
        }
        if (format == E4M3) {
            least = 0x1.000002p-10f;
        }
        if (format == E5M2) {
            least = 0x1.000002p-17f;
        }
        if (format == INT8) {
            least = 0x1.000002p-1f;
        }
        return least;
    }

    /** 8-bit code of the opposite of a value, from that of its magnitude. */
    public static int negative(int code, int format) {
        return format == INT8 ? -code : code + FP8_SIGN;
    }

    /** One of the codes of a {@link #word}, 0 being the first. */
    public static byte codeAt(int word, int which) {
        return (byte) (word >> 8 * which);
    }

    /** Value of one of the codes of a {@link #word}, 0 being the first. */
    public static float valueAt(int word, int which, int format) {
        float value = decode(codeAt(word, which), format);
        if (format == INT8 && value > INT8_LIMIT) {
            // The sign of (byte) (word >> 24) comes from the shift, which TornadoVM's PTX backend makes a logical one.
            value = value - 256f;
        }
        return value;
    }

    /** Value of an 8-bit code. */
    public static float decode(byte code, int format) {
        float value = 0f;
        if (format == E4M3) {
            value = Rounding.e4m3Value(code);
        }
        if (format == E5M2) {
            value = Rounding.e5m2Value(code);
        }
        if (format == INT8) {
            value = code;
        }
        return value;
    }

    /** {@link io.sage4j.numeric.OperandLayout#keyAt} by arithmetic, for kernels: TornadoVM has no tables of constants. */
    public static int keyAt(int position) {
        int inSixteen = position % 16;
        return position - inSixteen + inSixteen % 2 + inSixteen % 4 / 2 * 8 + inSixteen / 4 * 2;
    }

    /** {@link io.sage4j.numeric.OperandLayout#positionOf} by arithmetic, the inverse of {@link #keyAt}. */
    public static int positionOf(int key) {
        int inSixteen = key % 16;
        return key - inSixteen + inSixteen % 2 + inSixteen / 8 * 2 + inSixteen % 8 / 2 * 4;
    }
}
