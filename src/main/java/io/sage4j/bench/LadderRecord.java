package io.sage4j.bench;

import io.sage4j.io.AtomicFile;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * Record of a {@link LadderBench}.
 *
 * @param bench what ran and was right
 * @param failures what did not
 */
public record LadderRecord(BenchRecord bench, List<LadderBench.Failure> failures) {
    /** Steps that are the attention itself. */
    private static final Set<String> ATTENTION = Set.of("scores", "softmax", "attend");

    /** Writes the record as JSON, whole or not at all. */
    public void write(Path target) {
        byte[] json = (Json.text(this) + "\n").getBytes(StandardCharsets.UTF_8);
        AtomicFile.write(target, channel -> AtomicFile.write(channel, MemorySegment.ofArray(json)));
    }

    /** Reads a record. */
    public static LadderRecord read(Path file) {
        return Json.read(file, LadderRecord.class);
    }

    /** The rows of a table in Markdown: one for each measurement, in the order of the record. */
    public List<String> rows() {
        List<String> rows = new ArrayList<>();
        for (Measurement m : bench.measurements()) {
            double attend = attendMs(m);
            double all = LadderBench.deviceMs(m);
            rows.add(String.format(
                    Locale.ROOT,
                    "| `%s` | %d | %d | %d x %d | %.3f | %.2f | %.3f | %.2f | %.5f |",
                    m.variant(),
                    m.shape().get(3),
                    m.shape().get(2),
                    m.shape().get(0),
                    m.shape().get(1),
                    attend,
                    LadderBench.tflops(m, attend),
                    all,
                    LadderBench.tflops(m, all),
                    m.worstRelativeL1()));
        }
        return rows;
    }

    /** Time of the attention itself, without what prepares the operands and converts the output. */
    private static double attendMs(Measurement m) {
        return m.stepMedianMs().entrySet().stream()
                .filter(e -> ATTENTION.contains(e.getKey()))
                .mapToDouble(e -> e.getValue())
                .sum();
    }
}
