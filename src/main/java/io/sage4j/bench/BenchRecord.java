package io.sage4j.bench;

import io.sage4j.SageException;
import io.sage4j.io.AtomicFile;
import java.io.File;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.CodeSource;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * What one run of a benchmark or of the demo found, with all that is needed to repeat it: one JSON file under results/.
 *
 * @param format version of this format
 * @param date start of writing, UTC
 * @param commit commit of the source, {@code -dirty} if it was changed since; "unknown" outside a clone
 * @param command arguments of sage4j
 * @param machine where it ran
 * @param backend backend in use; a measurement that was taken on another one says so
 * @param backendReason why that one
 * @param measurements what was found
 */
public record BenchRecord(
        int format,
        String date,
        String commit,
        List<String> command,
        Machine machine,
        String backend,
        String backendReason,
        List<Measurement> measurements) {
    /** System property: the commit, where the classes were copied to a machine without their clone. */
    static final String COMMIT = "sage4j.commit";

    /** The format that this version writes and reads. */
    public static final int FORMAT = 1;

    /** A record of this moment, machine and source. */
    public static BenchRecord now(
            List<String> command, String backend, String backendReason, List<Measurement> measurements) {
        return new BenchRecord(
                FORMAT,
                Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
                sourceCommit(),
                List.copyOf(command),
                Machine.here(),
                backend,
                backendReason,
                List.copyOf(measurements));
    }

    /** Writes the record as JSON, whole or not at all. */
    public void write(Path target) {
        byte[] json = (Json.text(this) + "\n").getBytes(StandardCharsets.UTF_8);
        AtomicFile.write(target, channel -> AtomicFile.write(channel, MemorySegment.ofArray(json)));
    }

    /**
     * Reads a record.
     *
     * @throws SageException if the file is not one, or of another format
     */
    public static BenchRecord read(Path file) {
        BenchRecord found = Json.read(file, BenchRecord.class);
        if (found == null || found.format != FORMAT) {
            throw new SageException(file + ": is a record of format " + (found == null ? "none" : found.format)
                    + ", expected " + FORMAT);
        }
        return found;
    }

    /** The commit of the clone that these classes were built in, or what {@link #COMMIT} says on a machine without it. */
    private static String sourceCommit() {
        String said = System.getProperty(COMMIT);
        if (said != null) {
            return said;
        }
        CodeSource source = BenchRecord.class.getProtectionDomain().getCodeSource();
        try {
            File folder = source == null
                    ? null
                    : Path.of(source.getLocation().toURI()).getParent().toFile();
            Optional<String> head = folder == null ? Optional.empty() : git(folder, "rev-parse", "HEAD");
            if (head.isEmpty()) {
                return "unknown";
            }
            boolean dirty = git(folder, "status", "--porcelain", "--untracked-files=no")
                    .filter(s -> !s.isEmpty())
                    .isPresent();
            return dirty ? head.get() + "-dirty" : head.get();
        } catch (URISyntaxException e) {
            return "unknown";
        }
    }

    private static Optional<String> git(File folder, String... arguments) {
        String[] command = new String[arguments.length + 1];
        command[0] = "git";
        System.arraycopy(arguments, 0, command, 1, arguments.length);
        try {
            Process process = new ProcessBuilder(command)
                    .directory(folder)
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            return process.waitFor(10, TimeUnit.SECONDS) && process.exitValue() == 0
                    ? Optional.of(out)
                    : Optional.empty();
        } catch (IOException noGit) {
            return Optional.empty();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.empty();
        }
    }
}
