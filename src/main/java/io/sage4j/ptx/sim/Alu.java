package io.sage4j.ptx.sim;

import io.sage4j.numeric.BFloat16;
import io.sage4j.numeric.Fp8;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Type;

/** What lane-wise instructions compute. Values are raw bits, zero-extended to 64. */
final class Alu {
    /** Canonical FP32 NaN of the hardware. */
    private static final float NAN = Float.intBitsToFloat(0x7FFFFFFF);

    private static final long WORD = 0xFFFFFFFFL;

    private Alu() {}

    /** A function of up to three values; the ones that an instruction lacks are 0. */
    interface LaneFunction {
        long of(long a, long b, long c);
    }

    private interface FloatFunction {
        float of(float a, float b, float c);
    }

    private interface IntFunction {
        int of(int a, int b, int c);
    }

    private static LaneFunction floats(FloatFunction f) {
        return (a, b, c) -> bits(f.of(value(a), value(b), value(c)));
    }

    private static LaneFunction ints(IntFunction f) {
        return (a, b, c) -> f.of((int) a, (int) b, (int) c) & WORD;
    }

    private static LaneFunction halves(FloatFunction f) {
        return (a, b, c) -> {
            long low = half(f.of(half(a), half(b), half(c)));
            long high = half(f.of(half(a >> 16), half(b >> 16), half(c >> 16)));
            return high << 16 | low;
        };
    }

    private static LaneFunction bfloats(FloatFunction f) {
        return (a, b, c) -> {
            long low = bfloat(bits(f.of(value(a << 16), value(b << 16), value(c << 16))));
            long high = bfloat(bits(f.of(high(a), high(b), high(c))));
            return high << 16 | low;
        };
    }

    private static float high(long bits) {
        return value(bits & 0xFFFF0000L);
    }

    static float value(long bits) {
        return Float.intBitsToFloat((int) bits);
    }

    static long bits(float value) {
        return (Float.isNaN(value) ? 0x7FFFFFFF : Float.floatToRawIntBits(value)) & WORD;
    }

    private static float half(long bits) {
        return Float.float16ToFloat((short) bits);
    }

    private static long half(float value) {
        return Float.isNaN(value) ? 0x7FFF : Float.floatToFloat16(value) & 0xFFFFL;
    }

    private static float flush(float value) {
        return Math.abs(value) < Float.MIN_NORMAL ? Math.copySign(0f, value) : value;
    }

    private static float number(float a, float b, boolean larger) {
        if (Float.isNaN(a) || Float.isNaN(b)) {
            return Float.isNaN(a) ? b : a;
        }
        return larger ? Math.max(a, b) : Math.min(a, b);
    }

    static LaneFunction of(Operation operation, Type type) {
        return switch (type) {
            case F32 -> ofFloat(operation);
            case F16X2 -> ofHalf(operation);
            case U16X2 -> ofShorts(operation);
            case BF16X2 -> ofBfloat(operation);
            case U64, S64, B64 -> ofLong(operation, type.isSigned());
            default -> ofInt(operation, type.isSigned());
        };
    }

    private static LaneFunction ofFloat(Operation operation) {
        return switch (operation) {
            case ADD -> floats((a, b, c) -> a + b);
            case SUB -> floats((a, b, c) -> a - b);
            case MUL -> floats((a, b, c) -> a * b);
            case DIV -> floats((a, b, c) -> a / b);
            case MIN -> floats((a, b, c) -> number(a, b, false));
            case MAX -> floats((a, b, c) -> number(a, b, true));
            case MIN_NAN -> floats((a, b, c) -> Math.min(a, b));
            case MAX_NAN -> floats((a, b, c) -> Math.max(a, b));
            case NEG -> (a, b, c) -> a ^ 0x80000000L;
            case ABS -> (a, b, c) -> a & 0x7FFFFFFFL;
            case EX2 -> floats((a, b, c) -> flush((float) Math.pow(2, flush(a))));
            case LG2 -> floats((a, b, c) -> (float) (Math.log(flush(a)) / Math.log(2)));
            case RCP -> floats((a, b, c) -> 1f / a);
            case RCP_APPROX -> floats((a, b, c) -> flush(1f / flush(a)));
            case FMA -> floats(Math::fma);
            case FMA_SATURATED -> floats((a, b, c) -> Math.min(1f, number(Math.fma(a, b, c), 0f, true)));
            default -> throw new Fault(operation + " of FP32 is not modelled");
        };
    }

