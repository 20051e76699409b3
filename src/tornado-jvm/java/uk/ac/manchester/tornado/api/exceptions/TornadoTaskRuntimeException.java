package uk.ac.manchester.tornado.api.exceptions;

/** An error in the definition of a task. */
public class TornadoTaskRuntimeException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception.
     *
     * @param message what happened
     */
    public TornadoTaskRuntimeException(String message) {
        super(message);
    }

    /**
     * Makes the exception.
     *
     * @param message what happened
     * @param cause why
     */
    public TornadoTaskRuntimeException(String message, Exception cause) {
        super(message, cause);
    }
}
