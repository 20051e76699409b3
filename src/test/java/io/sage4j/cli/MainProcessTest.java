package io.sage4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.sage4j.io.ElementType;
import io.sage4j.io.NdArray;
import io.sage4j.io.Npy;
import io.sage4j.launcher.ThisJvm;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.RandomAccessFile;
import java.io.StringWriter;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The command line as a process of its own. */
class MainProcessTest {
    private static final List<String> NEEDLESS = List.of(
            " com.fasterxml.",
            " org.knowm.",
            " me.tongfei.",
            " java.awt.",
            " uk.ac.manchester.",
            " io.sage4j.backend.",
            " io.sage4j.kernel.",
            " io.sage4j.cli.AttendCommand");

    @TempDir
    Path folder;

    private CliRun run(List<String> jvmOptions, String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(ThisJvm.java());
        if (System.getenv("TORNADOVM_HOME") != null) {
            // The class path has the API of an SDK, whose runtime is in modules.
            command.addAll(ThisJvm.options());
        }
        command.addAll(jvmOptions);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
        command.addAll(List.of(arguments));
        Path out = folder.resolve("stdout");
        Path err = folder.resolve("stderr");
        Process process = new ProcessBuilder(command)
                .redirectOutput(out.toFile())
                .redirectError(err.toFile())
                .start();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        return new CliRun(
                process.exitValue(),
                Files.readString(out, StandardCharsets.UTF_8),
                Files.readString(err, StandardCharsets.UTF_8));
    }

    @Test
    void versionLoadsNeitherJsonNorChartsNorKernels() throws IOException, InterruptedException {
        CliRun run = run(List.of("-Xlog:class+load:file=" + folder.resolve("classes")), "--version");
        assertThat(run.succeeds().out()).startsWith("sage4j ");
        List<String> needless = Files.readAllLines(folder.resolve("classes")).stream()
                .filter(line -> NEEDLESS.stream().anyMatch(line::contains))
                .toList();
        assertThat(needless).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "No space left on device, 2, 'sage4j: standard output: cannot write: No space left on device'",
        "Broken pipe, 0, ''"
    })
    void anOutputThatIsNotTaken(String why, int status, String line) {
        OutputStream full = new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                throw new IOException(why);
            }
        };
        for (String command : List.of("--version", "--help", "variants", "devices")) {
            StringWriter err = new StringWriter();
            assertThat(Main.run(full, StandardCharsets.UTF_8, new PrintWriter(err, true), command))
                    .isEqualTo(status);
            assertThat(err.toString().strip()).isEqualTo(line);
        }
    }

    @Test
    void aFileThatIsCutOffWhileItIsRead() throws IOException {
        Path q = TensorFiles.npy(folder, "q.npy", ElementType.FLOAT32, 1, 1, 9000, 64);
        NdArray mapped = Npy.read(q);
        try (RandomAccessFile file = new RandomAccessFile(q.toFile(), "rw")) {
            file.setLength(4096);
        }
        Throwable fault = catchThrowable(() -> mapped.data().toArray(ValueLayout.JAVA_BYTE));
        StringWriter err = new StringWriter();
        assertThat(ErrorLine.failure(fault, new PrintWriter(err), false)).isEqualTo(2);
        assertThat(err.toString())
                .isEqualTo("sage4j: an input file was cut off, or its disk failed, while it was being read\n");
        assertThat(ErrorLine.failure(new InternalError("other"), new PrintWriter(err), false))
                .isEqualTo(1);
    }

    @Test
    void statusOfBadInput() throws IOException, InterruptedException {
        run(List.of(), "attend", "-o", "x").refuses("expected a name that ends in .npy or .safetensors");
    }

    @Test
    void noMemory() throws IOException, InterruptedException {
        Path q = TensorFiles.npy(folder, "q.npy", ElementType.FLOAT32, 1, 1, 0, 64);
        Path k = TensorFiles.npy(folder, "k.npy", ElementType.FLOAT32, 1, 1, 1, 64);
        Path o = folder.resolve("o.npy");
        grow(q, 300_000);
        run(
                        List.of("-Xmx32m"),
                        "attend",
                        "--q",
                        q.toString(),
                        "--k",
                        k.toString(),
                        "--v",
                        k.toString(),
                        "-o",
                        o.toString())
                .refuses("SAGE4J_JAVA_OPTS=-Xmx");
        assertThat(o).doesNotExist();
    }

    /** Makes an empty array of rows of 64 floats one of many rows, without writing them. */
    private static void grow(Path npy, long rows) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(npy.toFile(), "rw")) {
            byte[] header = new byte[128];
            file.readFully(header);
            String text = new String(header, StandardCharsets.ISO_8859_1);
            String grown = text.replace("(1, 1, 0, 64), }", "(1, 1, " + rows + ", 64), }");
            String cut = grown.stripTrailing();
            file.seek(0);
            file.write((cut + " ".repeat(127 - cut.length()) + "\n").getBytes(StandardCharsets.ISO_8859_1));
            file.setLength(128 + rows * 64 * 4);
        }
    }
}
