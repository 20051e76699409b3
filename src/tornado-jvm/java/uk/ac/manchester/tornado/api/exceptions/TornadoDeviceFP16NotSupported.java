package uk.ac.manchester.tornado.api.exceptions;

/** The device has no half arithmetic. */
public class TornadoDeviceFP16NotSupported extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception.
     *
     * @param message what happened
     */
    public TornadoDeviceFP16NotSupported(String message) {
        super(message);
    }
}
