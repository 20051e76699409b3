package io.sage4j.plan;

import io.sage4j.Tensor;

/** Which tensors of the host several threads may work on. */
public final class HostThreads {
    /** Never started: it stands for the threads of the pool. */
    private static final Thread ANY_OTHER = Thread.ofPlatform().unstarted(() -> {});

    private HostThreads() {}

    /** Whether other threads reach the memory: that of a confined arena is for the one thread that made it. */
    public static boolean mayShare(Tensor t) {
        return t.data().isAccessibleBy(ANY_OTHER);
    }
}
