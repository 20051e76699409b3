package io.sage4j.numeric;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Both FP8 formats against the list of their values from the OCP specification. */
class Fp8Test {
    private static final ValueTable E4M3 = ValueTable.of(3, 7, 0x7E);
    private static final ValueTable E5M2 = ValueTable.of(2, 15, 0x7B);

    private static ValueTable table(Fp8 format) {
        return format == Fp8.E4M3 ? E4M3 : E5M2;
    }

    @Test
    void tableOneOfTheSpecification() {
        assertThat(Fp8.E4M3.decode((byte) 0b0_1111_110)).isEqualTo(448f);
        assertThat(Fp8.E4M3.decode((byte) 0b0_0001_000)).isEqualTo(0x1p-6f);
        assertThat(Fp8.E4M3.decode((byte) 0b0_0000_111)).isEqualTo(0x1.cp-7f);
        assertThat(Fp8.E4M3.decode((byte) 0b0_0000_001)).isEqualTo(0x1p-9f);
        assertThat(Fp8.E4M3.decode((byte) 0b0_1111_111)).isNaN();
        assertThat(Fp8.E4M3.decode((byte) 0b1_1111_111)).isNaN();
        assertThat(Fp8.E5M2.decode((byte) 0b0_11110_11)).isEqualTo(57344f);
        assertThat(Fp8.E5M2.decode((byte) 0b0_00001_00)).isEqualTo(0x1p-14f);
        assertThat(Fp8.E5M2.decode((byte) 0b0_00000_11)).isEqualTo(0x1.8p-15f);
        assertThat(Fp8.E5M2.decode((byte) 0b0_00000_01)).isEqualTo(0x1p-16f);
        assertThat(Fp8.E5M2.decode((byte) 0b0_11111_00)).isEqualTo(Float.POSITIVE_INFINITY);
        assertThat(Fp8.E5M2.decode((byte) 0b1_11111_00)).isEqualTo(Float.NEGATIVE_INFINITY);
        for (int mantissa = 1; mantissa < 4; mantissa++) {
            assertThat(Fp8.E5M2.decode((byte) (0b0_11111_00 + mantissa))).isNaN();
            assertThat(Fp8.E5M2.decode((byte) (0b1_11111_00 + mantissa))).isNaN();
        }
    }

    @ParameterizedTest
    @EnumSource
    void all256CodesDecodeToTheirValueAndFiniteOnesBack(Fp8 format) {
        ValueTable table = table(format);
        int finite = 0;
        for (int code = 0; code < 256; code++) {
            int magnitude = code & 0x7F;
            if (magnitude > table.maxCode()) {
                assertThat(Float.isFinite(format.decode((byte) code)))
                        .as("code %x", code)
                        .isFalse();
                continue;
            }
            double expected = code > 0x7F ? -table.value(magnitude) : table.value(magnitude);
            assertThat(Float.compare(format.decode((byte) code), (float) expected))
                    .as("code %x", code)
                    .isZero();
            assertThat(format.encode((float) expected) & 0xFF)
                    .as("code %x", code)
                    .isEqualTo(code);
            finite++;
        }
        assertThat(finite).isEqualTo(format == Fp8.E4M3 ? 254 : 248);
    }

    @ParameterizedTest
    @EnumSource
    void everyMidpointRoundsToEvenAndItsNeighboursToTheNearest(Fp8 format) {
        ValueTable table = table(format);
        for (int code = 0; code < table.maxCode(); code++) {
            float midpoint = (float) table.midpointAbove(code);
            int even = code % 2 == 0 ? code : code + 1;
            assertThat(format.encode(midpoint)).as("midpoint above %x", code).isEqualTo((byte) even);
            assertThat(format.encode(-midpoint)).as("-midpoint above %x", code).isEqualTo((byte) (even | 0x80));
            assertThat(format.encode(Math.nextDown(midpoint)))
                    .as("below midpoint above %x", code)
                    .isEqualTo((byte) code);
            assertThat(format.encode(Math.nextUp(midpoint)))
                    .as("above midpoint above %x", code)
                    .isEqualTo((byte) (code + 1));
        }
    }

    @ParameterizedTest
    @EnumSource
    void randomFloatsRoundAsTheListSaysAndSaturate(Fp8 format) {
        ValueTable table = table(format);
        long seed = 2718;
        Random random = new Random(seed);
        for (int n = 0; n < 2_000_000; n++) {
            // Half of the values anywhere, half within the exponents of the format and below.
            int bits = random.nextInt();
            if (n % 2 == 0) {
                bits = bits & 0x807FFFFF | (127 - 20 + random.nextInt(38)) << 23;
            }
            float value = Float.intBitsToFloat(bits);
            if (Float.isNaN(value)) {
                continue;
            }
            int magnitude = Math.min(
                    Float.isInfinite(value) ? table.maxCode() : table.nearest(Math.abs((double) value)),
                    table.maxCode());
            byte expected = (byte) (bits < 0 ? magnitude | 0x80 : magnitude);
            if (format.encode(value) != expected) {
                assertThat(format.encode(value))
                        .as("seed %d value %s", seed, value)
                        .isEqualTo(expected);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void zerosNanAndInfinity(Fp8 format) {
        assertThat(format.encode(0f)).isEqualTo((byte) 0);
        assertThat(format.encode(-0f)).isEqualTo((byte) 0x80);
        assertThat(format.encode(Float.MIN_VALUE)).isEqualTo((byte) 0);
        assertThat(format.round(Float.NaN)).isNaN();
        assertThat(format.round(Float.intBitsToFloat(0xFF800001))).isNaN();
        float max = (float) table(format).value(table(format).maxCode());
        assertThat(format.round(Float.POSITIVE_INFINITY)).isEqualTo(max);
        assertThat(format.round(Float.NEGATIVE_INFINITY)).isEqualTo(-max);
        assertThat(format.round(Float.MAX_VALUE)).isEqualTo(max);
    }

    @Provide
    Arbitrary<Float> any() {
        return Floats.finite();
    }

    @Provide
    Arbitrary<Float> inRange() {
        return Floats.ofMagnitude(-20, 18);
    }

    @Property
    void roundingIsMonotonicAndIdempotent(@ForAll("any") float a, @ForAll("inRange") float b) {
        for (Fp8 format : Fp8.values()) {
            for (float c : new float[] {a, b, b * 1.05f}) {
                assertThat(format.round(Math.min(c, b))).isLessThanOrEqualTo(format.round(Math.max(c, b)));
                assertThat(format.round(format.round(c))).isEqualTo(format.round(c));
            }
        }
    }

    @Test
    void theRangesOfSageAttention2AreValuesOfTheFormat() {
        for (float range : new float[] {448f, 224f, 112f, 9f, 4.5f, 2.25f, 1.125f}) {
            assertThat(Fp8.E4M3.round(range)).isEqualTo(range);
        }
    }
}
