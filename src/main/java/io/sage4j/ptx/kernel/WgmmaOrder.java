package io.sage4j.ptx.kernel;

/**
 * Where a pass of {@link WgmmaConsumer} puts work that may come in any order, as was fastest (docs/hopper-kernel.md,
 * results/gpu/hopper-schedules-h100.json). All orders give the same bits.
 *
 * @param withSums whether {@code O alpha + T} and the exponentials are one piece, in which they fill each other's gaps; the end
 *     of a work tile then comes behind both, and P needs registers while O is written
 * @param inHalves whether the exponents of the second half of the scores are worked out behind the exponentials of the first
 * @param resetsAtOnce whether a score's register is set for the next Q K^T as soon as its exponential is there, else all are
 *     behind all exponentials
 */
record WgmmaOrder(boolean withSums, boolean inHalves, boolean resetsAtOnce) {
    static WgmmaOrder of(WgmmaAttentionSpec spec) {
        boolean two = spec.consumers() == 2;
        boolean withSums = two && !spec.fp16();
        // Exact exponentials leave three warpgroups no registers for more than one piece at a time.
        return new WgmmaOrder(withSums, withSums && !spec.fast(), two || spec.fast());
    }
}
