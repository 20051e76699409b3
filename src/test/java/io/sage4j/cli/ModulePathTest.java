package io.sage4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.plan.TornadoApi;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
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

/** The two jars as modules, as a program with a module-info meets them. */
class ModulePathTest {
    private static final Predicate<String> OF_TORNADO_JVM =
            name -> name.startsWith("uk/") || name.startsWith("io/sage4j/tornadojvm/");

    @TempDir
    Path folder;

    private static Path location(Class<?> type) {
        return Path.of(type.getProtectionDomain().getCodeSource().getLocation().getPath());
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

    @Test
    void tornadoJvmAsAModuleIsNoTornadoVm() throws IOException, InterruptedException {
        Assumptions.assumeFalse(TornadoApi.isReal());
        Path out = folder.resolve("out");
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--module-path",
                        jar("io.sage4j", OF_TORNADO_JVM.negate()) + ":" + jar("io.sage4j.tornadojvm", OF_TORNADO_JVM)
                                + ":" + location(CommandLine.class),
                        "--add-modules=ALL-MODULE-PATH",
                        "--module=io.sage4j/" + Main.class.getName(),
                        "explain",
                        "attend",
                        "--head-dim",
                        "8")
                .redirectErrorStream(true)
                .redirectOutput(out.toFile())
                .start();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        List<String> lines = Files.readAllLines(out);
        assertThat(lines).last().asString().contains("Backend jvm runs the class file");
        assertThat(process.exitValue()).isZero();
    }
}
