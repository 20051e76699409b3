package io.sage4j.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.withinPercentage;

import io.sage4j.SageException;
import io.sage4j.bench.Measurement.Accuracy;
import io.sage4j.oracle.Metrics;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BenchRecordTest {
    @TempDir
    Path folder;

    private static Measurement measurement(String causal, long tokens, long keys) {
        return new Measurement(
                "numbers",
                "int8-fp8",
                "QK INT8",
                List.of(1L, 2L, tokens, 10L),
                List.of(1L, 2L, keys, 10L),
                "float16",
                causal,
                tokens == keys ? null : new Measurement.Elsewhere("jvm", "auto: backend cuda takes no mask tensor"),
                3,
                Times.of(3_000_000, 1_000_000, 2_000_000, 100_000_000),
                Map.of("attend", 1.5),
                List.of(
                        new Accuracy("layer0", 5, false, Metrics.of(new double[] {1, 2}, new double[] {1, 2})),
                        new Accuracy("layer1", 5, true, Metrics.of(new double[] {1, 1}, new double[] {1, 2}))),
                null);
    }

    @Test
    void isReadBackAsItWasWritten() {
        BenchRecord record = BenchRecord.now(
                List.of("bench", "x"),
                "jvm",
                "asked for by name",
                List.of(measurement("none", 4, 4), measurement("none", 4, 5)));
        Path file = folder.resolve("r.json");
        record.write(file);
        assertThat(BenchRecord.read(file)).isEqualTo(record);
        assertThat(record.date()).matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ");
        assertThat(record.commit()).matches("unknown|[0-9a-f]{40}(-dirty)?");
        assertThat(record.machine().cores()).isPositive();
        assertThat(record.machine().memoryBytes()).isPositive();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "null",
                "[]",
                "{",
                "{\"format\": 2}",
                "{\"format\": 1, \"surprise\": 0}",
                "{\"format\": \"x\"}"
            })
    void refusesOtherFiles(String text) throws IOException {
        Path file = Files.writeString(folder.resolve("r.json"), text);
        assertThatThrownBy(() -> BenchRecord.read(file))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("r.json: is ")
                .message()
                .doesNotContain("\n");
    }

    @Test
    void timesAreMedianAndRange() {
        assertThat(Times.of(3_000_000, 1_000_000, 2_000_000)).isEqualTo(new Times(3, 2, 1, 3));
        assertThat(Times.of(4_000_000, 1_000_000, 3_000_000, 2_000_000)).isEqualTo(new Times(4, 2.5, 1, 4));
        assertThat(Times.of(5_000_000)).isEqualTo(new Times(1, 5, 5, 5));
    }

    @Test
    void worstAndMeanOverTheParts() {
        Measurement m = measurement("none", 4, 4);
        assertThat(m.worstRelativeL1()).isEqualTo(0.5);
        assertThat(m.meanRelativeL1()).isEqualTo(0.25);
        assertThat(m.worstCosine()).isLessThan(m.meanCosine()).isLessThan(1);
        assertThat(m.worstRmse()).isEqualTo(Math.sqrt(0.5));
    }

    @Test
    void operationsCountOnlyVisiblePairs() {
        // 4 x batch 1 x heads 2 x pairs x head_dim 10 in 2.5 ms
        double perPair = 4 * 2 * 10 / (2.5e6);
        assertThat(measurement("none", 4, 6).gigaOps()).isCloseTo(24 * perPair, withinPercentage(1e-9));
        assertThat(measurement("top-left", 4, 6).gigaOps()).isCloseTo(10 * perPair, withinPercentage(1e-9));
        assertThat(measurement("bottom-right", 4, 6).gigaOps())
                .isCloseTo((3 + 4 + 5 + 6) * perPair, withinPercentage(1e-9));
        assertThat(measurement("bottom-right", 4, 2).gigaOps()).isCloseTo((1 + 2) * perPair, withinPercentage(1e-9));
    }
}
