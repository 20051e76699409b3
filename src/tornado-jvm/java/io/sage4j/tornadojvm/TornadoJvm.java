package io.sage4j.tornadojvm;

/**
 * Marks a class path that has tornado-jvm instead of TornadoVM, and holds its switches.
 *
 * <p>With checking on (system property {@value #CHECK_PROPERTY} or {@link #setChecking}), kernels run on an instrumented
 * copy of their class: two work-items of a group that use one cell of a local array between two barriers, at least one
 * of them writing, are an error. Local arrays start with a pattern (NaN for floats) instead of zeros, and the items of
 * a group run one at a time, in a fixed order, so that reports repeat.
 */
public final class TornadoJvm {
    /** System property that turns checking on at start. */
    public static final String CHECK_PROPERTY = "sage4j.tornadojvm.check";

    /** What the device calls itself. */
    public static final String NAME = "tornado-jvm";

    private static volatile boolean checking = Boolean.getBoolean(CHECK_PROPERTY);

    private TornadoJvm() {}

    /**
     * Whether executions that start now are checked for races in local memory.
     *
     * @return true when on
     */
    public static boolean isChecking() {
        return checking;
    }

    /**
     * Turns the race check on or off for executions that start later.
     *
     * @param on true for on
     */
    public static void setChecking(boolean on) {
        checking = on;
    }
}
