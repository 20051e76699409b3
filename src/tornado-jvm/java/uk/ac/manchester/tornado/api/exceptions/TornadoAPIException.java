package uk.ac.manchester.tornado.api.exceptions;

/** Misuse of the API. */
public class TornadoAPIException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception.
     *
     * @param message what happened
     */
    public TornadoAPIException(String message) {
        super(message);
    }

    /**
     * Makes the exception.
     *
     * @param message what happened
     * @param cause why
     */
    public TornadoAPIException(String message, Exception cause) {
        super(message, cause);
    }
}
