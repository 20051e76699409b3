package io.sage4j.backend;

import io.sage4j.SageException;
import io.sage4j.cuda.DriverSearch;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import uk.ac.manchester.tornado.api.KernelContext;

/** The backends that this sage4j knows, which of them can run here, and why the others cannot. Fastest first. */
public final class Backends {
    /** Takes the fastest backend that can run. */
    public static final String AUTO = "auto";

    /** Name of TornadoVM's backends; one of them is {@code tornado:opencl}, for example. */
    public static final String TORNADO = "tornado";

    /** Why native kernels do not run where there is a driver. */
    private static final String NOT_WIRED = "the native kernels are not wired to Sage yet; ./sage4j ptx prints them";

    /** System property: which of TornadoVM's backends this JVM was started with; the launcher sets it. */
    private static final String TORNADO_KIND = "sage4j.tornado.backend";

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

    /** Whether the TornadoVM API on the class path is a real TornadoVM: its SDK is a set of named modules. */
    public static boolean isRealTornadoVm() {
        return KernelContext.class.getModule().isNamed();
    }

    /** All backends, fastest first. */
    public static List<Candidate> candidates() {
        boolean real = isRealTornadoVm();
        return List.of(
                new Candidate(
                        "cuda",
                        DriverSearch.here().reason().or(() -> Optional.of(NOT_WIRED)),
                        "native PTX kernels through the CUDA driver",
                        () -> {
                            throw new IllegalStateException("not available");
                        }),
                new Candidate(
                        tornadoName(),
                        real ? Optional.empty() : Optional.of(noTornado()),
                        "Java kernels compiled by TornadoVM",
                        () -> new TaskGraphBackend(tornadoName())),
                new Candidate(
                        "jvm",
                        real
                                ? Optional.of("this JVM was started with a TornadoVM SDK, which replaces tornado-jvm")
                                : Optional.empty(),
                        "Java kernels on this JVM (tornado-jvm), "
                                + Runtime.getRuntime().availableProcessors() + " cores",
                        () -> new TaskGraphBackend("jvm")));
    }

    private static String tornadoName() {
        String kind = System.getProperty(TORNADO_KIND);
        return isRealTornadoVm() && kind != null ? TORNADO + ":" + kind : TORNADO;
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
     * @param name a backend's name, or {@link #AUTO}
     * @throws SageException if the name is unknown or that backend cannot run here, with the reason
     */
    public static Choice open(String name) {
        List<Candidate> all = candidates();
        if (name.equals(AUTO)) {
            Candidate best = all.stream()
                    .filter(c -> c.unavailable().isEmpty())
                    .findFirst()
                    .orElseThrow(() -> new SageException("no backend can run here: " + whyNot(all)));
            List<Candidate> faster = all.subList(0, all.indexOf(best));
            String reason = faster.isEmpty() ? "auto: the fastest" : "auto: " + whyNot(faster);
            return new Choice(best.opener().get(), reason);
        }
        Candidate asked = all.stream()
                .filter(c -> c.name().equals(name)
                        || name.equals(TORNADO) && c.name().startsWith(TORNADO + ":"))
                .findFirst()
                .orElseThrow(() -> new SageException("unknown backend '" + name + "', expected " + AUTO + " or one of "
                        + all.stream().map(Candidate::name).collect(Collectors.joining(", "))));
        asked.unavailable().ifPresent(why -> {
            throw new SageException("backend " + name + " cannot run here: " + why);
        });
        return new Choice(asked.opener().get(), "asked for by name");
    }

    private static String whyNot(List<Candidate> candidates) {
        return candidates.stream()
                .filter(c -> c.unavailable().isPresent())
                .map(c -> "no " + c.name() + " (" + c.unavailable().get() + ")")
                .collect(Collectors.joining(", "));
    }
}
