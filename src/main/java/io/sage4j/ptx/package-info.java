/**
 * The emitter: PTX programs as Java objects. A {@link io.sage4j.ptx.KernelBuilder} appends
 * {@link io.sage4j.ptx.Instruction}s over typed virtual {@link io.sage4j.ptx.Reg registers}; the finished
 * {@link io.sage4j.ptx.Kernel} can be printed in a {@link io.sage4j.ptx.PtxModule}, counted, checked, and executed
 * without a GPU by {@link io.sage4j.ptx.sim.Simulator}. The kernels of sage4j are in {@code io.sage4j.ptx.kernel}.
 */
package io.sage4j.ptx;
