package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.cli.Main;
import io.sage4j.launcher.ThisJvm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;
import org.junit.jupiter.api.io.TempDir;

/** The command line as a process on a TornadoVM SDK: what it says when TornadoVM fails. */
@EnabledIfEnvironmentVariable(named = "TORNADOVM_HOME", matches = ".+")
class TornadoProcessTest {
    @TempDir
    Path folder;

    private record Run(int status, String out, String err) {}

    private Run run(Map<String, String> environment, List<String> options, String main, String... arguments)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(ThisJvm.java());
        command.addAll(ThisJvm.options());
        command.addAll(options);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), main));
        command.addAll(List.of(arguments));
        Path out = folder.resolve("stdout");
        Path err = folder.resolve("stderr");
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
        builder.environment().putAll(environment);
        Process process = builder.start();
        assertThat(process.waitFor(120, TimeUnit.SECONDS)).isTrue();
        return new Run(process.exitValue(), Files.readString(out), Files.readString(err));
    }

    private static List<String> ours(Run run) {
        return run.err().lines().filter(l -> l.startsWith("sage4j: ")).toList();
    }

    @Test
    void kernelThatTheDriverRefuses() throws Exception {
        // PoCL's compiler gets a type that does not exist: every kernel with FP16 fails to compile.
        Run run = run(
                Map.of("POCL_EXTRA_BUILD_FLAGS", "-Dhalf=no_such_type"),
                List.of(),
                Main.class.getName(),
                "bench",
                "attention",
                "--shape",
                "1x1x32x32",
                "--quiet",
                "--backend",
                "tornado");
        assertThat(run.status()).as(run.err()).isEqualTo(2);
        assertThat(ours(run))
                .singleElement()
                .asString()
                .contains("failed: Unable to compile task sage4j.")
                .doesNotContain("Stacktrace", "\u001b", "\\x1b");
    }

    @Test
    void explainPrintsTheJavaAndTheGeneratedCode() throws Exception {
        Run run = run(Map.of(), List.of(), Main.class.getName(), "explain", "smooth-k", "--backend", "tornado");
        assertThat(run.status()).as(run.err()).isZero();
        String generated = run.out().substring(run.out().indexOf("by TornadoVM, head_dim 64, float16"));
        assertThat(run.out())
                .startsWith("// Java, src/main/java/io/sage4j/kernel/TokenMeans.java")
                .contains("public static void mean(");
        assertThat(generated).containsPattern("void mean(OfPairs)?\\(|smooth_k_mean");
        assertThat(generated).doesNotContain("void quantize(").doesNotContain("public static");
    }

    @Test
    void deviceThatIsNotThere() throws Exception {
        Run run = run(
                Map.of(),
                List.of("-Dsage4j.tornado.device=77"),
                Main.class.getName(),
                "bench",
                "attention",
                "--quiet",
                "--backend",
                "tornado");
        assertThat(run.status()).isEqualTo(2);
        assertThat(ours(run)).singleElement().asString().contains("has no device 77");
    }

    @Test
    void explainOfADeviceThatIsNotThere() throws Exception {
        for (List<String> what : List.of(List.of("explain", "smooth-k"), List.of("explain"))) {
            List<String> arguments = new ArrayList<>(what);
            arguments.addAll(List.of("--backend", "tornado"));
            Run run = run(
                    Map.of(),
                    List.of("-Dsage4j.tornado.device=77"),
                    Main.class.getName(),
                    arguments.toArray(String[]::new));
            assertThat(run.status()).as(run.err()).isEqualTo(2);
            assertThat(run.out()).isEmpty();
            assertThat(ours(run)).singleElement().asString().contains("has no device 77", "it has only device 0");
        }
    }

    @Test
    void badProfile() throws Exception {
        Run run = run(
                Map.of(),
                List.of("-Dsage4j.profile.items=none"),
                Main.class.getName(),
                "bench",
                "attention",
                "--quiet",
                "--backend",
                "tornado");
        assertThat(run.status()).isEqualTo(2);
        assertThat(ours(run)).singleElement().asString().contains("items is 'none'");
    }

    @Test
    void devicesOfTheLauncher() throws Exception {
        Run run = run(Map.of(), List.of(), TornadoDevices.class.getName());
        assertThat(run.status()).isZero();
        assertThat(TornadoDevices.parse(run.out()).devices()).isNotEmpty();
    }
}
