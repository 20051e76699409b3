package io.sage4j.numeric;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;

class ShiftGridTest {
    /** A shift moves by at most half of the grid, which is 0.75 to 1.5 of the factor; the factor by 2^-21 of itself. */
    @Test
    void aShiftMovesByLessThanOneUnitOfTheFactor() {
        Random random = new Random(1);
        double largest = 0;
        for (int n = 0; n < 100_000; n++) {
            float c = (float) Math.scalb(1 + random.nextDouble(), random.nextInt(30) - 25);
            int s = random.nextInt(1 << 14) - (1 << 13);
            float shift = (float) (1000 * c * random.nextGaussian());
            float factor = ShiftGrid.factor(c);
            assertThat(factor).isBetween(c * (1 - 0x1p-21f), c);
            double moved = Math.abs(ShiftGrid.score(s, factor, shift) - (s * (double) factor + shift)) / factor;
            largest = Math.max(largest, moved);
        }
        assertThat(largest).isBetween(0.7, 0.76);
    }

    @Test
    void withoutAShiftAScoreIsRoundedOnce() {
        Random random = new Random(2);
        for (int n = 0; n < 10_000; n++) {
            float factor = ShiftGrid.factor(random.nextFloat());
            int s = random.nextInt(1 << 22) - (1 << 21);
            assertThat(ShiftGrid.score(s, factor, 0f)).isEqualTo(s * factor);
        }
    }

    @Test
    void aShiftThatIsFarLargerStaysAndWhatIsNoNumberToo() {
        assertThat(ShiftGrid.score(0, ShiftGrid.factor(0x1p-100f), 3.14159f)).isEqualTo(3.14159f);
        assertThat(ShiftGrid.score(0, 0f, 3.14159f)).isEqualTo(3.14159f);
        assertThat(ShiftGrid.score(1, ShiftGrid.factor(Float.NaN), 1f)).isNaN();
        assertThat(ShiftGrid.score(1, ShiftGrid.factor(1f), Float.NaN)).isNaN();
    }
}
