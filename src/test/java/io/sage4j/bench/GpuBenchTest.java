package io.sage4j.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.AttentionSpec.Causal;
import io.sage4j.DType;
import io.sage4j.FakeSage;
import io.sage4j.Sage;
import io.sage4j.SageException;
import io.sage4j.Variant;
import io.sage4j.cuda.FakeDriver;
import org.junit.jupiter.api.Test;

/** The benchmark of tensors in GPU memory, where there is no GPU. */
class GpuBenchTest {
    private static final Variant VARIANT = Variant.of("int8-fp8-sm90");

    @Test
    void wrongOutputIsNoMeasurementAndNothingIsLeft() {
        try (FakeDriver driver = new FakeDriver()) {
            try (Sage sage = FakeSage.open(driver)) {
                GpuBench bench = new GpuBench(VARIANT, 1, 3, 100, 64, DType.FLOAT16, Causal.TOP_LEFT, 20);
                // The driver computes nothing, so the output is whatever was in memory.
                assertThatThrownBy(() -> bench.run(sage))
                        .isInstanceOf(SageException.class)
                        .hasMessageContaining("the output of int8-fp8-sm90 on cuda is wrong");
                // One lane is kept for the next call: a stream, and an event before and behind each of 3 steps.
                assertThat(driver.live())
                        .doesNotContainKeys("memory", "pooled memory", "ready graph")
                        .containsEntry("stream", 1L)
                        .containsEntry("event", 4L);
            }
            assertThat(driver.thrown).isEmpty();
            assertThat(driver.live()).isEmpty();
        }
    }

    @Test
    void whatCannotBeMeasuredIsRefused() {
        assertThatThrownBy(() -> new GpuBench(VARIANT, 1, 1, 8, 64, DType.FLOAT16, Causal.NONE, 19))
                .hasMessageContaining("runs is 19");
        assertThatThrownBy(() -> new GpuBench(VARIANT, 1, 1, 8, 64, DType.FLOAT32, Causal.NONE, 20))
                .hasMessageContaining("expected float16 or bfloat16");
        assertThatThrownBy(() -> new GpuBench(VARIANT, 1, 1, 1 << 20, 64, DType.FLOAT16, Causal.NONE, 20))
                .hasMessageContaining("expected at most");
    }
}
