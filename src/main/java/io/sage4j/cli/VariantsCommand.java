package io.sage4j.cli;

import io.sage4j.Variant;
import io.sage4j.bench.Json;
import io.sage4j.bench.Notation;
import io.sage4j.numeric.Scheme;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code sage4j variants}. */
@Command(name = "variants", description = "Show what --variant may be, and what each computes.")
final class VariantsCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    @Override
    public Integer call() {
        if (json) {
            List<Map<String, Object>> all =
                    Variant.all().stream().map(VariantsCommand::describe).toList();
            spec.commandLine().getOut().println(Json.text(all));
            return 0;
        }
        TextTable table = new TextTable(
                "name",
                "QK",
                "granularity",
                ">tiles",
                "PV",
                "sums",
                ">P range",
                ">V range",
                "smooth",
                "TornadoVM",
                "summary");
        for (Variant variant : Variant.all()) {
            Scheme s = variant.scheme();
            boolean quantized = variant.isQuantized();
            table.row(
                    variant.name(),
                    s.qk().name(),
                    quantized ? Notation.of(s.granularity()) : "-",
                    quantized ? s.tiles().blockQ() + "x" + s.tiles().blockK() : "-",
                    s.pv().name(),
                    Notation.sums(s),
                    quantized ? Notation.of(s.pRange()) : "-",
                    quantized ? Notation.of(s.vRange()) : "-",
                    smoothing(s),
                    variant.rung().usesTensorCores()
                            ? String.join(", ", variant.rung().tornadoBackends())
                            : "any",
                    variant.summary());
        }
        table.print(spec.commandLine().getOut());
        return 0;
    }

    /** A variant field by field, for JSON. */
    static Map<String, Object> describe(Variant variant) {
        Scheme s = variant.scheme();
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("name", variant.name());
        fields.put("summary", variant.summary());
        fields.put("rung", Notation.of(variant.rung()));
        fields.put("tornadoBackends", variant.rung().tornadoBackends());
        fields.put("qk", Notation.of(s.qk()));
        fields.put("granularity", variant.isQuantized() ? Notation.of(s.granularity()) : null);
        fields.put("tiles", variant.isQuantized() ? s.tiles() : null);
        fields.put("smoothK", s.smoothK());
        fields.put("smoothQ", s.smoothQ());
        fields.put("smoothV", s.smoothV());
        fields.put("pv", Notation.of(s.pv()));
        fields.put("accumulator", Notation.of(s.accumulator()));
        fields.put("pRange", s.pRange());
        fields.put("vRange", s.vRange());
        return fields;
    }

    private static String smoothing(Scheme s) {
        String letters = (s.smoothQ() ? "Q" : "") + (s.smoothK() ? "K" : "") + (s.smoothV() ? "V" : "");
        return letters.isEmpty() ? "-" : letters;
    }
}
