package io.sage4j.backend;

/**
 * Does for the first time, while the driver starts and makes its context, what the first call would else spend its time on:
 * Java loads and links classes. Nothing waits for it, and nothing depends on it.
 */
final class Rehearsal {
    private Rehearsal() {}

    /** Starts a part of it. */
    static void start(Runnable part) {
        Thread.ofPlatform()
                .daemon()
                .name("sage4j-rehearsal")
                // What fails here fails again where it is needed, and is told there.
                .uncaughtExceptionHandler((thread, failure) -> {})
                .start(part);
    }
}
