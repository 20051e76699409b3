package io.sage4j.cli;

import io.sage4j.Sage;
import io.sage4j.SageException;
import io.sage4j.Variant;
import io.sage4j.backend.Backends;
import io.sage4j.backend.GpuProbe;
import io.sage4j.backend.TornadoDevices;
import io.sage4j.bench.Json;
import io.sage4j.bench.Machine;
import io.sage4j.cuda.CudaDriver;
import io.sage4j.cuda.DeviceInfo;
import io.sage4j.cuda.DriverSearch;
import io.sage4j.numeric.Rung;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code sage4j devices}. */
@Command(
        name = "devices",
        description =
                "Show the backends that can run here, why the others cannot, TornadoVM's devices, the GPUs, and what"
                        + " their tensor cores' sums keep (measured).")
final class DevicesCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    /**
     * The GPUs of this machine.
     *
     * @param driver newest CUDA of the driver, 13.0 for example, or unknown; empty if there is no driver
     * @param gpus what the driver lists
     * @param problem why it lists none; empty if it could be asked
     */
    record Gpus(Optional<String> driver, List<DeviceInfo> gpus, Optional<String> problem) {
        static Gpus of(DriverSearch search) {
            if (search.driver().isEmpty()) {
                return new Gpus(Optional.empty(), List.of(), search.reason());
            }
            CudaDriver driver = search.driver().get();
            Optional<String> version = Optional.of("unknown");
            try {
                int number = driver.version();
                version = Optional.of(number / 1000 + "." + number % 1000 / 10);
                return new Gpus(version, driver.deviceInfos(), Optional.empty());
            } catch (SageException e) {
                return new Gpus(version, List.of(), Optional.of(e.getMessage()));
            }
        }

        void print(PrintWriter out) {
            if (driver.isPresent()) {
                problem.ifPresent(p -> out.println("\nno GPU: " + p));
            }
            if (!gpus.isEmpty()) {
                out.println();
                TextTable table = new TextTable(
                        "backend", "name", "compute", ">SMs", ">memory GiB", ">L2 MiB", ">shared KiB a block", "CUDA");
                gpus.forEach(g -> table.row(
                        Backends.CUDA + ":" + g.ordinal(),
                        g.name(),
                        g.computeMajor() + "." + g.computeMinor(),
                        String.valueOf(g.multiprocessors()),
                        String.format(Locale.ROOT, "%.1f", g.memoryBytes() / (double) (1 << 30)),
                        String.format(Locale.ROOT, "%.1f", g.l2Bytes() / (double) (1 << 20)),
                        String.valueOf(g.sharedBytesPerBlock() / 1024),
                        driver.get()));
                table.print(out);
            }
        }
    }

    /** What was measured on the GPUs, and the variants to take there. */
    private static List<GpuProbe> probes(Gpus gpus) {
        return gpus.gpus().stream()
                .map(g -> GpuProbe.of(DriverSearch.here().driver().orElseThrow(), g))
                .toList();
    }

    /** Prints what was measured. */
    static void print(List<GpuProbe> probes, PrintWriter out) {
        for (GpuProbe probe : probes) {
            out.println();
            if (!probe.problem().isEmpty()) {
                out.println("GPU " + probe.gpu() + " was not measured: " + probe.problem());
                continue;
            }
            out.println("GPU " + probe.gpu() + ", variant to take: " + probe.variant());
            TextTable table = new TextTable("sums of", ">mantissa bits kept", ">between products", "meaning");
            probe.findings()
                    .forEach(f -> table.row(
                            f.instruction(),
                            String.valueOf(f.accumulatorBits()),
                            String.valueOf(f.productBits()),
                            f.meaning()));
            table.print(out);
        }
    }

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        List<Sage.Backend> backends = Sage.backends();
        Gpus gpus = Gpus.of(DriverSearch.here());
        TornadoDevices.Found tornado = TornadoDevices.parse(System.getenv().getOrDefault(TornadoDevices.VARIABLE, ""));
        if (json) {
            Map<String, Object> all = new LinkedHashMap<>();
            all.put("machine", Machine.here());
            all.put("backends", backends);
            all.put("tornado", tornado);
            all.put("tornadoLacks", lacking());
            all.put("gpus", gpus.gpus());
            all.put("probes", probes(gpus));
            all.put("cuda", gpus.driver().orElse(null));
            all.put("noGpuBecause", gpus.problem().orElse(null));
            out.println(Json.text(all));
            return 0;
        }
        TextTable table = new TextTable("backend", "can run", "on, or why not");
        backends.forEach(b -> table.row(b.name(), b.available() ? "yes" : "no", b.detail()));
        table.print(out);
        out.println(auto(backends));
        print(out, tornado);
        lacking()
                .forEach((backend, variants) ->
                        out.println("tornado:" + backend + " has no operations for " + String.join(", ", variants)));
        gpus.print(out);
        print(probes(gpus), out);
        return 0;
    }

    /** What backend auto does with these. */
    static String auto(List<Sage.Backend> backends) {
        List<String> able = backends.stream()
                .filter(Sage.Backend::available)
                .map(Sage.Backend::name)
                .toList();
        return switch (able.size()) {
            case 0 -> "auto: nothing can run here";
            case 1 -> "auto: every call runs on " + able.get(0);
            default ->
                "auto: a call runs on the first of " + String.join(", ", able)
                        + " that takes it; its result says on which, and why not on one before";
        };
    }

    /** TornadoVM's devices, as the launcher found them in TORNADOVM_HOME. */
    static void print(PrintWriter out, TornadoDevices.Found tornado) {
        if (!tornado.devices().isEmpty()) {
            out.println();
            TextTable table =
                    new TextTable("TornadoVM's", "name", "type", ">memory GiB", ">local KiB a group", "profile");
            tornado.devices()
                    .forEach(d -> table.row(
                            d.backend(),
                            d.name(),
                            d.type(),
                            String.format(Locale.ROOT, "%.1f", d.memoryBytes() / (double) (1 << 30)),
                            String.valueOf(d.localBytes() / 1024),
                            d.profile()));
            table.print(out);
        }
        if (!tornado.missing().isEmpty()) {
            out.println();
            tornado.missing().forEach(m -> out.println("no " + m.backend() + ": " + m.reason()));
        }
    }

    /** Backends of TornadoVM that lack operations, and the variants that need them. */
    static Map<String, List<String>> lacking() {
        Map<String, List<String>> lacking = new LinkedHashMap<>();
        for (String backend : Rung.NAIVE.tornadoBackends()) {
            List<String> variants = Variant.all().stream()
                    .filter(v -> !v.rung().tornadoBackends().contains(backend))
                    .map(Variant::name)
                    .toList();
            if (!variants.isEmpty()) {
                lacking.put(backend, variants);
            }
        }
        return lacking;
    }
}
