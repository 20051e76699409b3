package io.sage4j.backend;

/** What is left to do when something has failed. */
final class AfterFailure {
    private AfterFailure() {}

    /** Does all steps, one after the other; what fails meanwhile is told with the failure that was first. */
    static void run(Throwable first, Runnable... steps) {
        for (Runnable step : steps) {
            try {
                step.run();
            } catch (RuntimeException e) {
                first.addSuppressed(e);
            }
        }
    }
}
