package io.sage4j.ptx.kernel;

import io.sage4j.numeric.Numbers;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Type;
import java.util.function.UnaryOperator;

/**
 * {@link io.sage4j.numeric.IntCode}'s scale and its inverse, in registers.
 *
 * @param scale {@code amax / limit}, NaN if amax is not finite
 * @param inverse {@code limit / amax}
 */
record SymmetricScale(Reg scale, Reg inverse) {
    private static final float FOURTH = 0.25f;

    /** Emits both from the largest magnitude of a group. */
    static SymmetricScale of(KernelBuilder k, Reg amax, float limit) {
        Reg floored = k.get(Operation.MAX_NAN, Type.F32, amax, Imm.of(Numbers.AMAX_FLOOR));
        Reg finite = k.compare(Relation.LT, Type.F32, amax, Imm.of(Float.POSITIVE_INFINITY));
        Reg scale = k.select(Type.F32, finite, k.div(Type.F32, floored, Imm.of(limit)), Imm.of(Float.NaN));
        return new SymmetricScale(scale, k.div(Type.F32, k.move(Type.F32, Imm.of(limit)), floored));
    }

    /**
     * The same where the magnitude is one of FP16 or BF16, without the call that a division in general needs: quotients by
     * approximate reciprocals, each made good by its remainder (Markstein). That this is the nearest number for each of those
     * magnitudes was tried for all of them. The inverse of what is not finite is NaN: codes are 0 all the same.
     */
    static SymmetricScale ofHalf(KernelBuilder k, Reg amax, float limit) {
        return ofHalf(k, amax, limit, part -> k.get(Operation.RCP_APPROX, Type.F32, part));
    }

    /** The same, given what emits a reciprocal that is one off in the last place at most. */
    static SymmetricScale ofHalf(KernelBuilder k, Reg amax, float limit, UnaryOperator<Reg> inverted) {
        Reg floored = k.get(Operation.MAX_NAN, Type.F32, amax, Imm.of(Numbers.AMAX_FLOOR));
        Reg finite = k.compare(Relation.LT, Type.F32, amax, Imm.of(Float.POSITIVE_INFINITY));
        Imm share = Imm.of(1 / limit);
        Reg near = k.mul(Type.F32, floored, share);
        Reg over = k.fma(near, Imm.of(-limit), floored);
        Reg scale = k.select(Type.F32, finite, k.fma(over, share, near), Imm.of(Float.NaN));
        // A fourth: the reciprocal of the largest BF16 would be subnormal.
        Reg part = k.mul(Type.F32, floored, Imm.of(FOURTH));
        Reg minus = k.get(Operation.NEG, Type.F32, part);
        Reg rough = inverted.apply(part);
        Reg reciprocal = k.fma(k.fma(minus, rough, Imm.of(1f)), rough, rough);
        Reg inverse = k.mul(Type.F32, reciprocal, Imm.of(limit * FOURTH));
        Reg left = k.fma(minus, inverse, Imm.of(limit * FOURTH));
        return new SymmetricScale(scale, k.fma(left, reciprocal, inverse));
    }
}
