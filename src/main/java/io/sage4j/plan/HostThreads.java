package io.sage4j.plan;

import java.lang.foreign.MemorySegment;
import java.util.stream.LongStream;

/** Work on memory of the host, shared among the threads of the common pool where these reach it. */
public final class HostThreads {
    /** Never started: it stands for the threads of the pool. */
    private static final Thread ANY_OTHER = Thread.ofPlatform().unstarted(() -> {});

    private HostThreads() {}

    /** A part of the work. */
    @FunctionalInterface
    public interface Part {
        /** Does what is at {@code from} to {@code to}, exclusive. */
        void run(long from, long to);
    }

    /** Whether other threads reach the memory: that of a confined arena is for the one thread that made it. */
    public static boolean mayShare(MemorySegment memory) {
        return memory.isAccessibleBy(ANY_OTHER);
    }

    /**
     * Does work that may be cut anywhere, and returns when all of it is done.
     *
     * @param count how much it is
     * @param share how much a thread takes at a time; so little is done by the calling thread alone
     * @param isShared whether others may take part
     */
    public static void run(long count, long share, boolean isShared, Part work) {
        if (count <= share || !isShared) {
            work.run(0, count);
            return;
        }
        LongStream.range(0, Math.ceilDiv(count, share))
                .parallel()
                .forEach(n -> work.run(n * share, Math.min(count, (n + 1) * share)));
    }
}
