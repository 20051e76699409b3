package io.sage4j.tornado;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.launcher.ThisJvm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The kernels that TornadoVM writes for a program, in a JVM of its own like this one. */
final class PrintedKernels {
    private PrintedKernels() {}

    /**
     * Runs a program to its end.
     *
     * @param program class with a main method
     * @param file where the source goes, and the log beside it
     * @param arguments of the program
     * @return the source of all its kernels
     */
    static String of(Class<?> program, Path file, String... arguments) throws IOException, InterruptedException {
        Path log = file.resolveSibling(file.getFileName() + ".log");
        List<String> command = new ArrayList<>(List.of(ThisJvm.java()));
        command.addAll(ThisJvm.options());
        command.addAll(List.of(
                "-Dtornado.printKernel=True",
                "-Dtornado.print.kernel.dir=" + file,
                "-cp",
                System.getProperty("java.class.path"),
                program.getName()));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        assertThat(process.waitFor(4, TimeUnit.MINUTES)).isTrue();
        assertThat(process.exitValue()).as(Files.readString(log)).isZero();
        return Files.readString(file);
    }
}
