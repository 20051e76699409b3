package io.sage4j.backend;

import io.sage4j.SageException;
import io.sage4j.cuda.DriverSearch;
import io.sage4j.plan.TornadoApi;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The backends that this sage4j knows, which of them can run here, and why the others cannot. Fastest first. */
public final class Backends {
    /** Takes the fastest backend that can run. */
    public static final String AUTO = "auto";

    /** Name of TornadoVM's backends; one of them is {@code tornado:opencl}, for example. */
    public static final String TORNADO = "tornado";

    /** The native kernels. */
    public static final String CUDA = "cuda";

    private static final Pattern GPU = Pattern.compile(CUDA + ":(\\d{1,3})");

    private static final String BY_NAME = "asked for by name";

    private static final String NOT_AUTOMATIC = "takes float16 or bfloat16 and INT8 variants only: ask for it by name";

    /** System property: which of TornadoVM's backends this JVM was started with; the launcher sets it. */
    private static final String TORNADO_KIND = "sage4j.tornado.backend";

    /** System property: which device of it, as {@code sage4j devices} numbers them; the launcher sets it. */
    private static final String TORNADO_DEVICE = "sage4j.tornado.device";

    /**
     * One backend.
     *
     * @param name name to ask for
     * @param unavailable why it cannot run here; empty if it can
     * @param detail what it runs on, if it can run
     * @param opener starts it
     */
    public record Candidate(
            String name, Optional<String> unavailable, String detail, Supplier<AttentionBackend> opener) {}

    /**
     * A backend that was chosen.
     *
     * @param backend ready to run
     * @param reason why it was taken and not a faster one
     */
    public record Choice(AttentionBackend backend, String reason) {}

    private Backends() {}

    /** All backends, fastest first. */
    public static List<Candidate> candidates() {
        boolean real = TornadoApi.isReal();
        return List.of(
                new Candidate(
                        CUDA, noCuda(), "native PTX kernels through the CUDA driver; " + NOT_AUTOMATIC, () -> cuda(0)),
                new Candidate(
                        tornadoName(),
                        real ? Optional.empty() : Optional.of(noTornado()),
                        "Java kernels compiled by TornadoVM",
                        () -> new TaskGraphBackend(tornadoName(), tornadoDevice())),
                new Candidate(
                        "jvm",
                        noTornadoJvm(),
                        "Java kernels on this JVM (tornado-jvm), "
                                + Runtime.getRuntime().availableProcessors() + " cores",
                        () -> new TaskGraphBackend("jvm", 0)));
    }

    private static Optional<String> noTornadoJvm() {
        if (TornadoApi.isReal()) {
            return Optional.of("this JVM was started with a TornadoVM SDK, which replaces tornado-jvm");
        }
        return TornadoApi.isTornadoJvm()
                ? Optional.empty()
                : Optional.of(
                        "TornadoVM's API is on the class path in place of the jar tornado-jvm, without TornadoVM's"
                                + " modules: take it off, or start Java as ./sage4j does for --backend tornado");
    }

    private static CudaBackend cuda(int gpu) {
        return new CudaBackend(DriverSearch.here().driver().orElseThrow(), gpu, KernelStore.here());
    }

    /** Name of backend cuda on a GPU of the driver's. */
    static String cudaName(int gpu) {
        return gpu == 0 ? CUDA : CUDA + ":" + gpu;
    }

    /** Why the native kernels cannot run. Asks the driver for a GPU only where there is a driver. */
    private static Optional<String> noCuda() {
        return DriverSearch.here().reason().or(() -> {
            try {
                int count = DriverSearch.here().driver().orElseThrow().deviceCount();
                return count > 0 ? Optional.empty() : Optional.of("the CUDA driver finds no GPU");
            } catch (SageException e) {
                return Optional.of(e.getMessage());
            }
        });
    }

    static String tornadoName() {
        String kind = System.getProperty(TORNADO_KIND);
        String device = System.getProperty(TORNADO_DEVICE);
        return TornadoApi.isReal() && kind != null
                ? TORNADO + ":" + kind + (device == null ? "" : ":" + device)
                : TORNADO;
    }

    static int tornadoDevice() {
        return Integer.getInteger(TORNADO_DEVICE, 0);
    }

    private static String noTornado() {
        String home = System.getenv("TORNADOVM_HOME");
        if (home == null) {
            return "TORNADOVM_HOME is not set";
        }
        return !Files.isDirectory(Path.of(home, "share", "java", "tornado"))
                ? "TORNADOVM_HOME is " + home + ", which is no TornadoVM SDK"
                : "this JVM was not started with the modules of TORNADOVM_HOME " + home
                        + "; ./sage4j does that for --backend tornado";
    }

    /**
     * Opens a backend.
     *
     * @param name a backend's name, {@code cuda:1} and so on for another GPU, or {@link #AUTO}
     * @throws SageException if the name is unknown or that backend cannot run here, with the reason
     */
    public static Choice open(String name) {
        Matcher gpu = GPU.matcher(name);
        if (name.equals(CUDA) || gpu.matches()) {
            DriverSearch.here().driver().ifPresent(driver -> Rehearsal.start(driver::linkAll));
        }
        if (gpu.matches()) {
            noCuda().ifPresent(why -> refuse(name, why));
            return new Choice(cuda(Integer.parseInt(gpu.group(1))), BY_NAME);
        }
        List<Candidate> all = candidates();
        if (name.equals(AUTO)) {
            Candidate best = all.stream()
                    .filter(c -> c.unavailable().isEmpty() && !c.name().equals(CUDA))
                    .findFirst()
                    .orElseThrow(() -> new SageException("no backend can run here: " + whyNot(all)));
            List<Candidate> faster = all.subList(0, all.indexOf(best));
            String reason = faster.isEmpty() ? "auto: the fastest" : "auto: " + whyNot(faster);
            return new Choice(best.opener().get(), reason);
        }
        Candidate asked = all.stream()
                .filter(c ->
                        c.name().equals(name) || isTornado(name) && c.name().startsWith(name + ":"))
                .findFirst()
                .orElseThrow(() -> unknown(name, all));
        asked.unavailable().ifPresent(why -> refuse(name, why));
        return new Choice(asked.opener().get(), BY_NAME);
    }

    private static void refuse(String name, String why) {
        throw new SageException("backend " + name + " cannot run here: " + why);
    }

    private static SageException unknown(String name, List<Candidate> all) {
        if (isTornado(name)) {
            return new SageException("backend " + name + " cannot run here: "
                    + (TornadoApi.isReal() ? "this JVM was started for " + tornadoName() : noTornado()));
        }
        return new SageException("unknown backend '" + name + "', expected " + AUTO + " or one of "
                + all.stream().map(Candidate::name).collect(Collectors.joining(", ")));
    }

    private static boolean isTornado(String name) {
        return name.equals(TORNADO) || name.startsWith(TORNADO + ":");
    }

    private static String whyNot(List<Candidate> candidates) {
        return candidates.stream()
                .map(c -> "no " + c.name() + " (" + c.unavailable().orElse(NOT_AUTOMATIC) + ")")
                .collect(Collectors.joining(", "));
    }
}
