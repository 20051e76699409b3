package io.sage4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.sage4j.plan.TornadoApi;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** Which TornadoVM API a program meets: tornado-jvm as a module, or another in its place. */
class TornadoApiTest {
    private static final Predicate<String> OF_TORNADO_JVM =
            name -> name.startsWith("uk/") || name.startsWith("io/sage4j/tornadojvm/");

    @TempDir
    Path folder;

    private static Path location(Class<?> type) {
        return Path.of(URI.create(
                type.getProtectionDomain().getCodeSource().getLocation().toString()));
    }

    private Path jar(String module, Predicate<String> names) throws IOException {
        Manifest manifest = new Manifest();
        manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
        manifest.getMainAttributes().put(new Attributes.Name("Automatic-Module-Name"), module);
        Path classes = location(Main.class);
        Path file = folder.resolve(module + ".jar");
        try (OutputStream out = Files.newOutputStream(file);
                JarOutputStream jar = new JarOutputStream(out, manifest);
                Stream<Path> all = Files.walk(classes)) {
            for (Path path : all.filter(Files::isRegularFile).toList()) {
                String name = classes.relativize(path).toString();
                if (names.test(name)) {
                    jar.putNextEntry(new ZipEntry(name));
                    Files.copy(path, jar);
                }
            }
        }
        return file;
    }

    private List<String> run(int status, String... options) throws IOException, InterruptedException {
        Path out = folder.resolve("out");
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of(options));
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(out.toFile())
                .start();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isEqualTo(status);
        return Files.readAllLines(out);
    }

    @Test
    void tornadoJvmAsAModuleIsNoTornadoVm() throws IOException, InterruptedException {
        Assumptions.assumeFalse(TornadoApi.isReal());
        Path ours = jar("io.sage4j", OF_TORNADO_JVM.negate());
        Path tornadoJvm = jar("io.sage4j.tornadojvm", OF_TORNADO_JVM);
        List<String> lines = run(
                0,
                "--module-path",
                ours + ":" + tornadoJvm + ":" + location(CommandLine.class),
                "--add-modules=ALL-MODULE-PATH",
                "--module=io.sage4j/" + Main.class.getName(),
                "explain",
                "attend",
                "--head-dim",
                "8");
        assertThat(lines).last().asString().contains("Backend jvm runs the class file");
    }

    @Test
    void anotherApiInTheWayIsSaid() throws IOException, InterruptedException {
        Assumptions.assumeFalse(TornadoApi.isReal());
        Path api = jar("api", name -> name.startsWith("uk/"));
        String classes = location(Main.class) + ":" + location(CommandLine.class) + ":" + location(ObjectMapper.class);
        assertThat(run(0, "--class-path", api + ":" + classes, Main.class.getName(), "devices"))
                .anyMatch(
                        line -> line.startsWith("jvm      no       TornadoVM's API is on the class path in place of"));
        assertThat(run(2, "--class-path", api + ":" + classes, Main.class.getName(), "bench", "attention"))
                .singleElement()
                .asString()
                .startsWith("sage4j: no backend can run here: ")
                .contains("take it off");
    }
}
