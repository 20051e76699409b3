package io.sage4j.plan;

import io.sage4j.SageException;

/**
 * Why a call cannot run somewhere, though it is a right call.
 *
 * @param why a clause that names who refuses what
 * @param advice what to do instead
 */
public record Refusal(String why, String advice) {
    /** What a caller is told who insists. */
    public SageException exception() {
        return new SageException(why + "; " + advice);
    }

    /** Throws it. */
    public void raise() {
        throw exception();
    }
}
