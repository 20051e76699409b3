package io.sage4j.ptx.kernel;

import io.sage4j.numeric.TileShape;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;

/**
 * Where a thread of {@link MmaAttention} is in the call. All of it is cheap to compute from special registers, so it is
 * computed where it is used: it must not live through the loop.
 */
record MmaPlace(KernelBuilder k, MmaAttentionSpec spec, AttentionParams in) {
    private static final int ROWS = TileShape.MMA_SYNC.blockQ();
    private static final int ROW_TILE = 16;

    /** Tile of Q; the ones with most keys start first. */
    Reg tile() {
        Reg x = k.read(Special.CTAID_X);
        return spec.causal() ? k.sub(Type.U32, k.sub(Type.U32, k.read(Special.NCTAID_X), Imm.of(1)), x) : x;
    }

    /** Tile of Q, counted over batch, heads and tiles. */
    Reg tileOfAll() {
        return k.mad(Type.U32, head(), k.read(Special.NCTAID_X), tile());
    }

    /** First of the thread's rows, which are 8 apart. */
    Reg firstRow() {
        Reg thread = k.read(Special.TID_X);
        Reg rowOfWarp = k.shr(k.and(thread, 31), 2);
        Reg rowOfTile = k.mad(Type.U32, k.shr(thread, 5), Imm.of(ROW_TILE * spec.rowTiles()), rowOfWarp);
        return k.mad(Type.U32, tile(), Imm.of(ROWS), rowOfTile);
    }

    /** Query head, counted over batch and heads. */
    Reg head() {
        Reg heads = k.mul(Type.U32, in.kvHeads, in.groupSize);
        return k.mad(Type.U32, k.read(Special.CTAID_Z), heads, k.read(Special.CTAID_Y));
    }

    /** Key/value head, counted over batch and heads. */
    Reg kvHead() {
        Reg inBatch = k.div(Type.U32, k.read(Special.CTAID_Y), in.groupSize);
        return k.mad(Type.U32, k.read(Special.CTAID_Z), in.kvHeads, inBatch);
    }
}
