package io.sage4j.bench;

import io.sage4j.SageException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.function.Supplier;

/** Turns on a device that several processes use: one of those that name the same file has it at a time. */
final class Turn {
    private Turn() {}

    /**
     * Waits for the turn, and does something in it.
     *
     * @param file what to lock, made if it is not there; null if there is nobody to wait for
     * @param what what to do
     * @return what that returned
     * @throws SageException if the file cannot be made or locked
     */
    static <T> T take(Path file, Supplier<T> what) {
        if (file == null) {
            return what.get();
        }
        try (FileChannel channel = open(file)) {
            // The lock ends with the channel.
            channel.lock();
            return what.get();
        } catch (IOException e) {
            throw cannotLock(file, e);
        }
    }

    /**
     * Checks, before there is anything to do, that there could be a turn.
     *
     * @param file see {@link #take}
     * @throws SageException if the file cannot be made
     */
    static void check(Path file) {
        if (file != null) {
            try {
                open(file).close();
            } catch (IOException e) {
                throw cannotLock(file, e);
            }
        }
    }

    private static FileChannel open(Path file) throws IOException {
        return FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    }

    private static SageException cannotLock(Path file, IOException e) {
        return new SageException("cannot lock " + file + ", expected a file that can be written: " + e, e);
    }
}
