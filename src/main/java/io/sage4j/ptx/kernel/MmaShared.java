package io.sage4j.ptx.kernel;

import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Reg;

/**
 * Shared memory of a CTA of {@link MmaAttention}, {@link MmaTarget#sharedBytes} in all.
 *
 * @param q a tile of Q
 * @param k two tiles of K
 * @param v one or two tiles of V
 * @param shifts two rows of 64 {@code ds}; null without smooth Q
 */
record MmaShared(Reg q, Reg k, Reg v, Reg shifts) {
    private static final int TILE_ALIGNMENT = 128;

    static MmaShared of(KernelBuilder k, MmaAttentionSpec spec) {
        Reg q = k.read(k.shared("tiles", MmaAttention.sharedBytes(spec), TILE_ALIGNMENT, true));
        Reg keys = k.add(q, QkProduct.qBytes(spec));
        Reg v = k.add(keys, 2 * QkProduct.kBytes(spec));
        boolean smoothQ = spec.scheme().smoothQ();
        return new MmaShared(
                q, keys, v, smoothQ ? k.add(v, spec.target().vStages() * PvProduct.tileBytes(spec)) : null);
    }
}
