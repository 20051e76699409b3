package io.sage4j.backend;

import java.util.regex.Pattern;

/**
 * What a failure of TornadoVM says, in one line. Its messages are coloured, several lines long, and may hold the stack trace:
 * {@code Bailout is disabled. Reason: Unable to compile task g.t - m The internal error is: ... Stacktrace: [...]}.
 */
public final class FailureLine {
    private static final Pattern COLOUR = Pattern.compile("\u001b\\[[0-9;]*m");
    private static final Pattern TRACE = Pattern.compile("(?s)\\s*Stacktrace: \\[.*");
    private static final Pattern CAUSE = Pattern.compile("\\s*The internal error is: ");
    private static final Pattern START =
            Pattern.compile("^\\s*(\\[TornadoVM[^]]*]\\s*)?(Bailout is disabled\\.\\s*)?(Reason:\\s*)?");
    private static final Pattern SPACE = Pattern.compile("\\s+");

    private FailureLine() {}

    /** Message of the failure and, if it has another, of what caused it. */
    public static String of(Throwable t) {
        String line = line(t);
        for (Throwable cause = t.getCause(); cause != null && cause != t; cause = cause.getCause()) {
            String more = line(cause);
            if (!line.contains(more)) {
                line = line + ": " + more;
            }
        }
        return line;
    }

    private static String line(Throwable t) {
        if (t.getMessage() == null || t.getMessage().isBlank()) {
            return t.getClass().getSimpleName();
        }
        String text = COLOUR.matcher(t.getMessage()).replaceAll("");
        text = TRACE.matcher(text).replaceFirst("");
        text = CAUSE.matcher(text).replaceAll(": ");
        text = START.matcher(text).replaceFirst("");
        text = SPACE.matcher(text).replaceAll(" ").strip();
        return text.isEmpty() ? t.getClass().getSimpleName() : text;
    }
}
