package io.sage4j.ptx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * NVIDIA's assembler, where it is on the PATH. Elsewhere the tests that need it are skipped, unless the environment
 * variable {@code SAGE4J_REQUIRE_PTXAS} is set: then they fail.
 */
public final class Ptxas {
    private static final String REQUIRE = "SAGE4J_REQUIRE_PTXAS";
    private static final Pattern REGISTERS = Pattern.compile("Used (\\d+) registers");
    private static final Pattern SPILLS = Pattern.compile("(\\d+) bytes spill stores, (\\d+) bytes spill loads");

    private Ptxas() {}

    /**
     * What the assembler reports of a module with one kernel.
     *
     * @param registers registers a thread
     * @param spilled bytes spilled, stores and loads
     * @param log all it said
     */
    public record Report(int registers, int spilled, String log) {}

    /** Skips the test where there is no assembler, or fails it if one is required. */
    public static void assumePresent() {
        boolean present = Arrays.stream(System.getenv().getOrDefault("PATH", "").split(File.pathSeparator))
                .anyMatch(folder -> Files.isExecutable(Path.of(folder, "ptxas")));
        if (System.getenv(REQUIRE) != null) {
            assertThat(present).as("ptxas on the PATH, as %s asks", REQUIRE).isTrue();
        }
        assumeTrue(present, "no ptxas on the PATH");
    }

    /** Assembles a module; a complaint fails the test. */
    public static Report assemble(PtxModule module) {
        assumePresent();
        try {
            Path source = Files.createTempFile("sage4j", ".ptx");
            try {
                Files.writeString(source, module.text());
                Process process = new ProcessBuilder(
                                "ptxas", "-v", "-arch=" + module.arch().ptx(), "-o", "/dev/null", source.toString())
                        .redirectErrorStream(true)
                        .start();
                String log = new String(process.getInputStream().readAllBytes());
                assertThat(process.waitFor()).as(log).isZero();
                return new Report(find(REGISTERS, log, 1), find(SPILLS, log, 1) + find(SPILLS, log, 2), log);
            } finally {
                Files.delete(source);
            }
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static int find(Pattern pattern, String log, int group) {
        Matcher matcher = pattern.matcher(log);
        assertThat(matcher.find()).as(log).isTrue();
        return Integer.parseInt(matcher.group(group));
    }
}
