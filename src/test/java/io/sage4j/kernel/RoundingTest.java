package io.sage4j.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import io.sage4j.numeric.BFloat16;
import io.sage4j.numeric.Float16;
import io.sage4j.numeric.Fp8;
import io.sage4j.numeric.IntCode;
import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.OperandLayout;
import java.util.SplittableRandom;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The arithmetic codecs of the kernels give the bits of those of io.sage4j.numeric, which use bit operations. */
class RoundingTest {
    private static final int RANDOM = 3_000_000;
    private static final long SEED = 20251123;

    private interface Check {
        void at(float x);
    }

    /** Every value of a format, the midpoint to the next one, and the neighbours of both; then floats of all bit patterns. */
    private static void sweep(int codes, IntToDoubleFunction decode, Check check) {
        for (int code = 0; code < codes - 1; code++) {
            float a = (float) decode.applyAsDouble(code);
            float b = (float) decode.applyAsDouble(code + 1);
            float middle = (float) ((decode.applyAsDouble(code) + decode.applyAsDouble(code + 1)) / 2);
            for (float x : new float[] {a, middle, b}) {
                around(x, check);
                around(-x, check);
            }
        }
        float[] special = {
            0f,
            -0f,
            Float.NaN,
            Float.POSITIVE_INFINITY,
            Float.NEGATIVE_INFINITY,
            Float.MAX_VALUE,
            Float.MIN_VALUE,
            Float.MIN_NORMAL,
            448f,
            464f,
            480f,
            57344f,
            61440f,
            65504f,
            65519.996f,
            65520f,
            65536f,
            0x1.fep127f,
            0x1.fefffep127f,
            0x1.ffp127f,
            0x1.ff0002p127f
        };
        for (float x : special) {
            around(x, check);
            around(-x, check);
        }
        SplittableRandom random = new SplittableRandom(SEED);
        for (int i = 0; i < RANDOM; i++) {
            check.at(Float.intBitsToFloat(random.nextInt()));
        }
    }

    private static void around(float x, Check check) {
        check.at(x);
        check.at(Math.nextUp(x));
        check.at(Math.nextDown(x));
    }

    /** Equal, a NaN equal to a NaN, and a zero to a zero of the other sign. */
    private static void same(float expected, float actual, float x) {
        if (!(expected == actual || Float.isNaN(expected) && Float.isNaN(actual))) {
            assertThat(actual).as("of " + Float.toHexString(x)).isEqualTo(expected);
        }
    }

    private static void same(int expected, int actual, float x) {
        if (expected != actual) {
            assertThat(actual).as("of " + Float.toHexString(x)).isEqualTo(expected);
        }
    }

    @ParameterizedTest
    @EnumSource(Fp8.class)
    void fp8RoundsAndEncodesLikeTheTable(Fp8 format) {
        int finite = format == Fp8.E4M3 ? 0x7F : 0x7C;
        boolean e4m3 = format == Fp8.E4M3;
        int kind = e4m3 ? PvCodes.E4M3 : PvCodes.E5M2;
        float max = e4m3 ? 448 : 57344;
        sweep(finite, code -> format.decode((byte) code), x -> {
            same(format.round(x), e4m3 ? Rounding.e4m3(x) : Rounding.e5m2(x), x);
            // A scaled value may be beyond the range by the error of its product.
            if (Math.abs(x) <= Math.nextUp(max)) {
                int code = PvCodes.codeOfWeight(Math.abs(x), kind);
                if (x < 0 || 1 / x < 0) {
                    code = PvCodes.negative(code, kind);
                }
                same(format.encode(x) & 0xFF, code, x);
                wordHas(x == 0 ? 0 : code, x, kind);
                for (int i = 0; i < PvCodes.PER_WORD; i++) {
                    same((x == 0 ? 0 : code) << 8 * i, PvCodes.inWord(x, i, kind), x);
                }
                same(code % 128 == 0 ? 1 : 0, Math.abs(x) < PvCodes.leastKept(kind) ? 1 : 0, x);
            }
        });
    }

    /** In each of the four places of a word, the others holding other codes. */
    private static void wordHas(int code, float x, int kind) {
        int one = PvCodes.codeOfWeight(1, kind);
        int minusTwo = PvCodes.negative(PvCodes.codeOfWeight(2, kind), kind);
        int[] words = {
            word(kind, x, 1, -2, 1), word(kind, -2, x, 1, -2), word(kind, 1, -2, x, 1), word(kind, 1, -2, -2, x)
        };
        int[][] expected = {
            {code, one, minusTwo, one},
            {minusTwo, code, one, minusTwo},
            {one, minusTwo, code, one},
            {one, minusTwo, minusTwo, code}
        };
        for (int n = 0; n < words.length; n++) {
            for (int i = 0; i < PvCodes.PER_WORD; i++) {
                same(expected[n][i] & 0xFF, words[n] >>> 8 * i & 0xFF, x);
            }
        }
    }

    private static int word(int kind, float first, float second, float third, float last) {
        return PvCodes.word(
                PvCodes.codeOf(first, 0, kind),
                PvCodes.codeOf(second, 0, kind),
                PvCodes.codeOf(third, 0, kind),
                PvCodes.codeOf(last, 1, kind));
    }

