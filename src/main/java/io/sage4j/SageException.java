package io.sage4j;

/**
 * The one exception of sage4j: bad input, a backend that cannot run, a failed run. The message is one line that says what
 * was wrong, what was expected and what to do.
 */
public final class SageException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** @param message one line: what was wrong, what was expected */
    public SageException(String message) {
        super(message);
    }

    /**
     * @param message one line: what was wrong, what was expected
     * @param cause what it was noticed by
     */
    public SageException(String message, Throwable cause) {
        super(message, cause);
    }

    /** The argument itself; a null one is bad input like any other. */
    static <T> T requireArgument(T argument, String name) {
        if (argument == null) {
            throw new SageException(name + " is null, expected a value");
        }
        return argument;
    }
}
