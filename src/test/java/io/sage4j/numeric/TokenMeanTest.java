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

    @Test
    void lanesAreSummedApartAndThenByHalves() {
        // Lane 0 sums 2^24 and 1 (lost); in row order the ones of the other lanes would be lost too.
        float[] x = {0x1p24f, 1, 1, 1, 1, 1, 1, 1, 1};
        // Lanes: 2^24, 1 x 7. Halves: [2^24 + 1 = 2^24, 2, 2, 2], [2^24 + 2, 4], 2^24 + 6.
        assertThat(TokenMean.of(row -> x[row], 0, x.length)).isEqualTo((0x1p24f + 6) / 9);
    }

    @Test
    void aLaneMeetsTheOneHalfTheLanesAway() {
        // Lanes 1 and 5 make 2, with 3 and 7 it is 3, and 2^24 + 3 rounds to 2^24 + 4.
        float[] x = {0x1p24f, 1, 0, 0, 0, 1, 0, 1};
        assertThat(TokenMean.of(row -> x[row], 0, x.length)).isEqualTo((0x1p24f + 4) / 8);
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
