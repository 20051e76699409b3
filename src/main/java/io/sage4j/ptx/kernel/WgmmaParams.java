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
    final Reg qoLen;
    final Reg kvLen;
    final Reg kvHeads;
    final Reg groupSize;
    final Reg channels;
    final Reg diagonal;
    final Reg scoreScale;
    /** Work tiles, or parts of them, to be done. */
    final Reg count;

    final Reg heavy;

    private final KernelBuilder builder;
    private final WgmmaAttentionSpec spec;
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
        qoLen = builder.param("qo_len", Type.U32);
        kvLen = builder.param("kv_len", Type.U32);
        kvHeads = builder.param("kv_heads", Type.U32);
        groupSize = builder.param("group_size", Type.U32);
        channels = builder.param("channels", Type.U32);
        diagonal = spec.causal() ? builder.param("diagonal", Type.S32) : null;
        scoreScale = builder.param("score_scale", Type.F32);
        order = new WorkOrder(builder, spec.causal());
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
     */
    record Work(Reg head, Reg qTile, Reg keyTiles, Part part) {}

    /** Which part of a work tile, counted over all that are split, and its first key tile. */
    record Part(Reg number, Reg firstKeyTile) {}

    /** Key tiles of a head. */
    Reg kTiles() {
        return builder.shr(builder.add(kvLen, WgmmaLayout.KEYS - 1), 7);
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
            return new Work(place.head(), place.qTile(), keyTiles(place), null);
        }
        Reg tile = builder.div(Type.U32, number, parts);
        Reg inTile = builder.sub(Type.U32, number, builder.mul(Type.U32, tile, parts));
        WorkOrder.Place place = rest.place(tile);
        Reg first = builder.mul(Type.U32, inTile, partTiles);
        // A part of which no row sees a key goes through one tile all the same, and finds all of it hidden.
        Reg some = builder.max(Type.U32, keyTiles(place), builder.add(first, 1));
        Reg end = builder.min(Type.U32, builder.add(Type.U32, first, partTiles), some);
        return new Work(place.head(), place.qTile(), end, new Part(number, first));
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
            return kTiles();
        }
        Reg end = builder.min(
                Type.U32, builder.mad(Type.U32, place.qTile(), Imm.of(spec.rows()), Imm.of(spec.rows())), qoLen);
        Reg seen = builder.max(Type.S32, seen(end), Imm.of(1));
        return builder.shr(builder.add(seen, WgmmaLayout.KEYS - 1), 7);
    }

    /** Keys that the row before {@code end} sees. */
    Reg seen(Reg end) {
        Reg keys = builder.add(Type.S32, end, diagonal);
        return builder.min(Type.S32, builder.max(Type.S32, keys, Imm.of(0)), kvLen);
    }

    /** Address of a head's first row of Q, which comes as it is. */
    Reg qHead(Reg head) {
        Reg queryHeads = builder.mul(Type.U32, kvHeads, groupSize);
        Reg batch = builder.div(Type.U32, head, queryHeads);
        Reg inBatch = builder.sub(Type.U32, head, builder.mul(Type.U32, batch, queryHeads));
        Reg element = builder.mad64(
                batch, qBatch, builder.mul(Type.U64, builder.convert(Conversion.U64_FROM_U32, inBatch), qHead));
        return builder.add(Type.U64, q, builder.mul(Type.U64, element, Imm.of((long) HALF)));
    }

    /** Index of a warpgroup's tile of Q; past the last one, the last one, whose rows are then not written. */
    Reg qTile(Work work, Operand warpgroup) {
        Reg tiles = builder.shr(builder.add(qoLen, WgmmaLayout.Q_ROWS - 1), 6);
        Reg wanted = builder.mad(Type.U32, work.qTile(), Imm.of(spec.qTiles()), warpgroup);
        Reg inHead = builder.min(Type.U32, wanted, builder.sub(Type.U32, tiles, Imm.of(1)));
        return builder.mad(Type.U32, work.head(), tiles, inHead);
    }
}
