package io.sage4j.cli;

import io.sage4j.AttentionSpec.Causal;
import io.sage4j.DType;
import io.sage4j.Sage;
import io.sage4j.Variant;
import io.sage4j.bench.ActivationsBench;
import io.sage4j.bench.AttentionBench;
import io.sage4j.bench.BenchRecord;
import io.sage4j.bench.GpuBench;
import io.sage4j.bench.Measurement;
import io.sage4j.bench.Measurement.Accuracy;
import io.sage4j.bench.RangesBench;
import io.sage4j.numeric.AttentionShape;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code sage4j bench}. */
@Command(name = "bench", description = "Measure.", subcommands = LadderCommand.class)
final class BenchCommand implements Callable<Integer> {
    private static final Pattern SHAPE = Pattern.compile("(\\d{1,9})x(\\d{1,9})x(\\d{1,9})x(\\d{1,9})");

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        throw new ParameterException(
                spec.commandLine(),
                "no benchmark, expected one of "
                        + String.join(", ", spec.subcommands().keySet()));
    }

    @Command(
            name = "attention",
            description = "Time one variant on normally distributed numbers, check its output, and record it.",
            sortOptions = false)
    int attention(
            @Mixin VariantOptions variantOptions,
            @Option(
                            names = "--shape",
                            paramLabel = "BxHxNxD",
                            defaultValue = "1x12x512x32",
                            split = ",",
                            description = "Batch, heads, tokens, head_dim of q, k and v; several with commas between."
                                    + " Default: ${DEFAULT-VALUE}.")
                    List<String> shapes,
            @Option(
                            names = "--dtype",
                            paramLabel = "TYPE",
                            defaultValue = "float16",
                            converter = Words.ToDType.class,
                            description = "float16 (default), bfloat16 or float32.")
                    DType dtype,
            @Option(
                            names = "--causal",
                            arity = "0..1",
                            paramLabel = "WHERE",
                            fallbackValue = "top-left",
                            defaultValue = "none",
                            converter = Words.ToCausal.class,
                            description = "Hide later keys from each query.")
                    Causal causal,
            @Mixin MeasureOptions options,
            @Option(
                            names = "--runs",
                            paramLabel = "N",
                            defaultValue = "20",
                            converter = Words.ToCount.class,
                            description = "Timed runs, 20 (default) or more.")
                    int runs,
            @Option(
                            names = "--on-gpu",
                            description =
                                    "Tensors in GPU memory: time what the GPU does, and how long starting a call takes."
                                            + " For backend cuda.")
                    boolean onGpu,
            @Option(names = "--quiet", description = "No progress bar.") boolean quiet) {
        // What cannot be is refused before anything is made.
        variantOptions.variant();
        List<long[]> sizes = shapes.stream().map(this::sizes).toList();
        options.check();
        BenchRecord found;
        try (Sage sage = Sage.open(options.backend());
                Progress progress = Progress.start("bench", (long) runs * sizes.size(), options.json() || quiet)) {
            List<Measurement> measurements = new ArrayList<>();
            for (long[] s : sizes) {
                Variant variant = variantOptions.variant(sage, Math.toIntExact(s[3]));
                if (onGpu) {
                    GpuBench bench = new GpuBench(variant, s[0], s[1], s[2], s[3], dtype, causal, runs);
                    measurements.add(bench.run(sage));
                    for (int run = 0; run < runs; run++) {
                        progress.step();
                    }
                } else {
                    AttentionBench bench = new AttentionBench(variant, s[0], s[1], s[2], s[3], dtype, causal, runs);
                    measurements.add(bench.run(sage, progress::step));
                }
            }
            found = BenchRecord.now(
                    spec.root().commandLine().getParseResult().originalArgs(),
                    sage.backend(),
                    sage.backendReason(),
                    measurements);
        }
        PrintWriter out = spec.commandLine().getOut();
        options.deliver(found, out, () -> print(out, found));
        return 0;
    }

    @Command(
            name = "ranges",
            description =
                    "Measure SageAttention2++'s table of accuracy by the ranges of P and V, on real, normal and extreme"
                            + " numbers.",
            sortOptions = false)
    int ranges(
            @Mixin MeasureOptions options, @Option(names = "--quiet", description = "No progress bar.") boolean quiet) {
        options.check();
        ActivationsBench activations = ActivationsBench.load();
        BenchRecord found;
        try (Sage sage = Sage.open(options.backend());
                Progress progress = Progress.start("bench", RangesBench.steps(activations), options.json() || quiet)) {
            found = BenchRecord.now(
                    spec.root().commandLine().getParseResult().originalArgs(),
                    sage.backend(),
                    sage.backendReason(),
                    RangesBench.run(sage, activations, progress::step));
        }
        PrintWriter out = spec.commandLine().getOut();
        options.deliver(found, out, () -> printRanges(out, found));
        return 0;
    }

    private static void printRanges(PrintWriter out, BenchRecord found) {
        TextTable table = new TextTable("ranges", "input", ">mean CosSim", ">mean L1", ">worst RMSE", "all finite");
        found.measurements()
                .forEach(m -> table.row(
                        m.variant(),
                        m.input(),
                        String.format(Locale.ROOT, "%.6f", m.meanCosine()),
                        String.format(Locale.ROOT, "%.5f", m.meanRelativeL1()),
                        String.format(Locale.ROOT, "%.2e", m.worstRmse()),
                        m.accuracy().stream().allMatch(a -> a.metrics().nonFiniteAgree()) ? "yes" : "NO"));
        table.print(out);
    }

    private long[] sizes(String shape) {
        Matcher size = SHAPE.matcher(shape);
        if (!size.matches()) {
            throw wrong(shape, "expected BxHxNxD, such as 1x12x512x32");
        }
        long[] sizes = new long[size.groupCount()];
        for (int n = 0; n < sizes.length; n++) {
            sizes[n] = Long.parseLong(size.group(n + 1));
        }
        try {
            new AttentionShape(
                    (int) sizes[0], (int) sizes[1], (int) sizes[1], (int) sizes[2], (int) sizes[2], (int) sizes[3]);
        } catch (IllegalArgumentException e) {
            throw wrong(shape, e.getMessage());
        }
        return sizes;
    }

    private ParameterException wrong(String shape, String why) {
        return new ParameterException(spec.subcommands().get("attention"), "--shape is '" + shape + "', " + why);
    }

    private static void print(PrintWriter out, BenchRecord found) {
        found.measurements().forEach(m -> print(out, found, m));
    }

    private static void print(PrintWriter out, BenchRecord found, Measurement m) {
        out.printf(
                Locale.ROOT,
                "%s %s %s on %s (%s): median %.3f ms, %.1f Gop/s (%d runs, %.3f to %.3f ms)%n",
                m.variant(),
                m.shape(),
                m.dtype(),
                m.elsewhere() == null ? found.backend() : m.elsewhere().backend(),
                m.elsewhere() == null ? found.backendReason() : m.elsewhere().reason(),
                m.times().medianMs(),
                m.gigaOps(),
                m.times().runs(),
                m.times().minMs(),
                m.times().maxMs());
        m.stepMedianMs().forEach((step, ms) -> out.printf(Locale.ROOT, "  %-16s %10.3f ms%n", step, ms));
        if (m.hostMicros() != null) {
            m.hostMicros().forEach((way, us) -> out.printf(Locale.ROOT, "  start, %-9s %10.1f us%n", way, us));
        }
        for (Accuracy accuracy : m.accuracy()) {
            out.printf("check: %s  on %d rows%n", accuracy.metrics(), accuracy.rows());
        }
    }
}
