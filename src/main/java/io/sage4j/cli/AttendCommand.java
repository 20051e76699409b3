package io.sage4j.cli;

import io.sage4j.AttentionResult;
import io.sage4j.AttentionResult.NumericReport;
import io.sage4j.AttentionResult.StepTime;
import io.sage4j.AttentionSpec;
import io.sage4j.AttentionSpec.Causal;
import io.sage4j.Layout;
import io.sage4j.Sage;
import io.sage4j.SageException;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.bench.Json;
import io.sage4j.bench.Measurement.Accuracy;
import io.sage4j.bench.Notation;
import io.sage4j.bench.Reference;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code sage4j attend}. */
@Command(
        name = "attend",
        description = "Compute softmax(sm_scale x Q K^T + mask) V of tensors in files.",
        sortOptions = false,
        footer = {
            "",
            "Examples:",
            "  sage4j attend --q q.npy --k k.npy --v v.npy -o o.npy --causal --check",
            "  sage4j attend --in qkv.safetensors -o o.safetensors --lse --variant int8-fp16 --layout nhd"
        })
final class AttendCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Mixin
    private InputOptions input;

    @Mixin
    private OutputOptions output;

    @Option(
            names = "--causal",
            arity = "0..1",
            paramLabel = "WHERE",
            fallbackValue = "top-left",
            defaultValue = "none",
            converter = Words.ToCausal.class,
            description = "Hide later keys from each query: top-left aligns the first query with the first key"
                    + " (so --causal alone), bottom-right the last with the last.")
    private Causal causal;

    @Option(
            names = "--layout",
            paramLabel = "WHICH",
            defaultValue = "hnd",
            converter = Words.ToLayout.class,
            description = "Order of the dimensions: hnd for [batch, heads, tokens, head_dim] (default), nhd for [batch,"
                    + " tokens, heads, head_dim].")
    private Layout layout;

    @Option(
            names = "--sm-scale",
            paramLabel = "X",
            converter = Words.ToNumber.class,
            description = "Factor of the scores. Default: 1/sqrt(head_dim).")
    private Double smScale;

    @Mixin
    private VariantOptions variantOptions;

    @Mixin
    private BackendOption backend;

    @Option(
            names = "--watch-v",
            negatable = true,
            defaultValue = "true",
            fallbackValue = "true",
            description =
                    "Look V through for tails too heavy for FP16 sums, and take FP32 sums if there are any. Default:"
                            + " ${DEFAULT-VALUE}.")
    private boolean watchV;

    @Option(
            names = "--check",
            description = "Compare the output with exact attention in double, and print the metrics.")
    private boolean check;

    @Option(names = "--json", description = "Print the result as JSON.")
    private boolean json;

    @Option(names = "--quiet", description = "No summary and no progress bar.")
    private boolean quiet;

    @Override
    public Integer call() {
        // What cannot be is refused before anything is read.
        variantOptions.variant();
        output.check();
        InputOptions.Inputs in = input.open();
        AttentionSpec.Builder wanted = AttentionSpec.builder()
                .causal(causal)
                .layout(layout)
                .lse(output.wantsLse())
                .watchV(watchV)
                .mask(in.mask());
        if (smScale != null) {
            wanted.smScale(smScale);
        }
        AttentionResult result;
        Accuracy accuracy = null;
        try (Sage sage = Sage.open(backend.name());
                Progress progress = Progress.start("attend", Progress.UNKNOWN, json || quiet)) {
            if (variantOptions.isOpen()) {
                progress.on("attention");
            } else {
                Variant variant =
                        variantOptions.variant(sage, Math.toIntExact(in.q().size(Tensor.RANK - 1)));
                progress.on(variant.name());
                wanted.variant(variant);
            }
            AttentionSpec attention = wanted.build();
            result = sage.attend(in.q(), in.k(), in.v(), attention);
            if (check) {
                progress.on("exact attention, to check");
                Reference exact = Reference.of(in.q(), in.k(), in.v(), attention, Reference.DEFAULT_BUDGET);
                accuracy = new Accuracy("output", exact.rows(), exact.isSampled(), exact.measure(result.output()));
            }
            output.write(result);
        } catch (OutOfMemoryError e) {
            throw new SageException(ErrorLine.noMemory(e, ", the tensors alone take " + bytes(in)), e);
        }
        if (json) {
            spec.commandLine().getOut().println(Json.text(describe(in, result, accuracy)));
        } else if (!quiet || check) {
            print(spec.commandLine().getOut(), result, accuracy);
        }
        return 0;
    }

    private static String bytes(InputOptions.Inputs in) {
        long bytes = 0;
        for (Tensor t : new Tensor[] {in.q(), in.q(), in.k(), in.v()}) {
            bytes += t.size() * t.dtype().bytes();
        }
        return ErrorLine.megabytes(bytes);
    }

    private void print(PrintWriter out, AttentionResult result, Accuracy accuracy) {
        if (!quiet) {
            Variant variant = result.chosenVariant();
            out.printf(
                    Locale.ROOT,
                    "%s: %s, %s on %s (%s), %.1f ms%n",
                    output.out(),
                    result.output(),
                    variant.name(),
                    result.backend(),
                    result.backendReason(),
                    result.totalNanos() / 1e6);
            out.println("  " + Notation.of(variant.scheme())
                    + (variantOptions.isOpen() && result.variant().equals(variant)
                            ? " (" + result.variantReason() + ")"
                            : ""));
            out.println("  "
                    + result.steps().stream()
                            .map(s -> String.format(Locale.ROOT, "%s %.1f ms", s.name(), s.nanos() / 1e6))
                            .collect(Collectors.joining(", ")));
            if (!result.inputs().isEmpty()) {
                out.println("  inputs: " + result.inputs());
            }
            out.println("  " + describe(result.report()));
            if (result.report().heavyVChannels() > 0) {
                out.println("  " + heavy(result));
            }
        }
        if (accuracy != null) {
            out.println(
                    "check: " + accuracy.metrics() + (accuracy.sampled() ? "  on " + accuracy.rows() + " rows" : ""));
        }
    }

    private static String heavy(AttentionResult result) {
        return String.format(
                Locale.ROOT,
                "%d channels of V are too heavy-tailed for FP16 sums, so it ran with FP32 sums: %s, %s",
                result.report().heavyVChannels(),
                result.variant().name(),
                Notation.of(result.variant().scheme()));
    }

    private static String describe(NumericReport report) {
        return report.isCounted()
                ? String.format(
                        Locale.ROOT,
                        "non-finite inputs: %d, saturated: %d, V flushed to zero: %.3f %%",
                        report.nonFinite(),
                        report.saturated(),
                        100 * report.flushedVFraction())
                : "this backend does not count non-finite, saturated and flushed values";
    }

    private Map<String, Object> describe(InputOptions.Inputs in, AttentionResult result, Accuracy accuracy) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("output", output.out().toString());
        fields.put("lseOutput", output.lseOut() == null ? null : output.lseOut().toString());
        fields.put("dtype", in.q().dtype().toString());
        fields.put("layout", Notation.of(layout));
        fields.put("q", in.q().shape());
        fields.put("k", in.k().shape());
        fields.put("v", in.v().shape());
        fields.put("mask", in.mask() == null ? null : in.mask().toString());
        fields.put("causal", Notation.of(causal));
        fields.put("smScale", smScale == null ? 1 / Math.sqrt(in.q().size(Tensor.RANK - 1)) : smScale);
        fields.put("variant", VariantsCommand.describe(result.chosenVariant()));
        fields.put("ranAs", VariantsCommand.describe(result.variant()));
        fields.put("variantReason", result.variantReason());
        fields.put("backend", result.backend());
        fields.put("backendReason", result.backendReason());
        fields.put("inputs", result.inputs());
        fields.put("totalMs", result.totalNanos() / 1e6);
        fields.put("stepMs", steps(result.steps()));
        fields.put("report", report(result.report()));
        fields.put("check", accuracy);
        return fields;
    }

    private static Map<String, Double> steps(List<StepTime> steps) {
        Map<String, Double> millis = new LinkedHashMap<>();
        steps.forEach(s -> millis.merge(s.name(), s.nanos() / 1e6, Double::sum));
        return millis;
    }

    private static Map<String, Object> report(NumericReport report) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("nonFinite", report.nonFinite());
        fields.put("saturated", report.saturated());
        fields.put("vFlushed", report.vFlushed());
        fields.put("vTotal", report.vTotal());
        fields.put("heavyVChannels", report.heavyVChannels());
        return fields;
    }
}
