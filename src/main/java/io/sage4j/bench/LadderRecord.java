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
 * @param peers what was measured beside, by {@code scripts/tornado-ladder.py}
 */
public record LadderRecord(BenchRecord bench, List<LadderBench.Failure> failures, List<Peer> peers) {
    /** Steps that are the attention itself. */
    private static final Set<String> ATTENTION = Set.of("scores", "softmax", "attend");

    /**
     * Somebody else's attention.
     *
     * @param peer whose
     * @param shape [batch, heads, tokens, head_dim]
     * @param ms median
     * @param tflops operations of exact attention per second, in units of 10^12
     * @param l1 relative L1 against FP32 on sampled rows
     */
    public record Peer(String peer, List<Long> shape, double ms, double tflops, double l1) {}

    /** A record without peers. */
    public LadderRecord(BenchRecord bench, List<LadderBench.Failure> failures) {
        this(bench, failures, List.of());
    }

    /** @param peers null for none */
    public LadderRecord {
        peers = peers == null ? List.of() : List.copyOf(peers);
    }

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
