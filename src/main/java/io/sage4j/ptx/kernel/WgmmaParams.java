package io.sage4j.ptx.kernel;

import io.sage4j.numeric.WgmmaLayout;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operand;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;

/** The parameters of {@link WgmmaAttention}, in the order in which it lists them, and the work that they make. */
final class WgmmaParams {
    /** Bytes of an element of Q that comes as it is. */
    static final int HALF = 2;

    final Reg q;
    final Reg k;
    final Reg v;
    final Reg qScale;
    final Reg qBatch;
    final Reg qHead;
    final Reg qToken;
    final Reg kScale;
    final Reg vScale;
    final Reg vMean;
    /** Where the output goes, and the log-sum-exp; null where keys are split. */
    final OutputTarget target;

    final Reg partO;
    final Reg partWeights;
    private final Reg qoLen;
    private final Reg kvLen;
    final Reg kvHeads;
    final Reg groupSize;
    final Reg channels;
    private final Reg diagonal;
    final Reg scoreScale;
    /** Work tiles, or parts of them, to be done. */
    final Reg count;

    final Reg heavy;

    private final KernelBuilder builder;
    private final WgmmaAttentionSpec spec;
    /** Null but with packed sequences. */
    private final SequenceTable sequences;

    private final WorkOrder order;
    private final Reg turns;
    private final RestOrder rest;
    private final Reg parts;
    private final Reg partTiles;

    WgmmaParams(KernelBuilder builder, WgmmaAttentionSpec spec) {
        this.builder = builder;
        this.spec = spec;
        q = builder.param("q", Type.U64);
        k = builder.param("k", Type.U64);
        v = builder.param("v", Type.U64);
        boolean raw = spec.quantizesQ();
        qScale = raw ? null : builder.param("q_scale", Type.U64);
        qBatch = raw ? builder.param("q_batch", Type.U64) : null;
        qHead = raw ? builder.param("q_head", Type.U64) : null;
        qToken = raw ? builder.param("q_token", Type.U64) : null;
        kScale = builder.param("k_scale", Type.U64);
        vScale = spec.appliesVScale() ? builder.param("v_scale", Type.U64) : null;
        vMean = spec.addsVMean() ? builder.param("v_mean", Type.U64) : null;
        boolean splits = spec.splitsKeys();
        target = splits ? null : new OutputTarget(builder, spec.lse());
        partO = splits ? builder.param("part_o", Type.U64) : null;
        partWeights = splits ? builder.param("part_weights", Type.U64) : null;
        sequences = spec.packed() ? new SequenceTable(builder, target) : null;
        qoLen = spec.packed() ? null : builder.param("qo_len", Type.U32);
        kvLen = spec.packed() ? null : builder.param("kv_len", Type.U32);
        kvHeads = builder.param("kv_heads", Type.U32);
        groupSize = builder.param("group_size", Type.U32);
        channels = builder.param("channels", Type.U32);
        diagonal = spec.causal() && !spec.packed() ? builder.param("diagonal", Type.S32) : null;
        scoreScale = builder.param("score_scale", Type.F32);
        order = new WorkOrder(builder, spec.causal() || spec.packed());
        count = builder.param("count", Type.U32);
        turns = spec.takesTurns() ? builder.param("turns", Type.U32) : null;
        rest = splits ? new RestOrder(builder, order, spec.consumers()) : null;
        parts = splits ? builder.param("parts", Type.U32) : null;
        partTiles = splits ? builder.param("part_tiles", Type.U32) : null;
        heavy = spec.watch().param(builder);
    }

    /**
     * A work tile, or a part of one.
     *
     * @param head query head, counted over batch and heads
     * @param qTile tile of {@link WgmmaAttentionSpec#rows()} rows
     * @param keyTiles where its key tiles end, at least 1
     * @param part number of the part and the first of its key tiles; null if it is a whole work tile
     * @param sequence the sequence that it is of; null where there is only one
     */
    record Work(Reg head, Reg qTile, Reg keyTiles, Part part, SequenceTable.Sequence sequence) {}

    /** Which part of a work tile, counted over all that are split, and its first key tile. */
    record Part(Reg number, Reg firstKeyTile) {}

    /** Query tokens of a work tile's head. */
    Reg qoLen(Work work) {
        return work.sequence() == null ? qoLen : work.sequence().qoLen();
    }

    /** Key tokens of a work tile's head. */
    Reg kvLen(Work work) {
        return work.sequence() == null ? kvLen : work.sequence().kvLen();
    }

    /** What a query's number and the last key that it sees differ by. */
    Reg diagonal(Work work) {
        return work.sequence() == null ? diagonal : work.sequence().diagonal();
    }

    /** Key tiles of a work tile's head. */
    Reg kTiles(Work work) {
        return kTiles(kvLen(work));
    }

    private Reg kTiles(Reg keys) {
        return builder.shr(builder.add(keys, WgmmaLayout.KEYS - 1), 7);
    }

    /** The first key tile of a key/value head among all codes. */
    Reg firstTile(Work work, Reg kvHead) {
        return work.sequence() == null
                ? builder.mul(Type.U32, kvHead, kTiles(work))
                : builder.mad(Type.U32, kvHead, kTiles(work), work.sequence().kvTile());
    }

    /** A key/value head among those that statistics are kept of. */
    Reg statisticsOf(Work work, Reg kvHead) {
        return work.sequence() == null
                ? kvHead
                : builder.mad(Type.U32, work.sequence().number(), kvHeads, kvHead);
    }

    /** Key/value head of a query head, both counted over the batch. */
    Reg kvHead(Reg head) {
        return builder.get(Operation.DIV, Type.U32, head, groupSize);
    }

