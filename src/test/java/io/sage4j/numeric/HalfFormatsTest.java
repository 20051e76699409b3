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

/** FP16 and BF16 against the list of their values, exhaustively. */
class HalfFormatsTest {
    enum Format {
        HALF(10, 15, 0x7BFF, 0x7C00) {
            @Override
            float decode(short bits) {
                return Float16.decode(bits);
            }

            @Override
            short encode(float value) {
                return Float16.encode(value);
            }

            @Override
            float round(float value) {
                return Float16.round(value);
            }
        },
        BFLOAT(7, 127, 0x7F7F, 0x7F80) {
            @Override
            float decode(short bits) {
                return BFloat16.decode(bits);
            }

            @Override
            short encode(float value) {
                return BFloat16.encode(value);
            }

            @Override
            float round(float value) {
                return BFloat16.round(value);
            }
        };

        final ValueTable table;
        final int infinity;

        Format(int mantissaBits, int bias, int maxCode, int infinity) {
            this.table = ValueTable.of(mantissaBits, bias, maxCode);
            this.infinity = infinity;
        }

        abstract float decode(short bits);

        abstract short encode(float value);

        abstract float round(float value);

        int encoded(double value) {
            assertThat((double) (float) value).isEqualTo(value);
            return encode((float) value) & 0xFFFF;
        }
    }

    @ParameterizedTest
    @EnumSource
    void all65536CodesDecodeToTheirValueAndBack(Format format) {
        for (int code = 0; code < 65536; code++) {
            float value = format.decode((short) code);
            int magnitude = code & 0x7FFF;
            if (magnitude > format.infinity) {
                assertThat(value).as("code %x", code).isNaN();
                assertThat(format.round(value)).as("code %x", code).isNaN();
                continue;
            }
            double expected = magnitude == format.infinity ? Double.POSITIVE_INFINITY : format.table.value(magnitude);
            // Float.compare tells -0 from 0.
            assertThat(Float.compare(value, (float) (code > 0x7FFF ? -expected : expected)))
                    .as("code %x", code)
                    .isZero();
            assertThat(format.encode(value) & 0xFFFF).as("code %x", code).isEqualTo(code);
        }
    }

    @ParameterizedTest
    @EnumSource
    void everyMidpointRoundsToEvenAndItsNeighboursToTheNearest(Format format) {
        for (int code = 0; code <= format.table.maxCode(); code++) {
            float midpoint = (float) format.table.midpointAbove(code);
            int even = code % 2 == 0 ? code : code + 1;
            assertThat(format.encoded(midpoint)).as("midpoint above %x", code).isEqualTo(even);
            assertThat(format.encoded(Math.nextDown(midpoint)))
                    .as("below midpoint above %x", code)
                    .isEqualTo(code);
            assertThat(format.encoded(Math.nextUp(midpoint)))
                    .as("above midpoint above %x", code)
                    .isEqualTo(code + 1);
            assertThat(format.encoded(-midpoint)).as("-midpoint above %x", code).isEqualTo(even | 0x8000);
        }
    }

    @ParameterizedTest
    @EnumSource
    void randomFloatsOfAllExponentsRoundAsTheListSays(Format format) {
        long seed = 1618;
        Random random = new Random(seed);
        for (int n = 0; n < 2_000_000; n++) {
            float value = Float.intBitsToFloat(random.nextInt());
            if (!Float.isFinite(value)) {
                continue;
            }
            int magnitude = Math.min(format.table.nearest(Math.abs((double) value)), format.infinity);
            int sign = Float.floatToRawIntBits(value) < 0 ? 0x8000 : 0;
            if ((format.encode(value) & 0xFFFF) != (magnitude | sign)) {
                assertThat(format.encode(value) & 0xFFFF)
                        .as("seed %d value %s", seed, value)
                        .isEqualTo(magnitude | sign);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void infinityAndNanStay(Format format) {
        assertThat(format.round(Float.POSITIVE_INFINITY)).isEqualTo(Float.POSITIVE_INFINITY);
        assertThat(format.round(Float.NEGATIVE_INFINITY)).isEqualTo(Float.NEGATIVE_INFINITY);
        assertThat(format.round(Float.MAX_VALUE)).isEqualTo(Float.POSITIVE_INFINITY);
        for (int bits : new int[] {0x7F800001, 0x7FC00000, 0x7FFFFFFF, 0xFF800001, 0xFFFFFFFF}) {
            assertThat(format.round(Float.intBitsToFloat(bits)))
                    .as("NaN %x", bits)
                    .isNaN();
        }
    }

    @Test
    void halfOperandsSaturate() {
        assertThat(Float16.decode(Float16.encodeSaturating(65519f))).isEqualTo(65504f);
        assertThat(Float16.decode(Float16.encodeSaturating(65520f))).isEqualTo(65504f);
        assertThat(Float16.decode(Float16.encodeSaturating(Float.POSITIVE_INFINITY)))
                .isEqualTo(65504f);
        assertThat(Float16.decode(Float16.encodeSaturating(Float.NEGATIVE_INFINITY)))
                .isEqualTo(-65504f);
        assertThat(Float16.decode(Float16.encodeSaturating(Float.NaN))).isNaN();
        assertThat(Float16.encodeSaturating(-0f)).isEqualTo((short) 0x8000);
        assertThat(Float16.round(65519f)).isEqualTo(65504f);
        assertThat(Float16.round(65520f)).isEqualTo(Float.POSITIVE_INFINITY);
    }

    @Provide
    Arbitrary<Float> any() {
        return Floats.finite();
    }

    @Provide
    Arbitrary<Float> halves() {
        return Floats.ofMagnitude(-26, 17);
    }

    @Property
    void roundingIsMonotonicAndIdempotent(@ForAll("any") float a, @ForAll("halves") float b) {
        for (Format format : Format.values()) {
            for (float c : new float[] {a, b, b * 1.0003f}) {
                assertThat(format.round(Math.min(c, b))).isLessThanOrEqualTo(format.round(Math.max(c, b)));
            }
            assertThat(format.round(format.round(b))).isEqualTo(format.round(b));
            assertThat(format.round(-a)).isEqualTo(-format.round(a));
        }
    }
}
