package io.sage4j.tornadojvm;

import java.util.Arrays;

/**
 * Finds the kernel in a stack trace. Its frames lie above the call made by the task graph, or, under the race check,
 * are those of the instrumented copy, which is a hidden class and has to be asked for.
 */
final class KernelFrames {
    private static final String API = "uk.ac.manchester.tornado.api.";
    private static final String CALLER = API + "TaskGraph";
    private static final StackWalker ALL_FRAMES = StackWalker.getInstance(StackWalker.Option.SHOW_HIDDEN_FRAMES);

    private KernelFrames() {}

    /** Class and method of the kernel, without package, or null when it is not on the stack. */
    static String kernel(StackTraceElement[] stack) {
        StackTraceElement[] frames = programFrames(stack);
        if (frames.length == 0) {
            return null;
        }
        int entry = frames.length - 1;
        while (entry > 0 && frames[entry].getMethodName().startsWith("lambda$")) {
            entry--; // a lambda that only calls the kernel
        }
        return simpleName(frames[entry].getClassName()) + "." + frames[entry].getMethodName();
    }

    /** What happened, and on which source line of the program. */
    static String describe(Throwable error) {
        String line = line(error.getStackTrace());
        boolean plain = error instanceof IndexOutOfBoundsException && error.getMessage() != null;
        String what = plain ? error.getMessage() : error.toString();
        return line == null ? what : what + " at " + line;
    }

    /** The innermost source line of the program, or null. */
    static String line(StackTraceElement[] stack) {
        StackTraceElement[] frames = programFrames(stack);
        return frames.length == 0 ? null : frames[0].getFileName() + ":" + frames[0].getLineNumber();
    }

    /**
     * The frames of the program, innermost first: from the kernel up to where it calls the API or the JDK. A task that
     * is a method of the API itself counts as program.
     */
    static StackTraceElement[] programFrames(StackTraceElement[] stack) {
        if (stack.length == 0) {
            return stack; // thrown by compiled code: HotSpot leaves the stack out of exceptions that come often
        }
        int caller = stack.length - 1;
        while (caller >= 0 && !isCaller(stack[caller])) {
            caller--;
        }
        int end = stack[Math.max(caller, 0)].getClassName().contains(InstrumentedCopy.SUFFIX) ? caller + 1 : caller;
        if (end <= 0) {
            return new StackTraceElement[0];
        }
        int begin = end - 1;
        while (begin > 0 && isProgram(stack[begin - 1].getClassName())) {
            begin--;
        }
        return Arrays.copyOfRange(stack, begin, end);
    }

    private static boolean isCaller(StackTraceElement frame) {
        return frame.getClassName().equals(CALLER) || frame.getClassName().contains(InstrumentedCopy.SUFFIX);
    }

    private static boolean isProgram(String className) {
        return !className.startsWith(API)
                && !className.startsWith("java.")
                && !className.startsWith("jdk.")
                && !className.equals(RaceCheck.class.getName());
    }

    /** Gives an error that has just been made a stack with the frames of instrumented copies in it. */
    static <E extends Throwable> E withHiddenFrames(E error) {
        if (RaceCheck.current() != null) {
            error.setStackTrace(ALL_FRAMES.walk(frames ->
                    frames.map(StackWalker.StackFrame::toStackTraceElement).toArray(StackTraceElement[]::new)));
        }
        return error;
    }

    /** The source line of an instrumented copy that this thread is in, or null. */
    static String checkedLine() {
        return ALL_FRAMES.walk(
                frames -> frames.filter(frame -> frame.getClassName().contains(InstrumentedCopy.SUFFIX))
                        .findFirst()
                        .map(frame -> frame.toStackTraceElement().getFileName() + ":" + frame.getLineNumber())
                        .orElse(null));
    }

    static String simpleName(String className) {
        String name = className.substring(className.lastIndexOf('.') + 1);
        int suffix = name.indexOf(InstrumentedCopy.SUFFIX);
        return (suffix < 0 ? name : name.substring(0, suffix)).replace('$', '.');
    }
}