    /** The number of a CTA's work tile, or part of one, of a round ({@link Rounds}). */
    Reg number(Reg round) {
        Reg ctas = builder.read(Special.NCTAID_X);
        Reg place = builder.read(Special.CTAID_X);
        if (turns != null) {
            Reg backward = builder.compare(
                    Relation.NE, Type.U32, builder.get(Operation.AND, Type.B32, round, turns), Imm.of(0));
            Reg fromLast = builder.sub(Type.U32, builder.add(ctas, -1), place);
            place = builder.select(Type.U32, backward, fromLast, place);
        }
        return builder.mad(Type.U32, round, ctas, place);
    }

    /** The work tile of a number, or the part of one. */
    Work work(Reg number) {
        if (!spec.splitsKeys()) {
            WorkOrder.Place place = order.place(number);
            return sequences == null
                    ? new Work(place.head(), place.qTile(), keyTiles(place), null, null)
                    : sequences.work(place.head(), place.qTile());
        }
        Reg tile = builder.div(Type.U32, number, parts);
        Reg inTile = builder.sub(Type.U32, number, builder.mul(Type.U32, tile, parts));
        WorkOrder.Place place = rest.place(tile);
        Reg first = builder.mul(Type.U32, inTile, partTiles);
        // A part of which no row sees a key goes through one tile all the same, and finds all of it hidden.
        Reg some = builder.max(Type.U32, keyTiles(place), builder.add(first, 1));
        Reg end = builder.min(Type.U32, builder.add(Type.U32, first, partTiles), some);
        return new Work(place.head(), place.qTile(), end, new Part(number, first), null);
    }

    /** Has a warp look the work tile of a number of packed sequences up; the last one if there is none of that number. */
    void lookUp(Reg number, Reg lane, Reg to) {
        Reg there = builder.min(Type.U32, number, builder.add(count, -1));
        sequences.copy(order.place(there).qTile(), lane, to);
    }

    /** The work tile of a number that was looked up, with what fetching its rows of Q takes. */
    Work lookedUp(Reg number, Reg at) {
        return sequences.copied(order.place(number).head(), at);
    }

    /** Passes of each warpgroup through the key tiles of a work tile. */
    Reg passes(Work work) {
        if (work.part() == null) {
            return work.keyTiles();
        }
        Reg tiles = builder.sub(Type.U32, work.keyTiles(), work.part().firstKeyTile());
        int sharers = spec.keySharers();
        return builder.get(Operation.DIV, Type.U32, builder.add(tiles, sharers - 1), Imm.of(sharers));
    }

    /** Key tiles that some row of a work tile sees, at least 1. */
    private Reg keyTiles(WorkOrder.Place place) {
        if (!spec.causal()) {
            return kTiles(kvLen);
        }
        Reg end = builder.min(
                Type.U32, builder.mad(Type.U32, place.qTile(), Imm.of(spec.rows()), Imm.of(spec.rows())), qoLen);
        Reg seen = builder.max(Type.S32, seen(end, diagonal, kvLen), Imm.of(1));
        return builder.shr(builder.add(seen, WgmmaLayout.KEYS - 1), 7);
    }

    /** Keys that the row before {@code end} of a work tile's head sees. */
    Reg seen(Work work, Reg end) {
        return seen(end, diagonal(work), kvLen(work));
    }

    private Reg seen(Reg end, Reg further, Reg most) {
        Reg keys = builder.add(Type.S32, end, further);
        return builder.min(Type.S32, builder.max(Type.S32, keys, Imm.of(0)), most);
    }

    /** Address of the first row of Q, which comes as it is, of a work tile's head. */
    Reg qHead(Work work) {
        return builder.add(Type.U64, q, builder.mul(Type.U64, qElement(work), Imm.of((long) HALF)));
    }

    private Reg qElement(Work work) {
        Reg head = work.head();
        if (work.sequence() != null) {
            Reg inHeads = builder.mul(Type.U64, builder.convert(Conversion.U64_FROM_U32, head), qHead);
            return builder.mad64(work.sequence().start(), qToken, inHeads);
        }
        Reg queryHeads = builder.mul(Type.U32, kvHeads, groupSize);
        Reg batch = builder.div(Type.U32, head, queryHeads);
        Reg inBatch = builder.sub(Type.U32, head, builder.mul(Type.U32, batch, queryHeads));
        return builder.mad64(
                batch, qBatch, builder.mul(Type.U64, builder.convert(Conversion.U64_FROM_U32, inBatch), qHead));
    }

    /** Element of the output of a channel of the first row of a work tile's head. */
    Reg element(Work work, Reg channel) {
        return work.sequence() == null
                ? target.element(work.head(), builder.mul(Type.U32, kvHeads, groupSize), channel)
                : target.elementOf(work.head(), work.sequence().start(), channel);
    }

    /** Writes the log-sum-exp of a row, see {@link OutputTarget#lse}. */
    void writeLse(Work work, Reg row, Reg writes, Reg max, Reg sum, float pOffset) {
        OutputTarget.Lse of = work.sequence() == null
                ? target.lse()
                : target.lseOf(work.sequence().lse(), work.sequence().start(), order.heads);
        target.lse(of, work.head(), qoLen(work), row, writes, max, sum, pOffset);
    }

    /** Index of a warpgroup's tile of Q; past the last one, the last one, whose rows are then not written. */
    Reg qTile(Work work, Operand warpgroup) {
        Reg tiles = builder.shr(builder.add(qoLen(work), WgmmaLayout.Q_ROWS - 1), 6);
        Reg wanted = builder.mad(Type.U32, work.qTile(), Imm.of(spec.qTiles()), warpgroup);
        Reg inHead = builder.min(Type.U32, wanted, builder.sub(Type.U32, tiles, Imm.of(1)));
        return builder.mad(Type.U32, work.head(), tiles, inHead);
    }
}
