package io.sage4j.cli;

import io.sage4j.SageException;
import io.sage4j.io.OneLine;
import java.io.PrintWriter;
import java.util.List;
import java.util.Set;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** Turns what went wrong into one line on stderr and an exit status. */
final class ErrorLine {
    /** The user can mend it. */
    static final int BAD_INPUT = 2;
    /** sage4j is wrong. */
    static final int INTERNAL = 1;

    private static final String ADVICE = "give it more memory, for example SAGE4J_JAVA_OPTS=-Xmx8g, or smaller tensors";

    private ErrorLine() {}

    /** An argument that does not fit. */
    static int usage(ParameterException e) {
        // picocli says "Error: " of a group of options, and of nothing else.
        StringBuilder line = new StringBuilder(e.getMessage().replaceFirst("^Error: ", ""));
        if (e instanceof UnmatchedArgumentException unmatched) {
            List<String> near = unmatched.getSuggestions();
            Set<String> commands = e.getCommandLine().getSubcommands().keySet();
            if (!near.isEmpty()) {
                line.append(", did you mean ").append(String.join(" or ", near)).append('?');
            } else if (!commands.isEmpty()) {
                line.append(", expected one of ").append(String.join(", ", commands));
            }
        }
        line.append(" (see ")
                .append(e.getCommandLine().getCommandSpec().qualifiedName())
                .append(" --help)");
        print(e.getCommandLine().getErr(), line.toString());
        return BAD_INPUT;
    }

    /** Anything that was thrown while a command ran. */
    static int failure(Throwable e, PrintWriter err, boolean debug) {
        int status = BAD_INPUT;
        OutOfMemoryError noMemory = noMemory(e);
        if (e instanceof SageException) {
            boolean advised = noMemory == null || e.getMessage().contains("SAGE4J_JAVA_OPTS");
            print(err, advised ? e.getMessage() : e.getMessage() + "; " + ADVICE);
        } else if (noMemory != null) {
            print(err, noMemory(noMemory, ""));
        } else if (isOfMappedFile(e)) {
            print(err, "an input file was cut off, or its disk failed, while it was being read");
        } else {
            status = INTERNAL;
            print(
                    err,
                    "internal error: " + e + (debug ? "" : "; run it again with --debug for the trace, and report it"));
        }
        if (debug) {
            e.printStackTrace(err);
            err.flush();
        }
        return status;
    }

    /**
     * A message for an exhausted memory.
     *
     * @param needed what is known about the need; may be empty
     */
    static String noMemory(OutOfMemoryError e, String needed) {
        return "not enough memory (" + e.getMessage() + "): the JVM may use "
                + megabytes(Runtime.getRuntime().maxMemory()) + needed
                + "; " + ADVICE;
    }

    /** A number of bytes for people. */
    static String megabytes(long bytes) {
        return bytes / (1 << 20) + " MiB";
    }

    private static OutOfMemoryError noMemory(Throwable e) {
        for (Throwable t = e; t != null; t = t.getCause()) {
            if (t instanceof OutOfMemoryError found) {
                return found;
            }
        }
        return null;
    }

    /** Input files are mapped: the JVM has no better word for one that can no longer be read. */
    private static boolean isOfMappedFile(Throwable e) {
        return e instanceof InternalError && String.valueOf(e.getMessage()).contains("unsafe memory access");
    }

    /** Prints a line on stderr. */
    static void print(PrintWriter err, String message) {
        err.println("sage4j: " + OneLine.of(message));
        err.flush();
    }
}
