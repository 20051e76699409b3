package io.sage4j.ptx.kernel;

import io.sage4j.numeric.Numbers;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Type;

/**
 * {@link io.sage4j.numeric.IntCode}'s scale and its inverse, in registers.
 *
 * @param scale {@code amax / limit}, NaN if amax is not finite
 * @param inverse {@code limit / amax}
 */
record SymmetricScale(Reg scale, Reg inverse) {
    /** Emits both from the largest magnitude of a group. */
    static SymmetricScale of(KernelBuilder k, Reg amax, float limit) {
        Reg floored = k.get(Operation.MAX_NAN, Type.F32, amax, Imm.of(Numbers.AMAX_FLOOR));
        Reg finite = k.compare(Relation.LT, Type.F32, amax, Imm.of(Float.POSITIVE_INFINITY));
        Reg scale = k.select(Type.F32, finite, k.div(Type.F32, floored, Imm.of(limit)), Imm.of(Float.NaN));
        return new SymmetricScale(scale, k.div(Type.F32, k.move(Type.F32, Imm.of(limit)), floored));
    }
}
