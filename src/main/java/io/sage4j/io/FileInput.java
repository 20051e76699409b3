package io.sage4j.io;

import io.sage4j.SageException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Opens input files by mapping them: nothing is read before it is used, and a large file is not copied. */
final class FileInput {
    private FileInput() {}

    /** The whole file, read-only; unmapped when nothing refers to it any more. */
    static MemorySegment map(Path file) {
        String name = OneLine.of(file.toString());
        if (Files.isDirectory(file)) {
            throw new SageException(name + ": is a directory, expected a file");
        }
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw new SageException(name + ": is a pipe or device, expected a regular file (it is memory-mapped)");
        }
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.ofAuto());
        } catch (IOException e) {
            throw new SageException(name + ": cannot be read: " + OneLine.reason(e), e);
        }
    }
}
