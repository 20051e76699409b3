package io.sage4j.ptx.kernel;

import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.GridDependency;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;

/**
 * Sets counters to 0. One CTA of 256 threads. Parameters: {@code words} (U64), 32 bits each, and {@code count} (U32). The next
 * kernel may start at once: it waits for this one itself.
 */
public final class Clear {
    private static final int THREADS = 256;

    private Clear() {}

    /** The kernel. */
    public static Kernel kernel() {
        KernelBuilder k = new KernelBuilder("sage_clear", THREADS);
        Reg words = k.param("words", Type.U64);
        Reg count = k.param("count", Type.U32);
        k.emit(new GridDependency(GridDependency.Kind.LET_NEXT_START));
        Reg word = k.read(Special.TID_X);
        k.loop(() -> k.compare(Relation.LT, Type.U32, word, count), () -> {
            k.store(Space.GLOBAL, Type.U32, Address.of(k.index(words, word, Integer.BYTES)), Imm.of(0));
            k.set(word, Operation.ADD, Type.U32, word, Imm.of(THREADS));
        });
        return k.build();
    }
}
