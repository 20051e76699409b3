package io.sage4j.ptx.kernel;

import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;

/** When an attention kernel does its work: two are started, and what {@link HeavyChannels} counted says which it is. */
public enum Watch {
    /** Always. */
    NONE,
    /** If no channel of V is heavy-tailed: the one with FP16 sums. */
    UNLESS_HEAVY,
    /** If one is: the one with FP32 sums. */
    IF_HEAVY;

    /** Declares parameter {@code heavy} (U64), the address of the count, if the count matters; else null. */
    Reg param(KernelBuilder k) {
        return this == NONE ? null : k.param("heavy", Type.U64);
    }

    /** Ends the kernel where the work is not its own. */
    void exit(KernelBuilder k, Reg heavy) {
        if (this != NONE) {
            Reg count = k.load(Space.GLOBAL, Type.U32, Address.of(heavy));
            Relation other = this == UNLESS_HEAVY ? Relation.NE : Relation.EQ;
            k.guarded(k.compare(other, Type.U32, count, Imm.of(0)), k::exit);
        }
    }
}
