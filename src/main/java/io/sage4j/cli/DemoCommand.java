package io.sage4j.cli;

import io.sage4j.Sage;
import io.sage4j.SageException;
import io.sage4j.Variant;
import io.sage4j.bench.ActivationsBench;
import io.sage4j.bench.BenchRecord;
import io.sage4j.bench.ErrorTimeChart;
import io.sage4j.bench.Measurement;
import io.sage4j.io.AtomicFile;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.QkFormat;
import io.sage4j.numeric.Scheme;
import java.io.PrintWriter;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code sage4j demo}. */
@Command(
        name = "demo",
        description =
                "Run every variant on real activations (packaged with sage4j); show accuracy against exact attention,"
                        + " time, and what smoothing K is for; draw a chart.",
        sortOptions = false)
final class DemoCommand implements Callable<Integer> {
    private static final String DEFAULT_CHART = "sage4j-demo.png";
    private static final int SMOOTH_K_RUNS = 4;

    @Spec
    private CommandSpec spec;

    @Mixin
    private MeasureOptions options;

    @Option(
            names = "--variant",
            paramLabel = "NAME",
            split = ",",
            description = "Only these variants, by names from 'sage4j variants'. Default: all.")
    private List<String> only = List.of();

    @Option(
            names = "--chart",
            paramLabel = "FILE",
            converter = Words.ToFile.class,
            description = "PNG chart of error against time. Default: ./" + DEFAULT_CHART + ".")
    private Path chart;

    @Option(names = "--quiet", description = "No progress bar.")
    private boolean quiet;

    @Override
    public Integer call() {
        List<Variant> chosen = only.isEmpty()
                ? Variant.all()
                : only.stream().map(Variant::of).distinct().toList();
        Path target = chartTarget();
        options.check();
        if (options.record() != null && target != null) {
            AtomicFile.checkDistinct("--chart", target, "--record", options.record());
        }
        BenchRecord found = measure(chosen);
        List<Measurement> variants = withInput(found, ActivationsBench.INPUT);
        if (target != null) {
            byte[] png = ErrorTimeChart.png(title(found), points(variants));
            AtomicFile.write(target, channel -> AtomicFile.write(channel, MemorySegment.ofArray(png)));
        }
        PrintWriter out = spec.commandLine().getOut();
        options.deliver(found, out, () -> {
            print(out, found, variants);
            out.println();
            out.println("Chart: " + (target == null ? "none" : target)
                    + (options.record() == null ? "" : ", record: " + options.record()));
        });
        return 0;
    }

    /** Where the chart goes; null if none can be drawn here and none was asked for. */
    private Path chartTarget() {
        Path target = chart == null ? Path.of(DEFAULT_CHART) : chart;
        if (!target.toString().endsWith(".png")) {
            throw new SageException("--chart " + target + ": expected a name that ends in .png");
        }
        AtomicFile.check(target);
        try {
            ErrorTimeChart.check();
        } catch (SageException e) {
            if (chart != null) {
                throw e;
            }
            ErrorLine.print(spec.commandLine().getErr(), "the demo runs without a chart: " + e.getMessage());
            return null;
        }
        return target;
    }

    private BenchRecord measure(List<Variant> variants) {
        ActivationsBench bench = ActivationsBench.load();
        List<Measurement> found = new ArrayList<>();
        long steps = (long) variants.size() * bench.layers() + SMOOTH_K_RUNS;
        try (Sage sage = Sage.open(options.backend());
                Progress progress = Progress.start("demo", steps, options.json() || quiet)) {
            for (Variant variant : variants) {
                progress.on(variant.name());
                found.add(bench.run(sage, variant, progress::step));
            }
            progress.on("smooth K");
            found.addAll(bench.smoothK(sage, Variant.INT8_FP8_F16ACC, progress::step));
            return BenchRecord.now(
                    spec.root().commandLine().getParseResult().originalArgs(),
                    sage.backend(),
                    sage.backendReason(),
                    found);
        }
    }

