package uk.ac.manchester.tornado.api.exceptions;

/** The device has no such matrix instruction. */
public class TornadoDeviceMMANotSupported extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception.
     *
     * @param message what happened
     */
    public TornadoDeviceMMANotSupported(String message) {
        super(message);
    }
}
