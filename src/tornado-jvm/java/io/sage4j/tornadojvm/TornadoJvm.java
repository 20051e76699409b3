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
    /** System property that turns checking on at start: {@code true} or {@code false}, its default. */
    public static final String CHECK_PROPERTY = "sage4j.tornadojvm.check";

    /** What the device calls itself. */
    public static final String NAME = "tornado-jvm";

    /** Null as long as the property decides. */
    private static volatile Boolean checking;

    private TornadoJvm() {}

    /**
     * Whether executions that start now are checked for races in local memory.
     *
     * @return true when on
     * @throws IllegalArgumentException if the property is neither true nor false
     */
    public static boolean isChecking() {
        Boolean set = checking;
        return set != null ? set : isTrue(System.getProperty(CHECK_PROPERTY, "false"));
    }

    static boolean isTrue(String property) {
        return switch (property) {
            case "true" -> true;
            case "false" -> false;
            default ->
                throw new IllegalArgumentException(
                        "-D" + CHECK_PROPERTY + " is '" + property + "', expected true or false");
        };
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
