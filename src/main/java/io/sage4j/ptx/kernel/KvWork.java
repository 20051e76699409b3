package io.sage4j.ptx.kernel;

import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operand;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;

/** A tile that {@link QuantizeKv} has at work. */
sealed interface KvWork {
    /** Its number. */
    Reg item();

    /** 1 if it was put off before, else 0; of the current tile only. */
    Reg again();

    /** Tensors and heads of the call, or of the sequence, in turns: K if even. */
    Reg group();

    /** Which tile of the head. */
    Reg part();

    /** Tiles of the head. */
    Reg parts();

    /** K or V. */
    StridedInput input();

    /** Tokens that the thread has, see {@link KvTile#remaining}. */
    Reg remaining();

    /** The tiles of the head among those of all. */
    KvHead tiles();

    /** Which tile of K, or of V, it is among those of all heads. */
    Reg tileIndex();

    /** Which head of all. */
    Reg head();

    /** Number of a counter of the head's K or V. */
    Reg counter(Operand which);

    /** How often a CTA asks for the numbers of the head. */
    Reg patience();

    /** One of heads that have as many tiles each. */
    record OfCall(
            KernelBuilder k,
            Reg item,
            Reg again,
            Reg group,
            Reg part,
            Reg parts,
            StridedInput input,
            Reg remaining,
            Reg patience)
            implements KvWork {
        @Override
        public KvHead tiles() {
            return new KvHead(group, null, parts);
        }

        @Override
        public Reg tileIndex() {
            return k.mad(Type.U32, head(), parts, part);
        }

        @Override
        public Reg head() {
            return k.shr(group, 1);
        }

        @Override
        public Reg counter(Operand which) {
            return k.mad(Type.U32, group, Imm.of(QuantizeKv.COUNTERS), which);
        }
    }

    /**
     * One of packed sequences. What was noted of it is read where it is wanted: it keeps no register in between.
     *
     * @param most patience with a head whose tiles are all at work at a time
     */
    record OfSequence(
            KernelBuilder k,
            Reg item,
            KvTable.Note note,
            KvTile tile,
            StridedInput inputK,
            StridedInput inputV,
            Reg most)
            implements KvWork {
        @Override
        public Reg again() {
            return note.again();
        }

        @Override
        public Reg group() {
            return note.group();
        }

        @Override
        public Reg part() {
            return note.part();
        }

        @Override
        public Reg parts() {
            return note.parts();
        }

        @Override
        public StridedInput input() {
            Reg isK = k.compare(Relation.EQ, Type.U32, k.and(group(), 1), Imm.of(0));
            return StridedInput.either(isK, inputK, inputV).part(note.start(), note.tokens());
        }

        @Override
        public Reg remaining() {
            return tile.remaining(part(), note.tokens());
        }

        @Override
        public KvHead tiles() {
            return new KvHead(null, k.sub(Type.U32, item, part()), parts());
        }

        @Override
        public Reg tileIndex() {
            return note.tileIndex();
        }

        @Override
        public Reg head() {
            return note.head();
        }

        @Override
        public Reg counter(Operand which) {
            return k.add(Type.U32, note.counter(), which);
        }

        @Override
        public Reg patience() {
            Reg together = k.compare(Relation.LE, Type.U32, parts(), k.read(Special.NCTAID_X));
            return k.select(Type.U32, together, most, Imm.of(1));
        }
    }
}
