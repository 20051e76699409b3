package uk.ac.manchester.tornado.api.exceptions;

/** The device has not enough memory. */
public class TornadoOutOfMemoryException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception.
     *
     * @param message what happened
     */
    public TornadoOutOfMemoryException(String message) {
        super(message);
    }
}
