package io.sage4j.numeric;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import org.junit.jupiter.api.Test;

class TokenMeanTest {
    @Test
    void noRowsGiveZeroAndOneRowItself() {
        assertThat(TokenMean.of(row -> 5, 0, 0)).isZero();
        assertThat(TokenMean.of(row -> row + 0.1f, 7, 1)).isEqualTo(7.1f);
    }

    /** Mean of zeros, but for 2^24 in the first row, beside which a 1 is lost, and ones in some others. */
    private static float withOnesAt(int count, int... rows) {
        float[] x = new float[count];
        x[0] = 0x1p24f;
        for (int row : rows) {
            x[row] = 1;
        }
        return TokenMean.of(row -> x[row], 0, count) * count;
    }

    @Test
    void rowsOfAStrandAreSummedFirst() {
        // Rows 2 and 11 are of strand 1; row 12 is of strand 2, so here each meets 2^24 alone.
        assertThat(withOnesAt(16, 2, 11)).isEqualTo(0x1p24f + 2);
        assertThat(withOnesAt(16, 2, 12)).isEqualTo(0x1p24f);
        // Strand 1 of the next 32 rows is another one.
        assertThat(withOnesAt(64, 2, 35)).isEqualTo(0x1p24f);
        assertThat(withOnesAt(64, 34, 35, 42, 59)).isEqualTo(0x1p24f + 4);
    }

    @Test
    void partsAreSummedInLanesAndLanesByHalves() {
        int part = TokenMean.PART;
        // Parts 0 and 8 are of one lane.
        assertThat(withOnesAt(16 * part, 8 * part)).isEqualTo(0x1p24f);
        // Lanes 1 and 5 make 2, with 3 and 7 it is 4; in order each would be lost.
        assertThat(withOnesAt(8 * part, part, 3 * part, 5 * part, 7 * part)).isEqualTo(0x1p24f + 4);
        // Lane 4 meets lane 0 before others join it.
        assertThat(withOnesAt(8 * part, 4 * part, 6 * part)).isEqualTo(0x1p24f);
        // Parts 1 and 9 are added before their lane meets another.
        assertThat(withOnesAt(16 * part, part, 9 * part)).isEqualTo(0x1p24f + 2);
    }

    @Test
    void closeToTheMeanInDouble() {
        long seed = 5;
        Random random = new Random(seed);
        for (int count : new int[] {2, 7, 8, 9, 15, 64, 1000, 100_000}) {
            float[] x = new float[count + 3];
            double sum = 0;
            for (int n = 0; n < x.length; n++) {
                x[n] = 10 + (float) random.nextGaussian();
                sum += n < 3 ? 0 : x[n];
            }
            assertThat((double) TokenMean.of(row -> x[row], 3, count))
                    .as("seed %d count %d", seed, count)
                    .isCloseTo(sum / count, within(3e-4));
        }
    }

    @Test
    void nanAndInfinityReachTheMean() {
        assertThat(TokenMean.of(row -> row == 3 ? Float.NaN : 1, 0, 20)).isNaN();
        assertThat(Float.isFinite(TokenMean.of(row -> row == 3 ? Float.POSITIVE_INFINITY : 1, 0, 20)))
                .isFalse();
    }
}
