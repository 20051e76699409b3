package io.sage4j.ptx.kernel;

import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.CopyAsync;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;
import java.util.List;

/**
 * The work of {@link WgmmaAttention} on sequences that lie behind each other, as {@link PackedWork} lays it out in memory: a row of {@link
 * PackedWork#ROW_WORDS} words for each tile of rows of each sequence. Declares the parameter {@code table} (U64). The parameter {@code
 * lse} is then an array (U64) of the addresses of the sequences' sums, and {@code out_batch} and {@code q_batch} have no meaning.
 */
final class SequenceTable {
    private static final int VECTOR = 4;
    private static final int VECTOR_BYTES = VECTOR * Integer.BYTES;
    /** Bytes of a row. */
    static final int ROW_BYTES = PackedWork.ROW_WORDS * Integer.BYTES;

    private static final int Q_TILE = 1;
    private static final int QO_LEN = 4;
    private static final int START = 7;

    private final KernelBuilder k;
    private final OutputTarget target;
    private final Reg table;

    /**
     * Declares the parameter.
     *
     * @param target null where nobody wants the log-sum-exp
     */
    SequenceTable(KernelBuilder k, OutputTarget target) {
        this.k = k;
        this.target = target;
        table = k.param("table", Type.U64);
    }

    /**
     * The sequence of a work tile. What only the copying threads need is not noted for the others, and null there.
     *
     * @param number which sequence it is, of those that are attended; noted for none
     * @param kvTile its first tile of K and of V among all codes; noted for none
     * @param qoLen its query tokens
     * @param kvLen its key tokens
     * @param diagonal query i sees the keys j with {@code j <= i + diagonal}
     * @param start its first token among the queries of all
     * @param lse address of its log-sum-exp; null without
     */
    record Sequence(Reg number, Reg kvTile, Reg qoLen, Reg kvLen, Reg diagonal, Reg start, Reg lse) {
        /** What was noted at a shared address. */
        static Sequence noted(KernelBuilder k, Address at, boolean lse) {
            List<Reg> words = k.loadVector(Space.SHARED, Type.B32, VECTOR, at, false);
            Reg sums = lse ? k.load(Space.SHARED, Type.U64, at.plus(VECTOR_BYTES)) : null;
            return new Sequence(null, null, words.get(0), words.get(1), words.get(2), words.get(3), sums);
        }

        /** Notes at a shared address what those who attend need. */
        void note(KernelBuilder k, Address at) {
            k.store(Space.SHARED, Type.B32, at, qoLen, kvLen, diagonal, start);
            if (lse != null) {
                k.store(Space.SHARED, Type.U64, at.plus(VECTOR_BYTES), lse);
            }
        }
    }

    /** Bytes of what is noted of a sequence. */
    static int noteBytes(boolean lse) {
        return (lse ? 2 : 1) * VECTOR_BYTES;
    }

    /** Has the first lanes of a warp copy a row to shared memory, asynchronously. */
    void copy(Reg row, Reg lane, Reg to) {
        Reg from = k.index(row(row), lane, VECTOR_BYTES);
        Reg there = k.mad(Type.U32, lane, Imm.of(VECTOR_BYTES), to);
        Reg bytes = k.move(Type.U32, Imm.of(VECTOR_BYTES));
        Reg copies = k.compare(Relation.LT, Type.U32, lane, Imm.of(ROW_BYTES / VECTOR_BYTES));
        k.guarded(copies, () -> k.emit(new CopyAsync(Address.of(there), Address.of(from), bytes)));
    }

    /** The work tile of a head in a row that was copied, with what fetching its rows of Q takes. */
    WgmmaParams.Work copied(Reg head, Reg at) {
        Address words = Address.of(at);
        Reg qTile = k.load(Space.SHARED, Type.U32, words.plus(Q_TILE * Integer.BYTES));
        Reg qoLen = k.load(Space.SHARED, Type.U32, words.plus(QO_LEN * Integer.BYTES));
        Reg start = k.load(Space.SHARED, Type.U32, words.plus(START * Integer.BYTES));
        return new WgmmaParams.Work(head, qTile, null, null, new Sequence(null, null, qoLen, null, null, start, null));
    }

    private Reg row(Reg row) {
        return k.index(table, row, ROW_BYTES);
    }

    /** The work tile of a head in a row of the table. */
    WgmmaParams.Work work(Reg head, Reg row) {
        Address at = Address.of(row(row));
        List<Reg> tile = k.loadVector(Space.GLOBAL, Type.U32, VECTOR, at, true);
        List<Reg> lengths = k.loadVector(Space.GLOBAL, Type.U32, VECTOR, at.plus(VECTOR_BYTES), true);
        Reg number = tile.get(0);
        Sequence sequence = new Sequence(
                number,
                tile.get(3),
                lengths.get(0),
                lengths.get(1),
                lengths.get(2),
                lengths.get(3),
                target != null && target.hasLse() ? target.sumsOf(number) : null);
        return new WgmmaParams.Work(head, tile.get(1), tile.get(2), null, sequence);
    }
}
