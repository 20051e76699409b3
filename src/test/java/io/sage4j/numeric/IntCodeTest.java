package io.sage4j.numeric;

import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.HashSet;
import java.util.Set;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

class IntCodeTest {
    @Test
    void halfWayCasesGoToTheEvenCode() {
        for (int limit : new int[] {127, 7}) {
            for (int n = -limit; n < limit; n++) {
                int even = n % 2 == 0 ? n : n + 1;
                assertThat(IntCode.encode(n + 0.5f, 1f, limit)).as("%d.5", n).isEqualTo((byte) even);
                assertThat(IntCode.encode(Math.nextDown(n + 0.5f), 1f, limit)).isEqualTo((byte) n);
                assertThat(IntCode.encode(Math.nextUp(n + 0.5f), 1f, limit)).isEqualTo((byte) (n + 1));
                assertThat(IntCode.encode(n, 1f, limit)).isEqualTo((byte) n);
            }
        }
    }

    @Test
    void codesClampAtTheLimitAndNeverReachMinus128() {
        assertThat(IntCode.encode(127.5f, 1f, 127)).isEqualTo((byte) 127);
        assertThat(IntCode.encode(1e30f, 1f, 127)).isEqualTo((byte) 127);
        assertThat(IntCode.encode(-1e30f, 1f, 127)).isEqualTo((byte) -127);
        assertThat(IntCode.encode(Float.NEGATIVE_INFINITY, 1f, 127)).isEqualTo((byte) -127);
        assertThat(IntCode.encode(7.5f, 1f, 7)).isEqualTo((byte) 7);
        assertThat(IntCode.encode(-100f, 1f, 7)).isEqualTo((byte) -7);
        assertThat(IntCode.encode(Float.NaN, 1f, 127)).isZero();
    }

    @Provide
    Arbitrary<Float> positive() {
        return Floats.ofMagnitude(-90, 120).map(Math::abs);
    }

    @Provide
    Arbitrary<Float> part() {
        return Floats.between(-1f, 1f);
    }

    @Provide
    Arbitrary<Float> codes() {
        return Floats.between(-200f, 200f);
    }

    @Property
    void codesAreTheNearestIntegers(@ForAll("positive") float amax, @ForAll("part") float part) {
        float value = amax * part;
        for (int limit : new int[] {127, 7}) {
            float inverse = IntCode.inverse(amax, limit);
            BigDecimal product = new BigDecimal(value * inverse);
            int expected = Math.max(
                    -limit,
                    Math.min(limit, product.setScale(0, RoundingMode.HALF_EVEN).intValueExact()));
            byte code = IntCode.encode(value, inverse, limit);
            assertThat((int) code).isEqualTo(expected);
            assertThat(Math.abs(code * IntCode.scale(amax, limit) - value))
                    .isLessThanOrEqualTo(IntCode.scale(amax, limit) * 0.5001f);
            assertThat(IntCode.encode(amax, inverse, limit)).isEqualTo((byte) limit);
            assertThat(IntCode.encode(-value, inverse, limit)).isEqualTo((byte) -code);
        }
    }

    @Property
    void codesAreMonotonic(@ForAll("codes") float a, @ForAll("codes") float b) {
        assertThat(IntCode.encode(Math.min(a, b), 1f, 127))
                .isLessThanOrEqualTo(IntCode.encode(Math.max(a, b), 1f, 127));
    }

    @Test
    void allZeroAndTinyGroupsHaveFiniteScales() {
        assertThat(IntCode.scale(0f, 127)).isPositive().isFinite();
        assertThat(IntCode.inverse(0f, 448f)).isFinite();
        assertThat(IntCode.encode(0f, IntCode.inverse(0f, 127), 127)).isZero();
        assertThat(IntCode.encode(Float.MIN_VALUE, IntCode.inverse(Float.MIN_VALUE, 127), 127))
                .isZero();
        // The smallest FP16 number still uses the whole range.
        assertThat(IntCode.encode(0x1p-24f, IntCode.inverse(0x1p-24f, 127), 127))
                .isEqualTo((byte) 127);
        assertThat(IntCode.encode(Float.MAX_VALUE, IntCode.inverse(Float.MAX_VALUE, 127), 127))
                .isEqualTo((byte) 127);
    }

    @Test
    void aGroupWithNanOrInfinityHasScaleNan() {
        assertThat(IntCode.scale(Float.NaN, 127)).isNaN();
        assertThat(IntCode.scale(Float.POSITIVE_INFINITY, 127)).isNaN();
        assertThat(IntCode.encode(Float.POSITIVE_INFINITY, IntCode.inverse(Float.POSITIVE_INFINITY, 127), 127))
                .isZero();
    }

    @Test
    void all256BytesUnpackAndPackAgain() {
        Set<Byte> packed = new HashSet<>();
        for (int low = -8; low < 8; low++) {
            for (int high = -8; high < 8; high++) {
                byte b = IntCode.packNibbles(low, high);
                packed.add(b);
                assertThat(IntCode.lowNibble(b)).isEqualTo(low);
                assertThat(IntCode.highNibble(b)).isEqualTo(high);
                assertThat(b & 0xF).as("first code in the low nibble").isEqualTo(Math.floorMod(low, 16));
            }
        }
        assertThat(packed).hasSize(256);
    }
}
