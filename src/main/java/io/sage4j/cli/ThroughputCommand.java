package io.sage4j.cli;

import io.sage4j.Variant;
import io.sage4j.bench.Json;
import io.sage4j.ptx.model.Card;
import io.sage4j.ptx.model.Pipe;
import io.sage4j.ptx.model.Prediction;
import io.sage4j.ptx.model.Published;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code sage4j throughput}. */
@Command(
        name = "throughput",
        description = {
            "Predict, not measure, how fast the mma.sync attention kernels are on GPUs that are not at hand: instructions of"
                    + " the inner loop over each GPU's published rates, beside what upstream's kernels were measured at.",
            "docs/mma-kernels.md says how."
        })
final class ThroughputCommand implements Callable<Integer> {
    private static final List<String> VARIANTS = List.of("int8-fp8-f16acc", "int8-fp8", "int4-fp8-f16acc", "int4-fp8");

    @Spec
    private CommandSpec spec;

    @Option(names = "--pipes", description = "Show the cycles of every pipe.")
    private boolean pipes;

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    /** All published figures, and the headline variants where there is none. */
    static List<Prediction> predictions() {
        List<Prediction> all = new ArrayList<>();
        for (Published p : Published.all()) {
            all.add(Prediction.of(p.card(), Variant.of(p.variant()), p.headDim()));
        }
        for (Card card : new Card[] {Card.RTX_4090, Card.RTX_5090, Card.L20, Card.L40S}) {
            for (String variant : VARIANTS) {
                for (int headDim : new int[] {128, 64}) {
                    if (Published.of(card, variant, headDim).isEmpty()) {
                        all.add(Prediction.of(card, Variant.of(variant), headDim));
                    }
                }
            }
        }
        return all;
    }

    @Override
    public Integer call() {
        return print(spec.commandLine().getOut(), json, pipes);
    }

    /** Prints the predictions as JSON or as a table, with the cycles of every pipe if wanted. */
    static int print(PrintWriter out, boolean json, boolean pipes) {
        List<Prediction> all = predictions();
        if (json) {
            out.println(Json.text(all.stream().map(ThroughputCommand::fields).toList()));
            return 0;
        }
        out.println("A prediction, not a measurement: TOPS of the attention kernel alone, long sequences, no mask.");
        out.println();
        TextTable table = new TextTable(
                "GPU",
                ">D",
                "variant",
                ">ceiling",
                "bound by",
                ">predicted",
                ">upstream, published",
                ">instructions",
                ">upstream's");
        all.forEach(p -> table.row(
                p.card().toString(),
                String.valueOf(p.headDim()),
                p.variant(),
                whole(p.ceiling()),
                p.bound().toString(),
                p.predicted().map(ThroughputCommand::whole).orElse("-"),
                p.upstream().map(ThroughputCommand::whole).orElse("-"),
                whole(p.instructions()),
                whole(p.upstreamInstructions())));
        table.print(out);
        if (pipes) {
            out.println();
            print(all, out);
        }
        return 0;
    }

    private static void print(List<Prediction> all, PrintWriter out) {
        List<String> columns = new ArrayList<>(List.of("cycles of a tile of 128 x 64", ">D", "variant"));
        for (Pipe pipe : Pipe.values()) {
            columns.add(">" + pipe);
        }
        TextTable table = new TextTable(columns.toArray(String[]::new));
        for (Prediction p : all) {
            List<String> row = new ArrayList<>(List.of(p.card().toString(), String.valueOf(p.headDim()), p.variant()));
            for (Pipe pipe : Pipe.values()) {
                row.add(whole(p.cycles().get(pipe)));
            }
            table.row(row.toArray(String[]::new));
        }
        table.print(out);
    }

    /** A prediction field by field, for JSON; null where nothing was published. */
    private static Map<String, Object> fields(Prediction p) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("gpu", p.card().toString());
        fields.put("headDim", p.headDim());
        fields.put("variant", p.variant());
        fields.put("cyclesOfATile", p.cycles());
        fields.put("bound", p.bound());
        fields.put("ceiling", p.ceiling());
        fields.put("predicted", p.predicted().orElse(null));
        fields.put("upstreamPublished", p.upstream().orElse(null));
        fields.put("instructions", p.instructions());
        fields.put("upstreamInstructions", p.upstreamInstructions());
        fields.put("waitingAnInstruction", p.waiting().orElse(null));
        return fields;
    }

    private static String whole(double number) {
        return String.format(Locale.ROOT, "%.0f", number);
    }
}
