package uk.ac.manchester.tornado.api.exceptions;

/** The device has no double arithmetic. */
public class TornadoDeviceFP64NotSupported extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception.
     *
     * @param message what happened
     */
    public TornadoDeviceFP64NotSupported(String message) {
        super(message);
    }
}