    private static List<Measurement> withInput(BenchRecord found, String input) {
        return found.measurements().stream()
                .filter(m -> m.input().equals(input))
                .toList();
    }

    private static String title(BenchRecord found) {
        return "sage4j on " + found.machine().cpu() + ", " + found.machine().cores() + " cores, backend "
                + found.backend() + ": " + ActivationsBench.INPUT;
    }

    private static List<ErrorTimeChart.Point> points(List<Measurement> variants) {
        return variants.stream()
                .map(m -> new ErrorTimeChart.Point(
                        m.variant(),
                        group(Variant.of(m.variant()).scheme()),
                        m.times().medianMs(),
                        m.meanRelativeL1()))
                .toList();
    }

    private static String group(Scheme s) {
        if (!s.isQuantized()) {
            return "not quantized (FP32)";
        }
        if (s.qk() == QkFormat.INT4) {
            return "INT4 QK, FP8 PV";
        }
        return s.pv() == PvFormat.FP16
                ? "INT8 QK, FP16 PV"
                : s.pv() == PvFormat.INT8 ? "INT8 QK, INT8 PV" : "INT8 QK, FP8 PV";
    }

    private static void print(PrintWriter out, BenchRecord found, List<Measurement> variants) {
        Measurement first = variants.get(0);
        out.println("Q, K, V: " + first.input() + ", " + first.accuracy().size() + " layers of " + first.shape() + " "
                + first.dtype());
        out.println("Backend: " + found.backend() + " (" + found.backendReason() + "), "
                + found.machine().cpu() + ", " + found.machine().cores() + " cores");
        out.println();
        TextTable table = new TextTable(
                "variant",
                ">worst cosine",
                ">mean cosine",
                ">worst rel. L1",
                ">mean rel. L1",
                ">worst RMSE",
                ">ms",
                ">Gop/s");
        for (Measurement m : variants) {
            table.row(
                    m.variant(),
                    format("%.6f", m.worstCosine()),
                    format("%.6f", m.meanCosine()),
                    format("%.5f", m.worstRelativeL1()),
                    format("%.5f", m.meanRelativeL1()),
                    format("%.2e", m.worstRmse()),
                    format("%.1f", m.times().medianMs()),
                    format("%.2f", m.gigaOps()));
        }
        table.print(out);
        printElsewhere(out, found);
        out.println();
        out.println(
                "Against exact attention in double; worst and mean over the layers. Time: median over the layers but"
                        + " the first.");
        out.println();
        out.println("What smoothing K is for (" + Variant.INT8_FP8_F16ACC.name()
                + ", first layer; the bias changes nothing" + " in exact attention):");
        TextTable smooth = new TextTable("K", "smooth K", ">cosine", ">rel. L1");
        found.measurements().stream()
                .filter(m -> !variants.contains(m))
                .forEach(m -> smooth.row(
                        m.input().equals(ActivationsBench.BIASED_INPUT) ? "+ large channel bias" : "as it is",
                        m.scheme().contains("smooth K") ? "yes" : "no",
                        format("%.6f", m.worstCosine()),
                        format("%.5f", m.worstRelativeL1())));
        smooth.print(out);
    }

    /** What auto did not run on the backend that the head of the page names. */
    static void printElsewhere(PrintWriter out, BenchRecord found) {
        Map<Measurement.Elsewhere, List<String>> elsewhere = new LinkedHashMap<>();
        found.measurements().stream().filter(m -> m.elsewhere() != null).forEach(m -> elsewhere
                .computeIfAbsent(m.elsewhere(), where -> new ArrayList<>())
                .add(m.variant()));
        elsewhere.forEach((where, variants) ->
                out.println("On " + where.backend() + " (" + where.reason() + "): " + String.join(", ", variants)));
    }

    private static String format(String pattern, double value) {
        return String.format(Locale.ROOT, pattern, value);
    }
}