    @Test
    void int8CodesGoIntoWordsAndOut() {
        for (int code = -127; code <= 127; code++) {
            wordHas(code, code + 0.25f, PvCodes.INT8);
            for (int i = 0; i < PvCodes.PER_WORD; i++) {
                int word = word(
                        PvCodes.INT8, i == 0 ? code : -3, i == 1 ? code : 5, i == 2 ? code : -7, i == 3 ? code : 9);
                assertThat(PvCodes.decode(PvCodes.codeAt(word, i), PvCodes.INT8))
                        .isEqualTo(code);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Fp8.class)
    void fp8DecodesEveryCode(Fp8 format) {
        for (int code = 0; code < 256; code++) {
            float actual = format == Fp8.E4M3 ? Rounding.e4m3Value((byte) code) : Rounding.e5m2Value((byte) code);
            same(format.decode((byte) code), actual, code);
        }
    }

    @Test
    void codesOfExponentsAreTheNearestToTheirPlace() {
        for (int n = -20_000; n <= 9_000; n++) {
            float t = n * 0.001f;
            double place = Math.min(Math.max(8.0 * t + 55.58, 0), 126);
            float actual = Rounding.e4m3OfExponent(t);
            double code = Fp8.E4M3.encode(actual);
            assertThat(Fp8.E4M3.decode((byte) code)).isEqualTo(actual);
            assertThat(Math.abs(code - place))
                    .as("code %s of %s, place %s", code, t, place)
                    .isLessThan(0.50001);
            // Rounding 2^t itself is up to 1/16 off.
            if (t >= -6 && t <= 8.8) {
                assertThat((double) actual).isCloseTo(Math.pow(2, t), withinPercentage(7.7));
            }
        }
        assertThat(Rounding.e4m3OfExponent(Float.NaN)).isNaN();
        assertThat(Rounding.e4m3OfExponent(Float.NEGATIVE_INFINITY)).isZero();
    }

    @Test
    void halfRoundsLikeTheHardware() {
        sweep(0x7C00, code -> Float16.decode((short) code), x -> same(Float16.round(x), Rounding.half(x), x));
    }

    @Test
    void halfCodesAreThoseOfTheFormat() {
        sweep(0x7C00, code -> Float16.decode((short) code), x -> {
            int expected = Float.isNaN(x) ? 0 : Float16.encodeSaturating(x) & 0xFFFF;
            same(expected, Rounding.halfCode(x), x);
        });
    }

    @Test
    void codesOfWeightsAreThoseOfTheFormat() {
        assertThat(Rounding.halfCodeOfWeight(0f)).isZero();
        sweep(0x7C00, code -> Float16.decode((short) code), x -> {
            if (x > 0 && x <= 2) {
                same(Float16.encode(x) & 0xFFFF, Rounding.halfCodeOfWeight(x), x);
            }
        });
    }

    @Test
    void halfRangeSaturates() {
        sweep(0x7C00, code -> Float16.decode((short) code), x -> {
            float saturated = Float16.decode(Float16.encodeSaturating(x));
            same(saturated, Rounding.half(Rounding.halfRange(x)), x);
        });
    }

    @Test
    void bfloat16EncodesAndDecodesEveryPattern() {
        for (int code = 0; code < 65536; code++) {
            float expected = BFloat16.decode((short) code);
            same(expected, Rounding.bf16Value((short) code), code);
        }
        sweep(0x7F80, code -> BFloat16.decode((short) code), x -> {
            if (!Float.isNaN(x)) {
                same(BFloat16.encode(x) & 0xFFFF, Rounding.bf16Bits(x), x);
            }
        });
        assertThat(BFloat16.decode((short) Rounding.bf16Bits(Float.NaN))).isNaN();
    }

    @Test
    void integersRoundTiesToEvenAndSaturate() {
        for (int limit : new int[] {127, 7}) {
            Check check = x -> same(IntCode.encode(x, 1f, limit), (int) Rounding.code(x, limit), x);
            for (int i = -4 * limit; i <= 4 * limit; i++) {
                around(i / 2f, check);
            }
            SplittableRandom random = new SplittableRandom(SEED);
            for (int i = 0; i < RANDOM; i++) {
                check.at((float) ((random.nextDouble() - 0.5) * 3 * limit));
            }
            check.at(Float.POSITIVE_INFINITY);
            check.at(Float.NEGATIVE_INFINITY);
        }
    }

    @Test
    void finiteMeansNeitherNanNorInfinite() {
        sweep(
                0x7F80,
                code -> BFloat16.decode((short) code),
                x -> same(Float.isFinite(x) ? 1 : 0, Rounding.isFinite(x), x));
    }

    @Test
    void visibleScoresBeginJustAboveMasked() {
        assertThat(Rounding.VISIBLE_FROM).isEqualTo(Math.nextUp(Numbers.MASKED));
    }

    @Test
    void theKeyOrderIsTheLayoutsOne() {
        for (int position = 0; position < 128; position++) {
            assertThat(PvCodes.keyAt(position)).isEqualTo(OperandLayout.keyAt(position));
        }
    }
}
