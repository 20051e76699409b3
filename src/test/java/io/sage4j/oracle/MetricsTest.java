package io.sage4j.oracle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class MetricsTest {
    @Test
    void figuresOfAHandComputedCase() {
        Metrics metrics = Metrics.of(new double[] {3, 4, 0}, new double[] {3, 2, -2});
        assertThat(metrics.cosine()).isCloseTo(17 / (5 * Math.sqrt(17)), within(1e-15));
        assertThat(metrics.relativeL1()).isCloseTo(4.0 / 7, within(1e-15));
        assertThat(metrics.rmse()).isCloseTo(Math.sqrt(8.0 / 3), within(1e-15));
        assertThat(metrics.maxAbs()).isEqualTo(2);
        assertThat(metrics.bias()).isCloseTo(-4.0 / 3, within(1e-15));
        assertThat(metrics.count()).isEqualTo(3);
        assertThat(metrics.isWithin(0.82, 0.58)).isTrue();
        assertThat(metrics.isWithin(0.83, 0.58)).isFalse();
        assertThat(metrics.isWithin(0.82, 0.57)).isFalse();
    }

    @Test
    void equalArraysAreAtNoDistance() {
        float[] x = {1.5f, -2, 1e-30f};
        Metrics metrics = Metrics.of(x, x);
        assertThat(metrics.cosine()).isCloseTo(1, within(1e-15));
        assertThat(metrics.relativeL1()).isZero();
        assertThat(metrics.maxAbs()).isZero();
        assertThat(metrics.toString()).doesNotContain("finite");
    }

    @Test
    void figuresOverNothingButNanSaySo() {
        double[] nan = {Double.NaN, Double.NaN};
        assertThat(Metrics.of(nan, nan).nonFinite()).isEqualTo(2);
        assertThat(Metrics.of(nan, nan).toString()).endsWith("without 2 of 2 that are not finite");
    }

    @Test
    void zerosAndEmptyArraysHaveFiguresToo() {
        assertThat(Metrics.of(new double[2], new double[2]).isWithin(1, 0)).isTrue();
        assertThat(Metrics.of(new double[0], new double[0]).isWithin(1, 0)).isTrue();
        Metrics lost = Metrics.of(new double[] {1, 1}, new double[2]);
        assertThat(lost.cosine()).isZero();
        assertThat(lost.relativeL1()).isEqualTo(1);
        Metrics made = Metrics.of(new double[2], new double[] {1, 1});
        assertThat(made.cosine()).isZero();
        assertThat(made.relativeL1()).isInfinite();
    }

    @Test
    void aNanOnOneSideOnlyIsAFailureWhateverTheOtherFiguresSay() {
        double nan = Double.NaN;
        for (double[][] pair : new double[][][] {
            {{1, 2, nan}, {1, 2, 3}}, {{1, 2, 3}, {1, 2, nan}}, {{1, 2, Double.POSITIVE_INFINITY}, {1, 2, nan}}
        }) {
            Metrics metrics = Metrics.of(pair[0], pair[1]);
            assertThat(metrics.nanMismatch()).isEqualTo(1);
            assertThat(metrics.nonFiniteAgree()).isFalse();
            assertThat(metrics.isWithin(0, 10)).isFalse();
            assertThat(metrics.toString()).contains("without 1 of 3 that are not finite  NaN MISMATCH 1");
            assertThat(metrics.cosine()).as("over the finite positions").isCloseTo(1, within(1e-15));
        }
    }

    @Test
    void infinitiesMustBeTheSame() {
        double inf = Double.POSITIVE_INFINITY;
        assertThat(Metrics.of(new double[] {inf, -inf}, new double[] {inf, -inf})
                        .nonFiniteAgree())
                .isTrue();
        assertThat(Metrics.of(new double[] {inf, -inf}, new double[] {-inf, 5}).infMismatch())
                .isEqualTo(2);
        assertThat(Metrics.of(new double[] {1, 2}, new double[] {1, inf}).isWithin(0, 10))
                .isFalse();
        assertThat(Metrics.of(new double[] {Double.NaN}, new double[] {Double.NaN})
                        .isWithin(1, 0))
                .isTrue();
    }

    @Test
    void lengthsMustAgree() {
        assertThatIllegalArgumentException().isThrownBy(() -> Metrics.of(new double[1], new double[2]));
    }

    @Test
    void oneLineForTables() {
        assertThat(Metrics.of(new double[] {3, 4}, new double[] {3, 5}).toString())
                .isEqualTo("cosine 0.994692  relL1 0.142857  rmse 7.071e-01  max 1.000e+00  bias +5.00e-01");
    }
}
