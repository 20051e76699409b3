package io.sage4j.ptx.kernel;

import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Type;

/**
 * The order of the work tiles of {@link WgmmaAttention}: head by head; causal by groups of heads, in each the last rows first
 * ({@link CausalOrder}). Parameters: {@code heads} (U32, batch * query heads), {@code head_tiles} (U32, work tiles of a head),
 * causal only {@code head_group} (U32, heads of a group).
 */
final class WorkOrder {
    private final KernelBuilder k;
    final Reg heads;
    final Reg headTiles;
    private final Reg headGroup;

    /**
     * A work tile's place.
     *
     * @param head query head, counted over batch and heads
     * @param qTile tile of rows of the head
     */
    record Place(Reg head, Reg qTile) {}

    /** Declares the parameters. */
    WorkOrder(KernelBuilder k, boolean causal) {
        this.k = k;
        heads = k.param("heads", Type.U32);
        headTiles = k.param("head_tiles", Type.U32);
        headGroup = causal ? k.param("head_group", Type.U32) : null;
    }

    /** The place of the work tile of a number. */
    Place place(Reg tile) {
        if (headGroup == null) {
            Reg head = k.div(Type.U32, tile, headTiles);
            return new Place(head, k.sub(Type.U32, tile, k.mul(Type.U32, head, headTiles)));
        }
        Reg perGroup = k.mul(Type.U32, headTiles, headGroup);
        Reg group = k.div(Type.U32, tile, perGroup);
        Reg inGroup = k.sub(Type.U32, tile, k.mul(Type.U32, group, perGroup));
        Reg firstHead = k.mul(Type.U32, group, headGroup);
        Reg size = k.min(Type.U32, headGroup, k.sub(Type.U32, heads, firstHead));
        Reg fromLast = k.div(Type.U32, inGroup, size);
        Reg head = k.add(Type.U32, firstHead, k.sub(Type.U32, inGroup, k.mul(Type.U32, fromLast, size)));
        return new Place(head, k.sub(Type.U32, k.add(headTiles, -1), fromLast));
    }
}