    private static LaneFunction ofHalf(Operation operation) {
        return switch (operation) {
            case ADD -> halves((a, b, c) -> a + b);
            case MUL -> halves((a, b, c) -> a * b);
            case MIN_NAN -> halves((a, b, c) -> Math.min(a, b));
            case MAX_NAN -> halves((a, b, c) -> Math.max(a, b));
            case FMA ->
                (a, b, c) -> {
                    long low = halfOf((double) half(a) * half(b) + half(c)) & 0xFFFFL;
                    long high = halfOf((double) half(a >> 16) * half(b >> 16) + half(c >> 16)) & 0xFFFFL;
                    return high << 16 | low;
                };
            default -> throw new Fault(operation + " of FP16 is not modelled");
        };
    }

    private static LaneFunction ofShorts(Operation operation) {
        if (operation != Operation.MAX) {
            throw new Fault(operation + " of two 16-bit integers is not modelled");
        }
        return (a, b, c) -> Math.max(a >>> 16, b >>> 16) << 16 | Math.max(a & 0xFFFF, b & 0xFFFF);
    }

    private static LaneFunction ofBfloat(Operation operation) {
        return switch (operation) {
            case MIN_NAN -> bfloats((a, b, c) -> Math.min(a, b));
            case MAX_NAN -> bfloats((a, b, c) -> Math.max(a, b));
            default -> throw new Fault(operation + " of bfloat16 is not modelled");
        };
    }

    private static LaneFunction ofInt(Operation operation, boolean signed) {
        return switch (operation) {
            case ADD -> ints((a, b, c) -> a + b);
            case SUB -> ints((a, b, c) -> a - b);
            case MUL -> ints((a, b, c) -> a * b);
            case MUL_WIDE -> (a, b, c) -> signed ? (long) (int) a * (int) b : (a & WORD) * (b & WORD);
            case MAD_WIDE -> (a, b, c) -> (signed ? (long) (int) a * (int) b : (a & WORD) * (b & WORD)) + c;
            case MAD -> ints((a, b, c) -> a * b + c);
            case DIV -> ints((a, b, c) -> b == 0 ? -1 : signed ? a / b : Integer.divideUnsigned(a, b));
            case REM -> ints((a, b, c) -> b == 0 ? a : signed ? a % b : Integer.remainderUnsigned(a, b));
            case MIN -> ints((a, b, c) -> signed ? Math.min(a, b) : Integer.compareUnsigned(a, b) < 0 ? a : b);
            case MAX -> ints((a, b, c) -> signed ? Math.max(a, b) : Integer.compareUnsigned(a, b) > 0 ? a : b);
            case AND -> (a, b, c) -> a & b;
            case OR -> (a, b, c) -> a | b;
            case XOR -> (a, b, c) -> a ^ b;
            case NOT -> ints((a, b, c) -> ~a);
            case NEG -> ints((a, b, c) -> -a);
            case ABS -> ints((a, b, c) -> Math.abs(a));
            case SHL -> ints((a, b, c) -> Integer.compareUnsigned(b, 31) > 0 ? 0 : a << b);
            case SHR -> ints((a, b, c) -> shiftRight(a, b, signed));
            case PRMT -> ints(Alu::permute);
            case SHF_LEFT -> ints((a, b, c) -> (c & 31) == 0 ? b : b << c | a >>> -c);
            default -> throw new Fault(operation + " of integers is not modelled");
        };
    }

    private static int shiftRight(int a, int b, boolean signed) {
        boolean past = Integer.compareUnsigned(b, 31) > 0;
        if (signed) {
            return a >> (past ? 31 : b);
        }
        return past ? 0 : a >>> b;
    }

    private static LaneFunction ofLong(Operation operation, boolean signed) {
        return switch (operation) {
            case ADD -> (a, b, c) -> a + b;
            case SUB -> (a, b, c) -> a - b;
            case MUL -> (a, b, c) -> a * b;
            case DIV -> (a, b, c) -> b == 0 ? -1 : signed ? a / b : Long.divideUnsigned(a, b);
            case REM -> (a, b, c) -> b == 0 ? a : signed ? a % b : Long.remainderUnsigned(a, b);
            case MIN -> (a, b, c) -> signed ? Math.min(a, b) : Long.compareUnsigned(a, b) < 0 ? a : b;
            case MAX -> (a, b, c) -> signed ? Math.max(a, b) : Long.compareUnsigned(a, b) > 0 ? a : b;
            case AND -> (a, b, c) -> a & b;
            case OR -> (a, b, c) -> a | b;
            case XOR -> (a, b, c) -> a ^ b;
            case NOT -> (a, b, c) -> ~a;
            case NEG -> (a, b, c) -> -a;
            case SHL -> (a, b, c) -> (b & WORD) > 63 ? 0 : a << b;
            case SHR -> (a, b, c) -> signed ? a >> Math.min(b & WORD, 63) : (b & WORD) > 63 ? 0 : a >>> b;
            default -> throw new Fault(operation + " of 64-bit integers is not modelled");
        };
    }

