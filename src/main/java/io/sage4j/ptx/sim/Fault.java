package io.sage4j.ptx.sim;

/** What went wrong, before it is known where; see {@link SimulationException}. */
final class Fault extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Fault(String message) {
        super(message);
    }
}
