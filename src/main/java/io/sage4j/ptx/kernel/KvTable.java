package io.sage4j.ptx.kernel;

import io.sage4j.ptx.Address;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operand;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;
import java.util.List;

/**
 * The items of {@link QuantizeKv} on sequences that lie behind each other, as {@link PackedWork} lays it out in memory: a row of {@link
 * PackedWork#ROW_WORDS} words for each tile of tokens of each sequence. A sequence has as many items for each of its tiles as there are
 * tensors and heads, so an item's number divided by these is a row of its sequence.
 *
 * <p>The first thread looks an item up and notes what it finds for the others in shared memory; the note of the item before, which is the
 * current one now, it puts aside.
 */
final class KvTable {
    /** Bytes of shared memory. */
    static final int SHARED_BYTES = 2 * Note.BYTES;

    private static final int VECTOR = 4;
    private static final int VECTOR_BYTES = VECTOR * Integer.BYTES;

    private final KernelBuilder k;
    private final Reg table;
    private final Reg next;
    private final Reg current;

    /**
     * @param table address of the rows
     * @param shared address of {@link #SHARED_BYTES}
     */
    KvTable(KernelBuilder k, Reg table, Reg shared) {
        this.k = k;
        this.table = table;
        next = shared;
        current = k.add(shared, Note.BYTES);
    }

    /**
     * What is noted of an item. Each call reads it anew, so that it keeps no register meanwhile.
     *
     * @param at shared address
     */
    record Note(KernelBuilder k, Reg at) {
        static final int WORDS = 9;
        static final int BYTES = 48;

        private Reg word(int n) {
            return k.load(Space.SHARED, Type.U32, Address.of(at).plus(n * Integer.BYTES));
        }

        /** Tensor and head in the sequence: K if even. */
        Reg group() {
            return word(0);
        }

        /** Which tile of the head. */
        Reg part() {
            return word(1);
        }

        /** Tiles of the head. */
        Reg parts() {
            return word(2);
        }

        /** Tokens of the sequence. */
        Reg tokens() {
            return word(3);
        }

        /** Its first token among those of all. */
        Reg start() {
            return word(4);
        }

        /** Which tile of K, or of V, it is among those of all sequences and heads. */
        Reg tileIndex() {
            return word(5);
        }

        /** Which head of all sequences. */
        Reg head() {
            return word(6);
        }

        /** Number of the first counter of the head's K or V. */
        Reg counter() {
            return word(7);
        }

        /** 1 if the item was put off before, else 0. */
        Reg again() {
            return word(8);
        }
    }

    /** Of the next item. */
    Note next() {
        return new Note(k, next);
    }

    /** Of the current item. */
    Note current() {
        return new Note(k, current);
    }

    /** The first thread makes the note of the next item that of the current one. */
    void turn() {
        for (int word = 0; word < Note.WORDS; word += VECTOR) {
            int at = word * Integer.BYTES;
            int count = Math.min(VECTOR, Note.WORDS - word);
            List<Reg> words =
                    k.loadVector(Space.SHARED, Type.U32, count, Address.of(next).plus(at), false);
            k.store(Space.SHARED, Type.U32, Address.of(current).plus(at), words.toArray(Operand[]::new));
        }
    }

    /** The first thread notes what the others need of the next item, with so many key/value heads. */
    void note(Reg item, Reg heads, Reg again) {
        Reg row = k.div(Type.U32, item, k.shl(heads, 1));
        Address at = Address.of(k.index(table, row, PackedWork.ROW_WORDS * Integer.BYTES));
        List<Reg> a = k.loadVector(Space.GLOBAL, Type.U32, VECTOR, at, true);
        List<Reg> b = k.loadVector(Space.GLOBAL, Type.U32, VECTOR, at.plus(VECTOR_BYTES), true);
        Reg first = a.get(0);
        Reg parts = a.get(1);
        Reg inSequence = k.sub(Type.U32, item, first);
        Reg group = k.div(Type.U32, inSequence, parts);
        Reg part = k.sub(Type.U32, inSequence, k.mul(Type.U32, group, parts));
        Reg head = k.shr(group, 1);
        Reg tile = k.mad(Type.U32, head, parts, k.add(Type.U32, part, k.shr(first, 1)));
        Reg ofAll = k.mad(Type.U32, b.get(0), heads, head);
        Reg counter = k.mad(Type.U32, group, b.get(2), b.get(1));
        Address to = Address.of(next);
        k.store(Space.SHARED, Type.U32, to, group, part, parts, a.get(2));
        k.store(Space.SHARED, Type.U32, to.plus(VECTOR_BYTES), a.get(3), tile, ofAll, counter);
        k.store(Space.SHARED, Type.U32, to.plus(2 * VECTOR_BYTES), again);
    }
}
