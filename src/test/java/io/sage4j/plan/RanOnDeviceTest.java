package io.sage4j.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.oracle.HardData;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;

/** What the profiler says about where a plan ran, and that the check of it can fail. */
class RanOnDeviceTest {
    private static AttentionPlan ran() {
        PlanCase c = new PlanCase(
                Variant.INT8_FP8,
                new AttentionShape(1, 2, 1, 65, 70, 64),
                DType.FLOAT16,
                PlanCase.Strides.HND,
                PlanCase.Causal.NONE,
                PlanCase.Mask.NONE,
                HardData.NORMAL,
                11);
        AttentionPlan plan = AttentionPlan.of(c.problem());
        c.fill(plan);
        plan.run();
        return plan;
    }

    private static String backend() {
        return PlanChecks.isRealTornadoVm() ? PlanChecks.askedBackend() : "JAVA";
    }

    @Test
    void everyStepRanWhereItWasAskedFor() {
        try (AttentionPlan plan = ran()) {
            assertThat(plan.stepNames()).contains("quantize-q", "quantize-k", "attend");
            PlanChecks.requireRanOn(plan, backend(), PlanChecks.askedDevice());
        }
    }

    @Test
    void anotherBackendOrDeviceIsNoticed() {
        try (AttentionPlan plan = ran()) {
            assertThatThrownBy(() -> PlanChecks.requireRanOn(plan, "METAL", PlanChecks.askedDevice()))
                    .isInstanceOf(AssertionError.class)
                    .hasMessageContaining("backend of");
            assertThatThrownBy(() -> PlanChecks.requireRanOn(plan, backend(), "some other device"))
                    .isInstanceOf(AssertionError.class)
                    .hasMessageContaining("device of");
        }
    }

    /** TornadoVM keeps the profile of every run, tornado-jvm does not. */
    @Test
    void aPlanTimesItsFirstRuns() {
        try (AttentionPlan plan = ran()) {
            for (int run = 1; run < AttentionPlan.TIMED_RUNS; run++) {
                plan.run();
            }
            assertThat(plan.steps()).extracting(AttentionPlan.Step::name).containsExactlyElementsOf(plan.stepNames());
            byte[] first = plan.out().getSegment().toArray(ValueLayout.JAVA_BYTE);
            for (int run = 0; run < 3; run++) {
                plan.run();
                assertThat(plan.steps())
                        .hasSize(
                                PlanChecks.isRealTornadoVm()
                                        ? 0
                                        : plan.stepNames().size());
            }
            assertThat(plan.out().getSegment().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(first);
        }
    }

    @Test
    void noProfileIsNoEvidence() {
        try (AttentionPlan plan = AttentionPlan.of(
                new PlanCase(
                                Variant.INT8_FP8,
                                new AttentionShape(1, 1, 1, 16, 16, 32),
                                DType.FLOAT16,
                                PlanCase.Strides.HND,
                                PlanCase.Causal.NONE,
                                PlanCase.Mask.NONE,
                                HardData.NORMAL,
                                1)
                        .problem(),
                ArrayBindings.NONE,
                KernelConfig.DEFAULT.withStepTimes(false))) {
            plan.run();
            assertThatThrownBy(() -> PlanChecks.requireRanOn(plan, backend(), PlanChecks.askedDevice()))
                    .isInstanceOf(AssertionError.class);
        }
    }

    @Test
    void plansRunOnTheDeviceThatTheyAreGiven() {
        assertThat(TornadoExecutionPlan.getTornadoDeviceMap().getAllBackends()).hasSize(1);
        assertThat(DeviceSettings.backendName(
                        TornadoExecutionPlan.getDevice(0, 0).getTornadoVMBackend()))
                .isEqualToIgnoringCase(PlanChecks.isRealTornadoVm() ? PlanChecks.askedBackend() : "jvm");
    }
}
