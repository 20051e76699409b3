package uk.ac.manchester.tornado.api.exceptions;

/** An execution plan could not be closed. */
public class TornadoExecutionPlanException extends Exception {
    private static final long serialVersionUID = 1L;

    /**
     * Makes the exception.
     *
     * @param message what happened
     */
    public TornadoExecutionPlanException(String message) {
        super(message);
    }

    /**
     * Makes the exception.
     *
     * @param message what happened
     * @param cause why
     */
    public TornadoExecutionPlanException(String message, Throwable cause) {
        super(message, cause);
    }
}
