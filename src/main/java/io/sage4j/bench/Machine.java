package io.sage4j.bench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What a measurement ran on.
 *
 * @param os name, version and architecture
 * @param cpu model name
 * @param cores processors that the JVM may use
 * @param memoryBytes physical memory
 * @param java version and vendor of the JVM
 * @param gpus names of the NVIDIA GPUs; empty if there is none
 * @param driver version of the NVIDIA driver; empty if there is none
 */
public record Machine(
        String os, String cpu, int cores, long memoryBytes, String java, List<String> gpus, String driver) {
    private static final Path NVIDIA = Path.of("/proc/driver/nvidia");

    /** This machine. */
    public static Machine here() {
        return new Machine(
                System.getProperty("os.name") + " " + System.getProperty("os.version") + " "
                        + System.getProperty("os.arch"),
                field(Path.of("/proc/cpuinfo"), "model name").orElse(System.getProperty("os.arch")),
                Runtime.getRuntime().availableProcessors(),
                memory(),
                System.getProperty("java.vm.version") + " (" + System.getProperty("java.vendor") + ")",
                gpuNames(),
                driverVersion());
    }

    private static long memory() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean os
                ? os.getTotalMemorySize()
                : -1;
    }

    private static List<String> gpuNames() {
        List<String> names = new ArrayList<>();
        if (Files.isDirectory(NVIDIA.resolve("gpus"))) {
            try (Stream<Path> gpus = Files.list(NVIDIA.resolve("gpus"))) {
                gpus.sorted()
                        .forEach(gpu -> names.add(
                                field(gpu.resolve("information"), "Model").orElse("NVIDIA GPU")));
            } catch (IOException e) {
                names.add("NVIDIA GPU, " + e.getMessage());
            }
        }
        return names;
    }

    private static String driverVersion() {
        return lines(NVIDIA.resolve("version"))
                .findFirst()
                .map(line -> line.replaceAll("\\s+", " ").strip())
                .orElse("");
    }

    private static Optional<String> field(Path file, String name) {
        return lines(file)
                .filter(line -> line.startsWith(name) && line.indexOf(':') > 0)
                .findFirst()
                .map(line -> line.substring(line.indexOf(':') + 1).strip());
    }

    private static Stream<String> lines(Path file) {
        try {
            return Files.isReadable(file) ? Files.readAllLines(file).stream() : Stream.empty();
        } catch (IOException notOnThisSystem) {
            return Stream.empty();
        }
    }
}
