package io.sage4j.ptx.kernel;

import io.sage4j.numeric.WgmmaLayout;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operand;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
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
    final Reg out;
    final Reg outBatch;
    final Reg outHead;
    final Reg outToken;
    final Reg lse;
    final Reg correction;
    final Reg qoLen;
    final Reg kvLen;
    final Reg kvHeads;
    final Reg groupSize;
    final Reg channels;
    final Reg diagonal;
    final Reg scoreScale;
    final Reg heads;
    final Reg headGroup;
    final Reg heavy;

    private final KernelBuilder builder;
    private final WgmmaAttentionSpec spec;

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
        vScale = spec.scheme().pv().scalesV() ? builder.param("v_scale", Type.U64) : null;
        vMean = spec.scheme().smoothV() ? builder.param("v_mean", Type.U64) : null;
        out = builder.param("out", Type.U64);
        outBatch = builder.param("out_batch", Type.U64);
        outHead = builder.param("out_head", Type.U64);
        outToken = builder.param("out_token", Type.U64);
        lse = spec.lse() ? builder.param("lse", Type.U64) : null;
        correction = spec.lse() ? builder.param("correction", Type.U64) : null;
        qoLen = builder.param("qo_len", Type.U32);
        kvLen = builder.param("kv_len", Type.U32);
        kvHeads = builder.param("kv_heads", Type.U32);
        groupSize = builder.param("group_size", Type.U32);
        channels = builder.param("channels", Type.U32);
        diagonal = spec.causal() ? builder.param("diagonal", Type.S32) : null;
        scoreScale = builder.param("score_scale", Type.F32);
        heads = builder.param("heads", Type.U32);
        headGroup = spec.causal() ? builder.param("head_group", Type.U32) : null;
        heavy = spec.watch().param(builder);
    }

    /**
     * A work tile.
     *
     * @param head query head, counted over batch and heads
     * @param qTile tile of {@link WgmmaAttentionSpec#rows()} rows
     * @param keyTiles key tiles to go through, at least 1
     */
    record Work(Reg head, Reg qTile, Reg keyTiles) {}

    /** Work tiles of a head. */
    private Reg tilesOfHead() {
        return builder.get(Operation.DIV, Type.U32, builder.add(qoLen, spec.rows() - 1), Imm.of(spec.rows()));
    }

    /** Number of work tiles. */
    Reg tiles() {
        return builder.mul(Type.U32, tilesOfHead(), heads);
    }

    /** Key tiles of a head. */
    Reg kTiles() {
        return builder.shr(builder.add(kvLen, WgmmaLayout.KEYS - 1), 7);
    }

    /** Key/value head of a query head, both counted over the batch. */
    Reg kvHead(Reg head) {
        return builder.get(Operation.DIV, Type.U32, head, groupSize);
    }

    /** The work tile of a number. */
    Work work(Reg tile) {
        Reg perHead = tilesOfHead();
        if (!spec.causal()) {
            Reg head = builder.div(Type.U32, tile, perHead);
            Reg qTile = builder.sub(Type.U32, tile, builder.mul(Type.U32, head, perHead));
            return new Work(head, qTile, kTiles());
        }
        Reg perGroup = builder.mul(Type.U32, perHead, headGroup);
        Reg group = builder.div(Type.U32, tile, perGroup);
        Reg inGroup = builder.sub(Type.U32, tile, builder.mul(Type.U32, group, perGroup));
        Reg firstHead = builder.mul(Type.U32, group, headGroup);
        Reg size = builder.min(Type.U32, headGroup, builder.sub(Type.U32, heads, firstHead));
        Reg fromLast = builder.div(Type.U32, inGroup, size);
        Reg head =
                builder.add(Type.U32, firstHead, builder.sub(Type.U32, inGroup, builder.mul(Type.U32, fromLast, size)));
        Reg qTile = builder.sub(Type.U32, builder.sub(Type.U32, perHead, Imm.of(1)), fromLast);
        Reg end = builder.min(Type.U32, builder.mad(Type.U32, qTile, Imm.of(spec.rows()), Imm.of(spec.rows())), qoLen);
        Reg seen = builder.max(Type.S32, seen(end), Imm.of(1));
        return new Work(head, qTile, builder.shr(builder.add(seen, WgmmaLayout.KEYS - 1), 7));
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
        Reg wanted = builder.mad(Type.U32, work.qTile(), Imm.of(spec.consumers()), warpgroup);
        Reg inHead = builder.min(Type.U32, wanted, builder.sub(Type.U32, tiles, Imm.of(1)));
        return builder.mad(Type.U32, work.head(), tiles, inHead);
    }
}
