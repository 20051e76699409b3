package io.sage4j.ptx.kernel;

import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Type;

/**
 * The tiles of K or of V of a head among those of all.
 *
 * @param group which tensor of which head, K first: each has {@code count} tiles; null where heads have different numbers of them
 * @param start number of the first one; null where {@code group} tells it
 * @param count how many
 */
record KvHead(Reg group, Reg start, Reg count) {
    /** Number of the first one. */
    Reg first(KernelBuilder k) {
        return start != null ? start : k.mul(Type.U32, group, count);
    }

    /** Number of one of them. */
    Reg index(KernelBuilder k, Reg part) {
        return start != null ? k.add(Type.U32, start, part) : k.mad(Type.U32, group, count, part);
    }
}
