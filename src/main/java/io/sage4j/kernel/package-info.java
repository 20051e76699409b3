/**
 * TornadoVM kernels of attention: a ladder from {@link io.sage4j.kernel.NaiveAttention} to
 * {@link io.sage4j.kernel.QuantizedAttention}, and the quantizers that feed it. The arithmetic is docs/numerics.md.
 *
 * <p>What TornadoVM 5.2 asks of a kernel shapes the code: one static method per kernel, a single exit, no local array handed
 * on, no bit casts, no NaN or infinity constants, no vectors. Sizes that must be compile-time constants (they size private
 * and local arrays, or choose a branch) are scalar arguments, which TornadoVM folds; all others arrive in an IntArray.
 *
 * <p>TornadoVM 5.2 compiles {@code <=} and {@code >=} on floats as the negation of the opposite strict comparison, so they
 * are true for NaN; {@code <}, {@code >} and {@code ==} are right. Its {@code max} and {@code min} drop a NaN. Kernels
 * therefore only ask strict questions where a NaN may come along, and carry a NaN on by arithmetic.
 */
package io.sage4j.kernel;
