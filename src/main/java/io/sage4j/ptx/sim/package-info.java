/**
 * The interpreter: runs the instruction objects of a {@link io.sage4j.ptx.Kernel} on the JVM, so that what is sent to a
 * GPU can be tested against the bit-faithful model on every machine. {@link io.sage4j.ptx.sim.Simulator} says what it
 * checks and which model of the hardware it is.
 */
package io.sage4j.ptx.sim;