    private static int permute(int a, int b, int selector) {
        long bytes = (long) b << 32 | a & WORD;
        int result = 0;
        for (int n = 0; n < 4; n++) {
            int nibble = selector >>> 4 * n;
            int chosen = (int) (bytes >>> 8 * (nibble & 7)) & 0xFF;
            boolean sign = (nibble & 8) != 0;
            result |= (sign ? (byte) chosen >> 7 & 0xFF : chosen) << 8 * n;
        }
        return result;
    }

    static LaneFunction of(Conversion conversion) {
        return switch (conversion) {
            case F32_FROM_F16 -> (a, b, c) -> bits(half(a));
            case F16_FROM_F32 -> (a, b, c) -> half(value(a));
            case BF16_FROM_F32 -> (a, b, c) -> bfloat(a);
            case F16X2_FROM_F32 -> (a, b, c) -> half(value(a)) << 16 | half(value(b));
            case BF16X2_FROM_F32 -> (a, b, c) -> bfloat(a) << 16 | bfloat(b);
            case E4M3X2_FROM_F32 -> (a, b, c) -> fp8(Fp8.E4M3, a) << 8 | fp8(Fp8.E4M3, b);
            case E5M2X2_FROM_F32 -> (a, b, c) -> fp8(Fp8.E5M2, a) << 8 | fp8(Fp8.E5M2, b);
            case F16X2_FROM_E4M3X2 ->
                (a, b, c) -> half(Fp8.E4M3.decode((byte) (a >> 8))) << 16 | half(Fp8.E4M3.decode((byte) a));
            case S32_FROM_F32 -> (a, b, c) -> (int) Math.rint((double) value(a)) & WORD;
            case F32_FROM_S32 -> (a, b, c) -> bits((float) (int) a);
            case F32_FROM_U32 -> (a, b, c) -> bits((float) (a & WORD));
            case U64_FROM_U32, U32_FROM_U16 -> (a, b, c) -> a;
            case S64_FROM_S32 -> (a, b, c) -> (int) a;
            case U32_FROM_U64 -> (a, b, c) -> a & WORD;
            case U16_FROM_U32 -> (a, b, c) -> a & 0xFFFFL;
            case S8X2_FROM_S32 -> (a, b, c) -> c << 16 & WORD | clamp(a) << 8 | clamp(b);
        };
    }

    private static long clamp(long value) {
        return Math.max(-128, Math.min(127, (int) value)) & 0xFFL;
    }

    private static long bfloat(long a) {
        return Float.isNaN(value(a)) ? 0x7FFF : BFloat16.encode(value(a)) & 0xFFFFL;
    }

    private static long fp8(Fp8 format, long a) {
        return format.encode(value(a)) & 0xFFL;
    }

    static LaneFunction of(Relation relation, Type type) {
        return (a, b, c) -> {
            if (type == Type.F32 && (Float.isNaN(value(a)) || Float.isNaN(value(b)))) {
                return 0;
            }
            int order = order(type, a, b);
            boolean result =
                    switch (relation) {
                        case EQ -> order == 0;
                        case NE -> order != 0;
                        case LT -> order < 0;
                        case LE -> order <= 0;
                        case GT -> order > 0;
                        case GE -> order >= 0;
                    };
            return result ? 1 : 0;
        };
    }

    private static int order(Type type, long a, long b) {
        return switch (type) {
            case F32 -> value(a) == value(b) ? 0 : Float.compare(value(a), value(b));
            case S32 -> Integer.compare((int) a, (int) b);
            case S64 -> Long.compare(a, b);
            default -> Long.compareUnsigned(a, b);
        };
    }

    /** Nearest half of a double, ties to even, rounded once. */
    static short halfOf(double value) {
        float near = (float) value;
        int bits = Float.floatToRawIntBits(near);
        if (near != value && !Double.isNaN(value)) {
            // Round to odd first: the inexactness stays visible to the second rounding.
            bits = (Math.abs((double) near) > Math.abs(value) ? bits - 1 : bits) | 1;
        }
        return Double.isNaN(value) ? 0x7FFF : Float.floatToFloat16(Float.intBitsToFloat(bits));
    }

    /** FP32 of a double, NaN canonical. */
    static long bitsOf(double value) {
        return bits(Double.isNaN(value) ? NAN : (float) value);
    }
}
