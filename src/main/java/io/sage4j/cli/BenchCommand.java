package io.sage4j.cli;

import io.sage4j.AttentionSpec.Causal;
import io.sage4j.DType;
import io.sage4j.Sage;
import io.sage4j.bench.AttentionBench;
import io.sage4j.bench.BenchRecord;
import io.sage4j.bench.Json;
import io.sage4j.bench.Measurement;
import io.sage4j.bench.Measurement.Accuracy;
import io.sage4j.io.AtomicFile;
import java.io.PrintWriter;
import java.nio.file.Path;
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
@Command(name = "bench", description = "Measure.")
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
                            description = "Batch, heads, tokens, head_dim of q, k and v. Default: ${DEFAULT-VALUE}.")
                    String shape,
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
            @Option(
                            names = "--backend",
                            paramLabel = "NAME",
                            defaultValue = "auto",
                            description = "Where to run, a name from 'sage4j devices'. Default: auto, the fastest.")
                    String backend,
            @Option(
                            names = "--runs",
                            paramLabel = "N",
                            defaultValue = "20",
                            converter = Words.ToCount.class,
                            description = "Timed runs, 20 (default) or more.")
                    int runs,
            @Option(
                            names = "--record",
                            paramLabel = "FILE",
                            converter = Words.ToFile.class,
                            description = "Write the figures, the machine and the commit as JSON.")
                    Path record,
            @Option(names = "--json", description = "Print the record as JSON.") boolean json,
            @Option(names = "--quiet", description = "No progress bar.") boolean quiet) {
        Matcher size = SHAPE.matcher(shape);
        if (!size.matches()) {
            throw new ParameterException(
                    spec.commandLine(), "--shape is '" + shape + "', expected BxHxNxD, such as 1x12x512x32");
        }
        AttentionBench bench = new AttentionBench(
                variantOptions.variant(),
                Long.parseLong(size.group(1)),
                Long.parseLong(size.group(2)),
                Long.parseLong(size.group(3)),
                Long.parseLong(size.group(4)),
                dtype,
                causal,
                runs);
        if (record != null) {
            AtomicFile.check(record);
        }
        BenchRecord found;
        try (Sage sage = Sage.open(backend);
                Progress progress = Progress.start("bench", runs, json || quiet)) {
            Measurement measurement = bench.run(sage, progress::step);
            found = BenchRecord.now(
                    spec.root().commandLine().getParseResult().originalArgs(),
                    sage.backend(),
                    sage.backendReason(),
                    List.of(measurement));
        }
        if (record != null) {
            found.write(record);
        }
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            out.println(Json.text(found));
        } else {
            print(out, found);
        }
        return 0;
    }

    private static void print(PrintWriter out, BenchRecord found) {
        Measurement m = found.measurements().get(0);
        out.printf(
                Locale.ROOT,
                "%s %s %s on %s (%s): median %.3f ms, %.1f Gop/s (%d runs, %.3f to %.3f ms)%n",
                m.variant(),
                m.shape(),
                m.dtype(),
                found.backend(),
                found.backendReason(),
                m.times().medianMs(),
                m.gigaOps(),
                m.times().runs(),
                m.times().minMs(),
                m.times().maxMs());
        m.stepMedianMs().forEach((step, ms) -> out.printf(Locale.ROOT, "  %-16s %10.3f ms%n", step, ms));
        for (Accuracy accuracy : m.accuracy()) {
            out.printf("check: %s  on %d rows%n", accuracy.metrics(), accuracy.rows());
        }
    }
}
