package io.sage4j.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.SageException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class AtomicFileTest {
    @TempDir
    Path folder;

    private static AtomicFile.Body text(String text) {
        return channel -> channel.write(ByteBuffer.wrap(text.getBytes()));
    }

    @Test
    void writesANewFileAndReplacesAnOldOne() throws IOException {
        Path target = folder.resolve("o.npy");
        AtomicFile.write(target, text("one"));
        assertThat(target).hasContent("one");
        AtomicFile.write(target, text("2"));
        assertThat(target).hasContent("2");
        onlyFile(target);
    }

    @Test
    void aReplacedFileKeepsItsPermissions() throws IOException {
        Path target = folder.resolve("o.npy");
        Files.writeString(target, "secret");
        Set<PosixFilePermission> owner = PosixFilePermissions.fromString("rw-------");
        Files.setPosixFilePermissions(target, owner);
        AtomicFile.write(target, text("2"));
        assertThat(target).hasContent("2");
        assertThat(Files.getPosixFilePermissions(target)).isEqualTo(owner);
    }

    @Test
    void aNameThatNoFileCanHaveIsRefusedAtOnce() {
        assertThatThrownBy(() -> AtomicFile.check(folder.resolve("n".repeat(256))))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("longer than 255 bytes");
        assertThat(folder).isEmptyDirectory();
    }

    static List<Throwable> failures() {
        return List.of(
                new IOException("No space left on device"),
                new UncheckedIOException(new IOException("No space left on device")),
                new SageException("No space left on device"),
                new IllegalStateException("No space left on device"),
                new OutOfMemoryError("No space left on device"));
    }

    @ParameterizedTest
    @MethodSource("failures")
    void aFailureHalfWayLeavesTheOldFileAndNoTemporaryOne(Throwable failure) throws IOException {
        Path target = folder.resolve("o.npy");
        Files.writeString(target, "old");
        assertThatThrownBy(() -> AtomicFile.write(target, channel -> {
                    channel.write(ByteBuffer.wrap(new byte[1000]));
                    if (failure instanceof IOException e) {
                        throw e;
                    }
                    if (failure instanceof Error e) {
                        throw e;
                    }
                    throw (RuntimeException) failure;
                }))
                .hasMessageContaining("No space left on device")
                .isInstanceOf(
                        failure instanceof IOException || failure instanceof UncheckedIOException
                                ? SageException.class
                                : failure.getClass());
        assertThat(target).hasContent("old");
        onlyFile(target);
    }

    @Test
    void theDeviceThatIsAlwaysFullIsNotReplaced() {
        Path full = Path.of("/dev/full");
        assertThatThrownBy(() -> AtomicFile.write(full, text("x")))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("not a regular file");
        assertThat(full).exists();
    }

    @Test
    void uncommittedFilesVanish() {
        Path target = folder.resolve("o.npy");
        try (AtomicFile file = new AtomicFile(target)) {
            file.fill(text("half"));
            assertThat(target).doesNotExist();
            assertThat(folder).isNotEmptyDirectory();
        }
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void refusesADirectory() throws IOException {
        Path target = Files.createDirectory(folder.resolve("o.npy"));
        assertRefused(target, "is a directory, expected a file name");
        onlyFile(target);
    }

    @Test
    void refusesAMissingFolder() {
        assertRefused(folder.resolve("none").resolve("o.npy"), "none is no directory, create it first");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void refusesAFileAsFolder() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "x");
        assertRefused(file.resolve("o.npy"), "is no directory");
        onlyFile(file);
    }

    @Test
    void refusesAFolderThatTakesNoFiles() {
        // Also for root, whom permissions do not stop.
        assertRefused(Path.of("/proc/o.npy"), "/proc/o.npy: cannot write: ");
    }

    @Test
    void refusesALinkToNowhere() throws IOException {
        Path link = Files.createSymbolicLink(folder.resolve("o.npy"), folder.resolve("none"));
        assertRefused(link, "not a regular file");
        onlyFile(link);
    }

    @Test
    void writesThroughALink() throws IOException {
        Path real = Files.writeString(folder.resolve("real.npy"), "old");
        Path link = Files.createSymbolicLink(folder.resolve("link.npy"), real);
        AtomicFile.write(link, text("new"));
        assertThat(link).isSymbolicLink();
        assertThat(real).hasContent("new");
    }

    @Test
    void aCheckLeavesNothing() throws IOException {
        AtomicFile.check(folder.resolve("o.npy"));
        assertThat(folder).isEmptyDirectory();
        Path old = Files.writeString(folder.resolve("old"), "x");
        AtomicFile.check(old);
        assertThat(old).hasContent("x");
        onlyFile(old);
    }

    @Test
    void aNameThatWouldBreakTheLineIsEscaped() {
        assertThatThrownBy(() -> AtomicFile.check(folder.resolve("a\nb").resolve("c\u001b[2J")))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("a\\x0ab")
                .hasMessageContaining("c\\x1b[2J");
    }

    private void assertRefused(Path target, String why) {
        assertThatThrownBy(() -> AtomicFile.check(target))
                .isInstanceOf(SageException.class)
                .hasMessageContaining(why)
                .message()
                .doesNotContain("\n");
        assertThatThrownBy(() -> AtomicFile.write(target, text("x"))).isInstanceOf(SageException.class);
    }

    private void onlyFile(Path expected) throws IOException {
        try (var files = Files.list(folder)) {
            assertThat(files).containsExactly(expected);
        }
    }
}
