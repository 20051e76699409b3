package uk.ac.manchester.tornado.api.exceptions;

/** The device has no 8-bit floats. */
public class TornadoDeviceFP8NotSupported extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception.
     *
     * @param message what happened
     */
    public TornadoDeviceFP8NotSupported(String message) {
        super(message);
    }
}
