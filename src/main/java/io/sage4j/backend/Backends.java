package io.sage4j.backend;

import io.sage4j.SageException;
import io.sage4j.cuda.CudaDriver;
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
    /** Takes for each call the fastest backend that takes it. */
    public static final String AUTO = "auto";

    /** Name of TornadoVM's backends; one of them is {@code tornado:opencl}, for example. */
    public static final String TORNADO = "tornado";

    /** The native kernels. */
    public static final String CUDA = "cuda";

    private static final Pattern GPU = Pattern.compile(CUDA + ":(\\d{1,3})");

    /** System property: which of TornadoVM's backends this JVM was started with; the launcher sets it. */
    public static final String TORNADO_KIND = "sage4j.tornado.backend";

    /** System property: which device of it, as {@code sage4j devices} numbers them; the launcher sets it. */
    private static final String TORNADO_DEVICE = "sage4j.tornado.device";

    /**
     * One backend.
     *
     * @param name name to ask for
     * @param whyNot tells why it cannot run here; empty if it can
     * @param detail what it runs on, if it can run
     * @param takesDevice whether it takes tensors in GPU memory
     * @param rules tells what it takes, without starting it; null where that takes its start
     * @param opener starts it
     */
    public record Candidate(
            String name,
            Supplier<Optional<String>> whyNot,
            String detail,
            boolean takesDevice,
            Supplier<BackendRules> rules,
            Supplier<AttentionBackend> opener) {
        /** Why it cannot run here; empty if it can. */
        public Optional<String> unavailable() {
            return whyNot.get();
        }
    }

    private Backends() {}

    /** All backends, fastest first. */
    public static List<Candidate> candidates() {
        return candidates(DriverSearch.here(), KernelStore.here());
    }

    /** The same with another driver, and kernels kept elsewhere. */
    static List<Candidate> candidates(DriverSearch driver, KernelStore kernels) {
        return List.of(
                new Candidate(
                        CUDA,
                        () -> noCuda(driver, 0),
                        "native PTX kernels through the CUDA driver; quantized variants, no mask tensor",
                        true,
                        () -> new CudaRules(
                                driver.driver().orElseThrow().device(0).info()),
                        () -> cuda(driver, 0, kernels)),
                new Candidate(
                        tornadoName(),
                        () -> TornadoApi.isReal() ? Optional.empty() : Optional.of(noTornado()),
                        "Java kernels compiled by TornadoVM",
                        false,
                        null,
                        () -> new TaskGraphBackend(tornadoName(), tornadoDevice())),
                new Candidate(
                        "jvm",
                        Backends::noTornadoJvm,
                        "Java kernels on this JVM (tornado-jvm), "
                                + Runtime.getRuntime().availableProcessors() + " cores",
                        false,
                        null,
                        () -> new TaskGraphBackend("jvm", 0)));
    }

    /** Name of the fastest backend here that runs the Java kernels. */
    public static String javaKernels() {
        return candidates().stream()
                .filter(c -> !c.takesDevice() && c.unavailable().isEmpty())
                .map(Candidate::name)
                .findFirst()
                .orElseThrow(() -> new SageException("no backend for the Java kernels can run here: no "
                        + tornadoName() + " (" + noTornado() + "), no jvm ("
                        + noTornadoJvm().orElseThrow() + ")"));
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

    private static CudaBackend cuda(DriverSearch driver, int gpu, KernelStore kernels) {
        return new CudaBackend(driver.driver().orElseThrow(), gpu, kernels);
    }

    /** Name of backend cuda on a GPU of the driver's. */
    static String cudaName(int gpu) {
        return gpu == 0 ? CUDA : CUDA + ":" + gpu;
    }

    /**
     * Why the native kernels cannot run on a GPU of the driver's. Initialises the driver, where there is one, and makes no
     * context.
     */
    private static Optional<String> noCuda(DriverSearch search, int gpu) {
        return search.reason().or(() -> {
            CudaDriver driver = search.driver().orElseThrow();
            Rehearsal.start(driver::linkAll);
            try {
                if (driver.deviceCount() == 0) {
                    return Optional.of("the CUDA driver finds no GPU");
                }
                // Whether the kernels are for it.
                new CudaRules(driver.device(gpu).info());
                return Optional.empty();
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
     * Opens a backend, or by {@link #AUTO} makes ready to open whichever calls want.
     *
     * @param name a backend's name, {@code cuda:1} and so on for another GPU, or {@link #AUTO}
     * @throws SageException if the name is unknown or that backend cannot run here, with the reason
     */
    public static Selection open(String name) {
        if (name.equals(AUTO)) {
            return auto(candidates());
        }
        Matcher gpu = GPU.matcher(name);
        if (gpu.matches()) {
            int ordinal = Integer.parseInt(gpu.group(1));
            noCuda(DriverSearch.here(), ordinal).ifPresent(why -> refuse(name, why));
            return Selection.named(cuda(DriverSearch.here(), ordinal, KernelStore.here()));
        }
        List<Candidate> all = candidates();
        Candidate asked = all.stream()
                .filter(c ->
                        c.name().equals(name) || isTornado(name) && c.name().startsWith(name + ":"))
                .findFirst()
                .orElseThrow(() -> unknown(name, all));
        asked.unavailable().ifPresent(why -> refuse(name, why));
        return Selection.named(asked.opener().get());
    }

    static Selection auto(List<Candidate> all) {
        Selection selection = Selection.auto(all);
        // Without Java kernels the GPU must do; with them it is not asked before a call comes.
        if (all.stream().allMatch(c -> c.takesDevice() || c.unavailable().isPresent())) {
            selection.requireAny();
        }
        return selection;
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
}
