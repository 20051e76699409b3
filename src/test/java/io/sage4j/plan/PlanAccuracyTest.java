package io.sage4j.plan;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.QkFormat;
import io.sage4j.oracle.ExactAttention;
import io.sage4j.oracle.HardData;
import io.sage4j.oracle.Metrics;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** How far each variant is from exact attention, on normal data and where smoothing matters. */
class PlanAccuracyTest {
    private static final AttentionShape SHAPE = new AttentionShape(1, 2, 2, 256, 320, 64);

    private static Metrics metrics(Variant variant, HardData data) {
        PlanCase c = new PlanCase(
                variant, SHAPE, DType.FLOAT32, PlanCase.Strides.HND, PlanCase.Causal.NONE, PlanCase.Mask.NONE, data, 3);
        try (AttentionPlan plan = AttentionPlan.of(c.problem())) {
            c.fill(plan);
            plan.run();
            return Metrics.of(ExactAttention.of(c.inputs()).o(), c.output(plan));
        }
    }

    static Iterable<Variant> variants() {
        return PlanChecks.runnable(Variant.all());
    }

    /** Bounds about one and a half times what was measured when this was written, by the coarsest format in play. */
    @ParameterizedTest
    @MethodSource("variants")
    void normalDataStaysCloseToExact(Variant v) {
        Metrics m = metrics(v, HardData.NORMAL);
        PvFormat pv = v.scheme().pv();
        if (!v.isQuantized()) {
            assertThat(m.isWithin(0.9999999, 1e-5)).as("%s %s", v.name(), m).isTrue();
        } else if (v.scheme().qk() == QkFormat.INT4) {
            assertThat(m.isWithin(0.972, 0.285)).as("%s %s", v.name(), m).isTrue();
        } else if (pv == PvFormat.INT8) {
            assertThat(m.isWithin(0.9996, 0.03)).as("%s %s", v.name(), m).isTrue();
        } else if (pv == PvFormat.E5M2) {
            assertThat(m.isWithin(0.9963, 0.105)).as("%s %s", v.name(), m).isTrue();
        } else if (pv.ofV() == PvFormat.E4M3) {
            assertThat(m.isWithin(0.999, 0.054)).as("%s %s", v.name(), m).isTrue();
        } else {
            assertThat(m.isWithin(0.9999, 0.016)).as("%s %s", v.name(), m).isTrue();
        }
    }

    @Test
    void smoothKIsWhatMakesBiasedKeysAccurate() {
        Variant plain = Variant.INT8_FP16.with(Variant.INT8_FP16.scheme().withSmoothK(false));
        Metrics smooth = metrics(Variant.INT8_FP16, HardData.K_CHANNEL_BIAS);
        Metrics rough = metrics(plain, HardData.K_CHANNEL_BIAS);
        assertThat(smooth.relativeL1()).isLessThan(0.03);
        assertThat(rough.relativeL1()).isGreaterThan(5 * smooth.relativeL1());
    }
}
