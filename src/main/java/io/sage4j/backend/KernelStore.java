package io.sage4j.backend;

import io.sage4j.SageException;
import io.sage4j.io.AtomicFile;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Optional;
import java.util.function.Function;
import java.util.zip.CRC32;

/**
 * Generated kernels in files, as PTX, so that the next process need not generate them: one file a kernel, found by a text
 * that says all that the PTX depends on. The machine code that the driver made of the same PTX is in the driver's own files.
 * Files appear whole; one that is damaged, or another key's, counts as none. All of the folder may be deleted at any time.
 *
 * <p>The folder is that of the system property {@code sage4j.cache}, else of the environment variable
 * {@code SAGE4J_CACHE}, else {@code sage4j} in {@code XDG_CACHE_HOME}, else {@code ~/.cache/sage4j}; {@code off} means none.
 * A folder that cannot be written to is no failure: kernels are then generated anew.
 */
final class KernelStore {
    /** Value that turns the files off. */
    static final String OFF = "off";

    private static final String PROPERTY = "sage4j.cache";
    private static final String VARIABLE = "SAGE4J_CACHE";
    private static final ValueLayout.OfLong CHECKSUM = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final int CHECKSUM_AT = Integer.BYTES;
    private static final int MAGIC = 0x53344A32; // S4J2

    /**
     * A generated kernel.
     *
     * @param name entry point
     * @param threads of a CTA
     * @param sharedBytes dynamic shared memory of a CTA
     * @param ptx module that has it
     */
    record Stored(String name, int threads, int sharedBytes, String ptx) {}

    private final Optional<Path> folder;

    KernelStore(Optional<Path> folder) {
        this.folder = folder;
    }

    /** The store of this process's settings. */
    static KernelStore here() {
        return new KernelStore(folder(System.getProperty(PROPERTY), System::getenv, System.getProperty("user.home")));
    }

    static Optional<Path> folder(String property, Function<String, String> environment, String home) {
        String asked = property != null ? property : environment.apply(VARIABLE);
        if (asked != null && !asked.isBlank()) {
            return asked.equals(OFF) ? Optional.empty() : Optional.of(Path.of(asked));
        }
        String caches = environment.apply("XDG_CACHE_HOME");
        if (caches != null && Path.of(caches).isAbsolute()) {
            return Optional.of(Path.of(caches, "sage4j"));
        }
        return home == null || home.isBlank() ? Optional.empty() : Optional.of(Path.of(home, ".cache", "sage4j"));
    }

    /** The kernel of a key, if a file has it whole. */
    Optional<Stored> find(String key) {
        if (folder.isEmpty()) {
            return Optional.empty();
        }
        Path file = file(key);
        try {
            return Files.isRegularFile(file) ? read(Files.readAllBytes(file), key) : Optional.empty();
        } catch (IOException unreadable) {
            return Optional.empty();
        }
    }

    private static Optional<Stored> read(byte[] content, String key) throws IOException {
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(content))) {
            if (in.readInt() != MAGIC || in.readLong() != checksum(content)) {
                return Optional.empty();
            }
            boolean same = in.readUTF().equals(key);
            Stored stored = new Stored(in.readUTF(), in.readInt(), in.readInt(), text(in));
            return same ? Optional.of(stored) : Optional.empty();
        }
    }

    private static String text(DataInputStream in) throws IOException {
        return new String(in.readNBytes(in.readInt()), StandardCharsets.UTF_8);
    }

    /** Keeps a kernel, if there is a folder that takes it. */
    void keep(String key, Stored kernel) {
        if (folder.isEmpty()) {
            return;
        }
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(body)) {
            out.writeInt(MAGIC);
            out.writeLong(0);
            out.writeUTF(key);
            out.writeUTF(kernel.name());
            out.writeInt(kernel.threads());
            out.writeInt(kernel.sharedBytes());
            byte[] ptx = kernel.ptx().getBytes(StandardCharsets.UTF_8);
            out.writeInt(ptx.length);
            out.write(ptx);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        byte[] content = body.toByteArray();
        MemorySegment bytes = MemorySegment.ofArray(content);
        bytes.set(CHECKSUM, CHECKSUM_AT, checksum(content));
        try {
            Path file = file(key);
            Files.createDirectories(file.getParent());
            AtomicFile.write(file, channel -> AtomicFile.write(channel, bytes));
        } catch (IOException | SageException notKept) {
            // The kernel works; the next process generates it again.
        }
    }

    /** Of all that follows the checksum. */
    private static long checksum(byte[] content) {
        CRC32 crc = new CRC32();
        int from = CHECKSUM_AT + Long.BYTES;
        crc.update(content, from, Math.max(0, content.length - from));
        return crc.getValue();
    }

    Path file(String key) {
        try {
            byte[] hash = MessageDigest.getInstance("SHA-256").digest(key.getBytes(StandardCharsets.UTF_8));
            return folder.orElseThrow().resolve("ptx").resolve(HexFormat.of().formatHex(hash) + ".s4j");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
