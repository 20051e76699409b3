package io.sage4j.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** A progress bar on stderr for work that takes more than two seconds; nothing where stderr is no terminal. */
final class Progress implements AutoCloseable {
    /** Number of steps of work whose steps are not known. */
    static final long UNKNOWN = -1;

    private static final long DELAY_SECONDS = 2;
    private static final int WIDTH = 79;

    private final String task;
    private final long steps;
    private final long start = System.nanoTime();
    private long done;
    private String what = "";
    private ProgressBar bar;
    private boolean closed;

    private Progress(String task, long steps) {
        this.task = task;
        this.steps = steps;
    }

    /**
     * Starts to watch some work.
     *
     * @param task one word
     * @param steps number of steps, or {@link #UNKNOWN}
     * @param quiet never show anything
     */
    static Progress start(String task, long steps, boolean quiet) {
        Progress progress = new Progress(task, steps);
        if (!quiet && isTerminal()) {
            CompletableFuture.delayedExecutor(DELAY_SECONDS, TimeUnit.SECONDS).execute(progress::show);
        }
        return progress;
    }

    /** Whether stderr is a terminal: System.console() speaks of stdin and stdout only, which may be redirected. */
    private static boolean isTerminal() {
        Path stderr = Path.of("/proc/self/fd/2");
        if (Files.isSymbolicLink(stderr)) {
            try {
                String device = Files.readSymbolicLink(stderr).toString();
                return device.startsWith("/dev/pts/") || device.startsWith("/dev/tty") || device.equals("/dev/console");
            } catch (IOException e) {
                return false;
            }
        }
        return System.console() != null && System.console().isTerminal();
    }

    private synchronized void show() {
        if (!closed) {
            bar = new ProgressBarBuilder()
                    .setTaskName(task)
                    .setInitialMax(steps)
                    .startsFrom(done, Duration.ofNanos(System.nanoTime() - start))
                    .setUpdateIntervalMillis(200)
                    .setStyle(ProgressBarStyle.ASCII)
                    .clearDisplayOnFinish()
                    .setConsumer(new ConsoleProgressBarConsumer(System.err, WIDTH))
                    .build();
            bar.setExtraMessage(what);
        }
    }

    /** Says what is being worked on. */
    synchronized void on(String work) {
        what = work;
        if (bar != null) {
            bar.setExtraMessage(work);
        }
    }

    /** A step is over. */
    synchronized void step() {
        done++;
        if (bar != null) {
            bar.step();
        }
    }

    @Override
    public synchronized void close() {
        closed = true;
        if (bar != null) {
            bar.close();
        }
    }
}
