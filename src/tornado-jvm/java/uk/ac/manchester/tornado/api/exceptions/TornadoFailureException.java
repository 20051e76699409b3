package uk.ac.manchester.tornado.api.exceptions;

/** A failure inside the runtime. */
public class TornadoFailureException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception.
     *
     * @param message what happened
     */
    public TornadoFailureException(String message) {
        super(message);
    }

    /**
     * Makes the exception.
     *
     * @param cause why
     */
    public TornadoFailureException(Exception cause) {
        super(cause);
    }
}
