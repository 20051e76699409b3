package io.sage4j.ptx.sim;

/** A decoded instruction that does not change the order of execution. */
interface Step {
    /** Runs it in the lanes of the mask. */
    void run(Warp warp, int mask);
}
