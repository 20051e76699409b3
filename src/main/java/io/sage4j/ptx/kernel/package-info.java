/**
 * Generators of the native kernels: the quantizers and the {@code mma.sync} attention of sm_80, sm_86, sm_89 and sm_120
 * (which later GPUs run too). The arithmetic is docs/numerics.md, the operand layouts are
 * {@link io.sage4j.numeric.OperandLayout} and {@link io.sage4j.numeric.ScaleGroups}.
 */
package io.sage4j.ptx.kernel;
