package io.sage4j.ptx.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.Arrays;
import java.util.Random;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** Lane-wise instructions against definitions in other arithmetic: big integers and decimals, IEEE operations. */
class AluTest {
    private static final int LANES = 32;
    private static final int ROUNDS = 20;
    private static final int[] CORNERS = {
        0,
        1,
        -1,
        31,
        32,
        33,
        Integer.MAX_VALUE,
        Integer.MIN_VALUE,
        0x7F800000,
        0xFF800000,
        0x7FC00000,
        0x3F800000,
        0xBF800000,
        0x4B400000,
        0x00000001,
        0x80000000,
        0x477FE000,
        0x43E00000
    };

    private interface Expected {
        long of(long a, long b, long c);
    }

    private interface Program {
        Reg emit(KernelBuilder k, Reg a, Reg b, Reg c);
    }

    private static int word(Random random) {
        if (random.nextInt(3) == 0) {
            return CORNERS[random.nextInt(CORNERS.length)];
        }
        return random.nextBoolean() ? random.nextInt() : Float.floatToRawIntBits((float) random.nextGaussian() * 30);
    }

    /** Runs {@code out[i] = program(a[i], b[i], c[i])} on words of the type's size and compares. */
    private static void check(Type in, Type out, Program program, Expected expected) {
        int size = in.bytes();
        Random random = new Random(in.ordinal() * 31L + out.ordinal());
        KernelBuilder k = new KernelBuilder("alu", LANES);
        Reg from = k.param("from", Type.U64);
        Reg to = k.param("to", Type.U64);
        Reg tid = k.read(Special.TID_X);
        Reg at = k.index(from, tid, 3 * size);
        Reg result = program.emit(
                k,
                k.load(Space.GLOBAL, in, Address.of(at)),
                k.load(Space.GLOBAL, in, Address.of(at).plus(size)),
                k.load(Space.GLOBAL, in, Address.of(at).plus(2 * size)));
        k.store(Space.GLOBAL, out, Address.of(k.index(to, tid, 8)), result);
        for (int round = 0; round < ROUNDS; round++) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment input = arena.allocate(LANES * 3L * size);
                MemorySegment output = arena.allocate(LANES * 8L);
                for (long n = 0; n < input.byteSize() / 4; n++) {
                    input.set(ValueLayout.JAVA_INT, n * 4, word(random));
                }
                GlobalMemory memory = new GlobalMemory();
                new Simulator(memory).run(k.build(), 1, 1, 1, memory.map(input), memory.map(output));
                for (int lane = 0; lane < LANES; lane++) {
                    long[] v = new long[3];
                    for (int n = 0; n < 3; n++) {
                        long offset = (lane * 3L + n) * size;
                        v[n] = size == 8
                                ? input.get(ValueLayout.JAVA_LONG, offset)
                                : input.get(ValueLayout.JAVA_INT, offset);
                    }
                    long got = output.get(ValueLayout.JAVA_LONG, lane * 8L);
                    long want = expected.of(v[0], v[1], v[2]);
                    long mask = out.bytes() == 8 ? -1L : (1L << 8 * out.bytes()) - 1;
                    assertThat(got & mask).as("%x %x %x", v[0], v[1], v[2]).isEqualTo(want & mask);
                }
            }
        }
    }

    private static void integers(Operation operation, Type type, Expected expected) {
        check(type, type, (k, a, b, c) -> k.get(operation, type, first(operation, a, b, c)), expected);
    }

    private static Reg[] first(Operation operation, Reg... regs) {
        return Arrays.copyOf(regs, operation.operands());
    }

    private static BigInteger unsigned(long a) {
        return BigInteger.valueOf(a & 0xFFFFFFFFL);
    }

    @Test
    void integerArithmeticWrapsAndDividesAsDefined() {
        integers(Operation.ADD, Type.U32, (a, b, c) -> unsigned(a)
                .add(unsigned(b))
                .longValue());
        integers(Operation.SUB, Type.S32, (a, b, c) -> unsigned(a)
                .subtract(unsigned(b))
                .longValue());
        integers(Operation.MUL, Type.U32, (a, b, c) -> unsigned(a)
                .multiply(unsigned(b))
                .longValue());
        integers(
                Operation.MAD,
                Type.S32,
                (a, b, c) -> unsigned(a).multiply(unsigned(b)).add(unsigned(c)).longValue());
        integers(Operation.MIN, Type.U32, (a, b, c) -> unsigned(a)
                .min(unsigned(b))
                .longValue());
        integers(Operation.MAX, Type.S32, (a, b, c) -> Math.max((int) a, (int) b));
        integers(
                Operation.DIV,
                Type.U32,
                (a, b, c) -> (int) b == 0 ? -1 : unsigned(a).divide(unsigned(b)).longValue());
        integers(
                Operation.REM,
                Type.U32,
                (a, b, c) -> (int) b == 0 ? a : unsigned(a).mod(unsigned(b)).longValue());
        integers(Operation.AND, Type.B32, (a, b, c) -> a & b);
        integers(Operation.XOR, Type.B64, (a, b, c) -> a ^ b);
        integers(Operation.NOT, Type.B32, (a, b, c) -> ~a);
        integers(Operation.ADD, Type.U64, (a, b, c) -> BigInteger.valueOf(a)
                .add(BigInteger.valueOf(b))
                .longValue());
        integers(Operation.MUL, Type.U64, (a, b, c) -> BigInteger.valueOf(a)
                .multiply(BigInteger.valueOf(b))
                .longValue());
        check(Type.U32, Type.U64, (k, a, b, c) -> k.get(Operation.MUL_WIDE, Type.U32, a, b), (a, b, c) -> unsigned(a)
                .multiply(unsigned(b))
                .longValue());
        check(
                Type.S32,
                Type.S64,
                (k, a, b, c) -> k.get(Operation.MUL_WIDE, Type.S32, a, b),
                (a, b, c) -> BigInteger.valueOf((int) a)
                        .multiply(BigInteger.valueOf((int) b))
                        .longValue());
    }

    @Test
    void shiftsPastTheWidthGiveZeroOrTheSign() {
        integers(
                Operation.SHL,
                Type.B32,
                (a, b, c) -> unsigned(b).bitLength() > 5
                        ? 0
                        : unsigned(a).shiftLeft((int) b).longValue());
        integers(
                Operation.SHR,
                Type.U32,
                (a, b, c) -> unsigned(b).bitLength() > 5
                        ? 0
                        : unsigned(a).shiftRight((int) b).longValue());
        integers(Operation.SHR, Type.S32, (a, b, c) -> BigInteger.valueOf((int) a)
                .shiftRight(unsigned(b).min(BigInteger.valueOf(31)).intValue())
                .longValue());
        integers(Operation.SHF_LEFT, Type.B32, (a, b, c) -> unsigned(b)
                .shiftLeft(32)
                .or(unsigned(a))
                .shiftLeft((int) c & 31)
                .shiftRight(32)
                .longValue());
    }

    @Test
    void permuteChoosesBytesAndSigns() {
        integers(Operation.PRMT, Type.B32, (a, b, c) -> {
            byte[] bytes = new byte[8];
            for (int n = 0; n < 4; n++) {
                bytes[n] = (byte) (a >> 8 * n);
                bytes[4 + n] = (byte) (b >> 8 * n);
            }
            long result = 0;
            for (int n = 0; n < 4; n++) {
                int nibble = (int) (c >> 4 * n) & 15;
                int chosen = bytes[nibble % 8];
                result |= (nibble < 8 ? chosen & 0xFFL : chosen < 0 ? 0xFFL : 0) << 8 * n;
            }
            return result;
        });
    }

    private static float f(long bits) {
        return Float.intBitsToFloat((int) bits);
    }

    private static long nanAware(float value) {
        return Float.isNaN(value) ? 0x7FFFFFFFL : Float.floatToRawIntBits(value);
    }

    private static void floats(Operation operation, Expected expected) {
        integers(operation, Type.F32, expected);
    }

    @Test
    void floatsRoundOnceAndNaNGivesWayOrWins() {
        floats(Operation.ADD, (a, b, c) -> nanAware((float) ((double) f(a) + f(b))));
        floats(Operation.MUL, (a, b, c) -> nanAware((float) ((double) f(a) * f(b))));
        floats(Operation.DIV, (a, b, c) -> nanAware((float) ((double) f(a) / f(b))));
        floats(Operation.RCP, (a, b, c) -> nanAware((float) (1 / (double) f(a))));
        floats(Operation.FMA, (a, b, c) -> {
            if (!Float.isFinite(f(a)) || !Float.isFinite(f(b)) || !Float.isFinite(f(c))) {
                return nanAware((float) ((double) f(a) * f(b) + f(c)));
            }
            BigDecimal exact =
                    new BigDecimal(f(a)).multiply(new BigDecimal(f(b))).add(new BigDecimal(f(c)));
            return nanAware(exact.signum() == 0 ? f(a) * f(b) + f(c) : exact.floatValue());
        });
        floats(Operation.FMA_SATURATED, (a, b, c) -> {
            float exact = Math.fma(f(a), f(b), f(c));
            return Float.floatToRawIntBits(exact > 1 ? 1f : exact > 0 ? exact : 0f);
        });
        floats(
                Operation.MAX,
                (a, b, c) -> nanAware(Float.isNaN(f(a)) ? f(b) : Float.isNaN(f(b)) ? f(a) : Math.max(f(a), f(b))));
        floats(Operation.MIN_NAN, (a, b, c) -> nanAware(Math.min(f(a), f(b))));
        floats(Operation.MAX_NAN, (a, b, c) -> nanAware(Math.max(f(a), f(b))));
        floats(Operation.NEG, (a, b, c) -> a ^ Integer.MIN_VALUE);
    }

    @Test
    void exponentialFlushesSubnormals() {
        floats(Operation.EX2, (a, b, c) -> {
            float exact = (float) Math.exp(f(a) * Math.log(2));
            float got = Alu.value(Alu.of(Operation.EX2, Type.F32).of(a & 0xFFFFFFFFL, 0, 0));
            assertThat(got == 0 || Math.abs(got) >= Float.MIN_NORMAL || Float.isNaN(got))
                    .isTrue();
            if (exact >= Float.MIN_NORMAL && Float.isFinite(exact)) {
                assertThat(got).isCloseTo(exact, withinPercentage(1e-4));
            }
            return nanAware(got);
        });
    }

    private static short roundToHalf(double exact) {
        // By search over all halves: nearest, ties to the even code.
        if (Double.isNaN(exact)) {
            return 0x7FFF;
        }
        short best = 0;
        double distance = Double.MAX_VALUE;
        for (int code = 0; code <= 0x7C00; code++) {
            double value = code == 0x7C00 ? 65536 : Float.float16ToFloat((short) code);
            double gap = Math.abs(Math.abs(exact) - value);
            if (gap < distance || gap == distance && (code & 1) == 0) {
                distance = gap;
                best = (short) code;
            }
        }
        if (Double.isInfinite(exact)) {
            best = 0x7C00;
        }
        return (short) (best | (Math.copySign(1, exact) < 0 ? 0x8000 : 0));
    }

    @Test
    void halvesAreRoundedOnceAndOverflowToInfinity() {
        Random random = new Random(5);
        for (int n = 0; n < 300; n++) {
            double value = random.nextGaussian() * Math.pow(2, random.nextInt(50) - 30);
            assertThat(Alu.halfOf(value)).as("%s", value).isEqualTo(roundToHalf(value));
        }
        double tie = 1 + Math.pow(2, -11);
        assertThat(Alu.halfOf(Math.nextUp(tie))).isEqualTo(Float.floatToFloat16(1 + 0x1p-10f));
        assertThat(Alu.halfOf(tie)).isEqualTo(Float.floatToFloat16(1f));
        assertThat(Alu.halfOf(65519.99999999)).isEqualTo((short) 0x7BFF);
        assertThat(Alu.halfOf(65520)).isEqualTo((short) 0x7C00);
    }

    private static void conversions(Conversion conversion, Type in, Type out, Function<Float, Long> expected) {
        check(in, out, (k, a, b, c) -> k.convert(conversion, a), (a, b, c) -> expected.apply(f(a)));
    }

    @Test
    void conversions() {
        conversions(Conversion.S32_FROM_F32, Type.F32, Type.S32, x -> {
            if (Float.isNaN(x)) {
                return 0L;
            } else if (Math.abs(x) >= 0x1p31f) {
                return x < 0 ? (long) Integer.MIN_VALUE : Integer.MAX_VALUE;
            }
            return new BigDecimal(x).setScale(0, RoundingMode.HALF_EVEN).longValueExact();
        });
        conversions(Conversion.F16_FROM_F32, Type.F32, Type.B16, x -> (long) roundToHalf(x));
        check(
                Type.S32,
                Type.F32,
                (k, a, b, c) -> k.convert(Conversion.F32_FROM_S32, a),
                (a, b, c) -> nanAware(new BigDecimal((int) a).floatValue()));
        check(Type.S32, Type.S64, (k, a, b, c) -> k.convert(Conversion.S64_FROM_S32, a), (a, b, c) -> (int) a);
        check(
                Type.S32,
                Type.U32,
                (k, a, b, c) -> k.convert(Conversion.S8X2_FROM_S32, a, b, c),
                (a, b, c) -> c << 16
                        | (Math.max(-128, Math.min(127, (int) a)) & 0xFF) << 8
                        | Math.max(-128, Math.min(127, (int) b)) & 0xFF);
    }

    @Test
    void fp8PairHasItsFirstOperandInTheHighByte() {
        assertThat(Alu.of(Conversion.E4M3X2_FROM_F32).of(Alu.bits(1f), Alu.bits(1000f), 0))
                .isEqualTo(0x387E);
        assertThat(Alu.of(Conversion.E5M2X2_FROM_F32).of(Alu.bits(-1f), Alu.bits(Float.NaN), 0))
                .isEqualTo(0xBC7F);
        assertThat(Alu.of(Conversion.F16X2_FROM_F32).of(Alu.bits(1f), Alu.bits(-2f), 0))
                .isEqualTo(0x3C00C000L);
        assertThat(Alu.of(Conversion.BF16X2_FROM_F32).of(Alu.bits(1f), Alu.bits(-2f), 0))
                .isEqualTo(0x3F80C000L);
    }

    @Test
    void comparisonsAreOrdered() {
        for (Compare.Relation relation : Compare.Relation.values()) {
            check(
                    Type.F32,
                    Type.U32,
                    (k, a, b, c) -> k.select(Type.U32, k.compare(relation, Type.F32, a, b), Imm.of(1), Imm.of(0)),
                    (a, b, c) -> holds(relation, f(a), f(b)) ? 1 : 0);
            check(
                    Type.U32,
                    Type.U32,
                    (k, a, b, c) -> k.select(Type.U32, k.compare(relation, Type.U32, a, b), Imm.of(1), Imm.of(0)),
                    (a, b, c) -> holds(relation, a & 0xFFFFFFFFL, b & 0xFFFFFFFFL) ? 1 : 0);
        }
    }

    private static boolean holds(Compare.Relation relation, double a, double b) {
        return switch (relation) {
            case EQ -> a == b;
            case NE -> a < b || a > b;
            case LT -> a < b;
            case LE -> a <= b;
            case GT -> a > b;
            case GE -> a >= b;
        };
    }

    @Test
    void moves() {
        for (Type type : new Type[] {Type.U32, Type.F32, Type.U64}) {
            check(type, type, (k, a, b, c) -> k.move(type, a), (a, b, c) -> a);
        }
    }
}
