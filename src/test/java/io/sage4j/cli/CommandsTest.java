package io.sage4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sage4j.Sage;
import io.sage4j.Variant;
import io.sage4j.backend.Backends;
import io.sage4j.bench.ActivationsBench;
import io.sage4j.bench.BenchRecord;
import io.sage4j.bench.Measurement;
import io.sage4j.bench.Times;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Good runs of all commands but attend. */
class CommandsTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "attend ",
                "demo ",
                "devices ",
                "variants ",
                "bench ",
                "bench attention ",
                "bench ladder ",
                "explain ",
                "ptx "
            })
    void helpAndVersionOfEveryCommand(String command) {
        assertThat(CliRun.of((Object[]) (command + "--help").split(" "))
                        .succeeds()
                        .out())
                .startsWith("Usage: sage4j " + command);
        assertThat(CliRun.of((Object[]) (command + "--version").split(" "))
                        .succeeds()
                        .out())
                .startsWith("sage4j ")
                .hasLineCount(1);
    }

    @Test
    void devicesShowsEveryBackendAndWhyNot() throws IOException {
        String text = CliRun.of("devices").succeeds().out();
        JsonNode json = JSON.readTree(CliRun.of("devices", "--json").succeeds().out());
        assertThat(json.get("backends")).hasSameSizeAs(Sage.backends());
        assertThat(json.get("machine").get("cores").asInt()).isPositive();
        for (Sage.Backend backend : Sage.backends()) {
            assertThat(text).contains(backend.name()).contains(backend.detail());
        }
    }

    @Test
    void variantsShowsEveryVariant() throws IOException {
        String text = CliRun.of("variants").succeeds().out();
        JsonNode json = JSON.readTree(CliRun.of("variants", "--json").succeeds().out());
        assertThat(json).hasSameSizeAs(Variant.all());
        assertThat(text).hasLineCount(Variant.all().size() + 1);
        for (Variant variant : Variant.all()) {
            assertThat(text).contains(variant.name()).contains(variant.summary());
        }
        assertThat(json.findValuesAsText("name"))
                .isEqualTo(Variant.all().stream().map(Variant::name).toList());
    }

    @Test
    void benchMeasuresChecksAndRecords() throws IOException {
        Path file = folder.resolve("r.json");
        String backend = Backends.javaKernels();
        CliRun run = CliRun.of(
                "bench", "attention", "--shape", "1x2x70x16", "--causal", "--record", file, "--backend", backend);
        assertThat(run.succeeds().out()).contains("int8-fp8-f16acc").contains("check: cosine 0.99");
        BenchRecord record = BenchRecord.read(file);
        assertThat(record.command()).startsWith("bench", "attention", "--shape", "1x2x70x16");
        assertThat(record.measurements()).singleElement().satisfies(m -> {
            assertThat(m.shape()).containsExactly(1L, 2L, 70L, 16L);
            assertThat(m.times().runs()).isEqualTo(20);
            assertThat(m.times().minMs())
                    .isPositive()
                    .isLessThanOrEqualTo(m.times().medianMs());
            assertThat(m.stepMedianMs()).isNotEmpty();
            assertThat(m.worstCosine()).isBetween(0.99, 1.0);
        });
        JsonNode json =
                JSON.readTree(CliRun.of("bench", "attention", "--shape", "1x1x8x8", "--variant", "flash", "--json")
                        .succeeds()
                        .out());
        assertThat(json.get("measurements").get(0).get("variant").asText()).isEqualTo("flash");
    }

    @Test
    void demoPrintsDrawsAndRecords() throws IOException {
        Path chart = folder.resolve("c.png");
        Path file = folder.resolve("r.json");
        String text = CliRun.of("demo", "--variant", "flash", "--chart", chart, "--record", file)
                .succeeds()
                .out();
        assertThat(text).contains("flash").contains("+ large channel bias");
        assertThat(ImageIO.read(chart.toFile()).getWidth()).isGreaterThan(1000);
        BenchRecord record = BenchRecord.read(file);
        assertThat(record.measurements()).hasSize(1 + 4);
        assertThat(record.measurements().get(0).input()).isEqualTo(ActivationsBench.INPUT);
        assertThat(record.measurements().get(0).accuracy()).hasSize(6);
    }

    /** Where auto took another backend than the one at the head of the page. */
    @Test
    void demoSaysWhatRanElsewhere() {
        Measurement.Elsewhere plain =
                new Measurement.Elsewhere("jvm", "auto: backend cuda computes quantized variants");
        BenchRecord record = BenchRecord.now(
                List.of("demo"),
                "cuda",
                "auto: the fastest",
                List.of(measured("naive", plain), measured("int8-fp8", null), measured("flash", plain)));
        StringWriter text = new StringWriter();
        DemoCommand.printElsewhere(new PrintWriter(text, true), record);
        assertThat(text.toString().strip())
                .isEqualTo("On jvm (auto: backend cuda computes quantized variants): naive, flash");
    }

    private static Measurement measured(String variant, Measurement.Elsewhere elsewhere) {
        return new Measurement(
                "numbers",
                variant,
                "",
                List.of(1L, 1L, 1L, 1L),
                List.of(1L, 1L, 1L, 1L),
                "float16",
                "none",
                elsewhere,
                1,
                Times.of(1),
                Map.of(),
                List.of(),
                null);
    }
}
