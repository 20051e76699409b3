package uk.ac.manchester.tornado.api.exceptions;

/** No such backend. */
public class TornadoBackendNotFound extends TornadoRuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception.
     *
     * @param message what happened
     */
    public TornadoBackendNotFound(String message) {
        super(message);
    }
}
