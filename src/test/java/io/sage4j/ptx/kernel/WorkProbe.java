package io.sage4j.ptx.kernel;

import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;
import java.util.ArrayList;
import java.util.List;

/**
 * The work of {@link WgmmaAttention}'s CTAs in a kernel of its own, for the interpreter, which lacks the attention kernel's barriers:
 * parameters and code are those of {@link WgmmaParams}, and behind them {@code found} (U64), where each CTA writes for each of
 * its numbers {@link #WORDS} words: head, tile of rows, first key tile, where key tiles end, passes of a warpgroup; of packed
 * sequences {@link #PACKED_WORDS}: then come number, first tile among all codes, query and key tokens, diagonal and first row of the
 * sequence. Grid: as the attention kernel.
 */
public final class WorkProbe {
    /** Words of a number. */
    public static final int WORDS = 5;

    /** Words of a number of packed sequences. */
    public static final int PACKED_WORDS = 11;

    private static final int THREADS = 32;

    private WorkProbe() {}

    /** The probe of an attention kernel. */
    public static Kernel kernel(WgmmaAttentionSpec spec) {
        KernelBuilder k = new KernelBuilder("work_probe", THREADS);
        WgmmaParams in = new WgmmaParams(k, spec);
        Reg found = k.param("found", Type.U64);
        Reg round = k.move(Type.U32, Imm.of(0));
        k.loop(() -> k.compare(Relation.LT, Type.U32, in.number(round), in.count), () -> {
            Reg number = in.number(round);
            WgmmaParams.Work work = in.work(number);
            Reg first = work.part() == null
                    ? k.move(Type.U32, Imm.of(0))
                    : work.part().firstKeyTile();
            List<Reg> words =
                    new ArrayList<>(List.of(work.head(), work.qTile(), first, work.keyTiles(), in.passes(work)));
            SequenceTable.Sequence s = work.sequence();
            if (s != null) {
                words.addAll(List.of(s.number(), s.kvTile(), s.qoLen(), s.kvLen(), s.diagonal(), s.start()));
            }
            Address to = Address.of(k.index(found, number, words.size() * Integer.BYTES));
            for (int n = 0; n < words.size(); n++) {
                k.store(Space.GLOBAL, Type.U32, to.plus(n * Integer.BYTES), words.get(n));
            }
            k.set(round, Operation.ADD, Type.U32, round, Imm.of(1));
        });
        return k.build();
    }
}
