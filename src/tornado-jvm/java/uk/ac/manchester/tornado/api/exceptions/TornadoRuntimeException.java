package uk.ac.manchester.tornado.api.exceptions;

/** An error of the runtime or of a kernel. */
public class TornadoRuntimeException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception.
     *
     * @param message what happened
     */
    public TornadoRuntimeException(String message) {
        super(message);
    }

    /**
     * Makes the exception.
     *
     * @param cause why
     */
    public TornadoRuntimeException(Exception cause) {
        super(cause);
    }
}
