package uk.ac.manchester.tornado.api.exceptions;

/** A kernel could not be compiled and would run as plain Java. */
public class TornadoBailoutRuntimeException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception.
     *
     * @param message what happened
     */
    public TornadoBailoutRuntimeException(String message) {
        super(message);
    }

    /**
     * Makes the exception.
     *
     * @param message what happened
     * @param cause why
     */
    public TornadoBailoutRuntimeException(String message, Exception cause) {
        super(message, cause);
    }
}
