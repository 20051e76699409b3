package io.sage4j.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.Variant;
import io.sage4j.backend.Backends;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LadderBenchTest {
    private static final LadderBench SMALL =
            new LadderBench(List.of(Variant.FLASH, Variant.INT8_FP8), List.of(32), List.of(64, 96), 1, 2, 2, null);

    private static String backend() {
        return Backends.javaKernels();
    }

    @Test
    void everyVariantAtEveryLength(@TempDir Path folder) {
        List<String> lines = new ArrayList<>();
        List<LadderBench.Result> parts = new ArrayList<>();
        LadderBench.Result found = SMALL.run(backend(), lines::add, parts::add);
        assertThat(parts).hasSize(4).last().isEqualTo(found);
        assertThat(found.failures()).isEmpty();
        assertThat(lines).hasSize(4);
        assertThat(found.measurements().stream().map(m -> m.variant() + m.shape()))
                .containsExactly(
                        "flash[1, 2, 64, 32]",
                        "flash[1, 2, 96, 32]",
                        "int8-fp8[1, 2, 64, 32]",
                        "int8-fp8[1, 2, 96, 32]");
        assertThat(found.measurements()).allSatisfy(m -> {
            assertThat(m.stepMedianMs()).containsKey("attend");
            assertThat(LadderBench.deviceMs(m)).isPositive();
            double operations = 4.0 * 2 * m.shape().get(2) * m.shape().get(2) * 32;
            assertThat(LadderBench.tflops(m, 10) * 1e12 * 10e-3)
                    .isCloseTo(operations, org.assertj.core.data.Percentage.withPercentage(0.1));
        });
        LadderRecord record = new LadderRecord(
                BenchRecord.now(List.of("bench", "ladder"), "x", "y", found.measurements()), found.failures());
        Path file = folder.resolve("r.json");
        record.write(file);
        assertThat(LadderRecord.read(file)).isEqualTo(record);
        assertThat(record.rows()).hasSize(4).first().asString().startsWith("| `flash` | 32 | 64 | 1 x 2 | ");
    }

    @Test
    void aKernelThatDoesNotRunIsReportedAndTheOthersRun() {
        LadderBench.Result found = new LadderBench(
                        List.of(Variant.FLASH, Variant.INT8_FP8), List.of(32, 300), List.of(64), 1, 1, 1, null)
                .run(backend(), line -> {}, soFar -> {});
        assertThat(found.measurements()).hasSize(2);
        assertThat(found.failures()).hasSize(2).allSatisfy(f -> {
            assertThat(f.shape()).endsWith(300L);
            assertThat(f.reason()).contains("head_dim");
        });
    }
}
