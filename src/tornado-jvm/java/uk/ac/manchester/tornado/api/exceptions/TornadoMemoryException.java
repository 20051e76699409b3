package uk.ac.manchester.tornado.api.exceptions;

/** A device buffer is in the wrong state. */
public class TornadoMemoryException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception.
     *
     * @param message what happened
     */
    public TornadoMemoryException(String message) {
        super(message);
    }
}
