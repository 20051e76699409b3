package io.sage4j.cli;

import io.sage4j.Sage;
import io.sage4j.bench.Json;
import io.sage4j.bench.Machine;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code sage4j devices}. */
@Command(name = "devices", description = "Show the backends that can run here, and why the others cannot.")
final class DevicesCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        List<Sage.Backend> backends = Sage.backends();
        if (json) {
            Map<String, Object> all = new LinkedHashMap<>();
            all.put("machine", Machine.here());
            all.put("backends", backends);
            out.println(Json.text(all));
            return 0;
        }
        TextTable table = new TextTable("backend", "can run", "on, or why not");
        backends.forEach(b -> table.row(b.name(), b.available() ? "yes" : "no", b.detail()));
        table.print(out);
        return 0;
    }
}
