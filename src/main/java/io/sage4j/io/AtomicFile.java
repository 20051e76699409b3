package io.sage4j.io;

import io.sage4j.SageException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFileAttributeView;
import java.security.SecureRandom;

/**
 * An output file that appears whole or not at all: it is written under a temporary name in the folder of the target,
 * forced to the disk and renamed. Closed without {@link #commit}, it leaves the target as it was and no temporary file;
 * so does a process that is interrupted.
 */
public final class AtomicFile implements AutoCloseable {
    private static final long CHUNK = 1 << 26;
    private static final int LONGEST_NAME = 255;

    private final Path target;
    private final Path temporary;
    private final FileChannel channel;
    private final Thread removal;
    private volatile boolean done;

    /** What writes a file. */
    @FunctionalInterface
    public interface Body {
        /** Writes everything to the channel. */
        void writeTo(FileChannel channel) throws IOException;
    }

    /**
     * Starts to write a file.
     *
     * @throws SageException if the target is a directory or device, or its folder does not take a file
     */
    public AtomicFile(Path target) {
        Path real = target.toAbsolutePath();
        String name = OneLine.of(target.toString());
        if (Files.isSymbolicLink(real) && Files.exists(real)) {
            try {
                real = real.toRealPath();
            } catch (IOException e) {
                throw cannotWrite(target, e);
            }
        }
        if (Files.isDirectory(real)) {
            throw new SageException(name + ": cannot write: is a directory, expected a file name");
        }
        if (Files.exists(real, LinkOption.NOFOLLOW_LINKS) && !Files.isRegularFile(real)) {
            throw new SageException(name + ": cannot write: is not a regular file, expected a file name");
        }
        Path folder = real.getParent();
        if (folder == null || !Files.isDirectory(folder)) {
            throw new SageException(name + ": cannot write: " + OneLine.of(String.valueOf(folder))
                    + " is no directory, create it first");
        }
        if (real.getFileName().toString().getBytes(StandardCharsets.UTF_8).length > LONGEST_NAME) {
            throw new SageException(name + ": cannot write: the file name is longer than " + LONGEST_NAME + " bytes");
        }
        this.target = real;
        this.temporary = folder.resolve(".sage4j-" + Long.toHexString(new SecureRandom().nextLong()) + ".tmp");
        this.removal = new Thread(this::remove, "sage4j-remove-temporary");
        Runtime.getRuntime().addShutdownHook(removal);
        try {
            this.channel = FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        } catch (IOException e) {
            release();
            throw cannotWrite(target, e);
        }
    }

    /** Writes a file whole, or leaves the target untouched and throws {@link SageException}. */
    public static void write(Path target, Body body) {
        try (AtomicFile file = new AtomicFile(target)) {
            file.fill(body);
            file.commit();
        }
    }

    /**
     * Checks, before work is spent on what is to be written, that it could be written; leaves nothing behind.
     *
     * @throws SageException saying why it could not
     */
    public static void check(Path target) {
        new AtomicFile(target).close();
    }

    /**
     * Checks that two outputs, each of which could be written, are two files, also behind symbolic links.
     *
     * @throws SageException if they are one
     */
    public static void checkDistinct(String name, Path target, String otherName, Path other) {
        if (resolved(target).equals(resolved(other))) {
            throw new SageException(name + " and " + otherName + " are the same file, " + OneLine.of(target.toString())
                    + ", expected two");
        }
    }

    private static Path resolved(Path target) {
        Path absolute = target.toAbsolutePath();
        try {
            return Files.exists(absolute)
                    ? absolute.toRealPath()
                    : absolute.getParent().toRealPath().resolve(absolute.getFileName());
        } catch (IOException e) {
            throw cannotWrite(target, e);
        }
    }

    /** Writes the bytes of a segment. */
    public static void write(FileChannel channel, MemorySegment data) throws IOException {
        for (long at = 0; at < data.byteSize(); at += CHUNK) {
            ByteBuffer chunk =
                    data.asSlice(at, Math.min(CHUNK, data.byteSize() - at)).asByteBuffer();
            while (chunk.hasRemaining()) {
                channel.write(chunk);
            }
        }
    }

    /** Writes and forces the contents under the temporary name; the target is not touched yet. */
    public void fill(Body body) {
        try {
            body.writeTo(channel);
            channel.force(true);
        } catch (IOException e) {
            throw cannotWrite(target, e);
        } catch (UncheckedIOException e) {
            throw cannotWrite(target, e.getCause());
        }
    }

    /** Puts the file in its place. */
    public void commit() {
        try {
            channel.close();
            keepPermissions();
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
            done = true;
        } catch (IOException e) {
            throw cannotWrite(target, e);
        }
        try (FileChannel folder = FileChannel.open(target.getParent(), StandardOpenOption.READ)) {
            folder.force(true);
        } catch (IOException notSupported) {
            // The file is whole and in its place; only some systems let a program force the folder's entry too.
        }
    }

    /** A file that is replaced keeps its permissions. */
    private void keepPermissions() throws IOException {
        PosixFileAttributeView old = Files.getFileAttributeView(target, PosixFileAttributeView.class);
        if (old != null && Files.exists(target)) {
            Files.setPosixFilePermissions(temporary, old.readAttributes().permissions());
        }
    }

    /** Removes what was not committed. */
    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw cannotWrite(target, e);
        } finally {
            remove();
            release();
        }
    }

    private void remove() {
        if (!done) {
            try {
                Files.deleteIfExists(temporary);
            } catch (IOException e) {
                throw cannotWrite(temporary, e);
            }
        }
    }

    private void release() {
        try {
            Runtime.getRuntime().removeShutdownHook(removal);
        } catch (IllegalStateException shuttingDown) {
            // The hook runs, or has run.
        }
    }

    private static SageException cannotWrite(Path target, IOException e) {
        return new SageException(OneLine.of(target.toString()) + ": cannot write: " + OneLine.reason(e), e);
    }
}
