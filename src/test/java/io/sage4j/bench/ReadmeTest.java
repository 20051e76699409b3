package io.sage4j.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.Variant;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.kernel.NativeSupport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The README's figures are those of the newest record of the demo, and its table has every variant. */
class ReadmeTest {
    private static final Path RESULTS = Path.of("results");

    private static Path newestDemo() throws IOException {
        try (Stream<Path> files = Files.list(RESULTS)) {
            return files.filter(f -> f.getFileName().toString().matches("demo-.*\\.json"))
                    .max((a, b) -> BenchRecord.read(a)
                            .date()
                            .compareTo(BenchRecord.read(b).date()))
                    .orElseThrow(() -> new AssertionError("no demo record in " + RESULTS));
        }
    }

    @Test
    void the_table_is_made_from_the_record() throws IOException {
        Path file = newestDemo();
        BenchRecord record = BenchRecord.read(file);
        Map<String, Measurement> measured = record.measurements().stream()
                .filter(m -> m.input().equals(ActivationsBench.INPUT))
                .collect(Collectors.toMap(Measurement::variant, Function.identity()));
        List<String> rows =
                Variant.all().stream().map(v -> row(v, measured.get(v.name()))).toList();
        String readme = Files.readString(Path.of("README.md"));
        assertThat(readme)
                .as("README.md should have this table:%n%s", String.join("\n", rows))
                .contains(String.join("\n", rows));
        assertThat(readme).contains(RESULTS + "/" + file.getFileName());
    }

    private static String row(Variant variant, Measurement m) {
        assertThat(m).as("measurement of %s", variant.name()).isNotNull();
        return String.format(
                Locale.ROOT,
                "| `%s` | %s | %.6f | %.5f | %.0f |",
                variant.name(),
                variant.summary(),
                m.worstCosine(),
                m.worstRelativeL1(),
                m.times().medianMs());
    }

    @Test
    void the_table_of_what_suits_which_gpu_is_the_code() throws IOException {
        String readme = Files.readString(Path.of("README.md"));
        for (int capability : new int[] {80, 86, 89, 90, 100, 120}) {
            NativeSupport row = NativeSupport.of(Arch.ofCapability(capability));
            assertThat(readme)
                    .containsPattern("(?m)^\\| " + row.arch().ptx() + " \\| [^|]+ \\| `" + row.variant() + "` \\| "
                            + Pattern.quote(row.why()) + " \\|$");
        }
    }

    @Test
    void every_record_reads_and_names_a_clean_commit() throws IOException {
        try (Stream<Path> files = Files.list(RESULTS)) {
            for (Path file : files.filter(f -> f.toString().endsWith(".json")).toList()) {
                BenchRecord record = BenchRecord.read(file);
                assertThat(record.commit()).as("commit of %s", file).matches("[0-9a-f]{40}");
                assertThat(record.measurements()).as("measurements of %s", file).isNotEmpty();
            }
        }
    }
}
