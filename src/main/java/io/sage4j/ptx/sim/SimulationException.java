package io.sage4j.ptx.sim;

/** A kernel did what it must not do; the message names kernel, line, instruction, CTA, warp and lane. */
public final class SimulationException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    SimulationException(String message) {
        super(message);
    }
}
