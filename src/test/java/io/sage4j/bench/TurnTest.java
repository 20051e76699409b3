package io.sage4j.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sage4j.SageException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TurnTest {
    @TempDir
    private Path folder;

    @Test
    void the_file_is_locked_as_long_as_the_turn_lasts() throws IOException {
        Path file = folder.resolve("turns");
        String what = Turn.take(file, () -> {
            assertThatThrownBy(() -> lock(file)).isInstanceOf(OverlappingFileLockException.class);
            return "done";
        });
        assertThat(what).isEqualTo("done");
        assertThat(lock(file)).isTrue();
    }

    @Test
    void a_turn_that_fails_ends_too() throws IOException {
        Path file = folder.resolve("turns");
        assertThatThrownBy(() -> Turn.take(file, () -> {
                    throw new IllegalStateException("wrong");
                }))
                .isInstanceOf(IllegalStateException.class);
        assertThat(lock(file)).isTrue();
    }

    @Test
    void another_process_waits_for_its_turn() {
        assumeTrue(hasPython(), "python3");
        Path file = folder.resolve("turns");
        String code = "import fcntl,sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)";
        String[] command = {"python3", "-c", code, file.toString()};
        assertThat(Turn.<Integer>take(file, () -> exitOf(command))).isNotZero();
        assertThat(exitOf(command)).isZero();
    }

    @Test
    void alone_there_is_nothing_to_wait_for() {
        assertThat(Turn.<Integer>take(null, () -> Turn.take(null, () -> 2))).isEqualTo(2);
    }

    @Test
    void a_file_that_cannot_be_made_is_refused_before_anything_is_done() {
        Path file = folder.resolve("none").resolve("turns");
        assertThatThrownBy(() -> Turn.take(file, () -> fail("done without the turn")))
                .isInstanceOf(SageException.class)
                .hasMessageContaining(file.toString())
                .hasMessageContaining("expected a file that can be written");
        assertThatThrownBy(() -> Turn.check(file))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("expected a file that can be written");
        Turn.check(folder.resolve("turns"));
        Turn.check(null);
    }

    private static boolean lock(Path file) throws IOException {
        try (FileChannel other = FileChannel.open(file, StandardOpenOption.WRITE);
                FileLock lock = other.tryLock()) {
            return lock != null;
        }
    }

    private static boolean hasPython() {
        try {
            return exitOf("python3", "-c", "") == 0;
        } catch (UncheckedIOException e) {
            return false;
        }
    }

    private static int exitOf(String... command) {
        try {
            return new ProcessBuilder(command).redirectErrorStream(true).start().waitFor();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
