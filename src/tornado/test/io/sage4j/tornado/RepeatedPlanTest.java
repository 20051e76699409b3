package io.sage4j.tornado;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.plan.ArrayBindings;
import io.sage4j.plan.AttentionPlan;
import io.sage4j.plan.AttentionProblem;
import io.sage4j.plan.DeviceSettings;
import io.sage4j.plan.MaskView;
import io.sage4j.plan.TensorView;
import java.lang.reflect.Field;
import java.util.List;
import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.common.TornadoDevice;

/** What a plan keeps of its runs, by TornadoVM's own books. */
class RepeatedPlanTest {
    private static final int RUNS = 600;

    @Test
    void aPlanDoesNotKeepTheResultsOfAllItsRuns() throws ReflectiveOperationException {
        TensorView view = TensorView.contiguous(DType.FLOAT32, 1, 2, 16);
        AttentionProblem problem = new AttentionProblem(
                new AttentionShape(1, 1, 1, 2, 2, 16),
                Variant.of("naive").rung(),
                Variant.of("naive").scheme(),
                AttentionProblem.NOT_CAUSAL,
                0.25f,
                false,
                view,
                view,
                view,
                view,
                MaskView.NONE);
        TornadoDevice device = TornadoExecutionPlan.getDevice(0, 0);
        try (AttentionPlan plan = AttentionPlan.of(problem, ArrayBindings.NONE, device, DeviceSettings.of(device))) {
            for (int i = 0; i < RUNS; i++) {
                plan.run();
            }
            assertThat(results(plan, "view")).hasSizeBetween(1, RUNS / 2);
            assertThat(results(plan, "execution")).isEmpty();
        }
    }

    private static List<?> results(AttentionPlan plan, String field) throws ReflectiveOperationException {
        Field of = AttentionPlan.class.getDeclaredField(field);
        of.setAccessible(true);
        Field results = TornadoExecutionPlan.class.getDeclaredField("planResults");
        results.setAccessible(true);
        return (List<?>) results.get(of.get(plan));
    }
}
