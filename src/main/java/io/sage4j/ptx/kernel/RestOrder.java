package io.sage4j.ptx.kernel;

import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.Type;

/**
 * The order of the tiles of 64 rows that no work tile of a {@link WorkOrder} holds: first those behind the work tiles of each head, head
 * by head, then those of the work tiles from one on. Parameters: {@code rest_tiles} (U32, tiles of 64 rows behind the work
 * tiles of a head) and {@code first_tile} (U32, the first work tile that is left).
 */
final class RestOrder {
    private final KernelBuilder k;
    private final WorkOrder order;
    private final int inTile;
    private final Reg restTiles;
    private final Reg firstTile;

    /**
     * Declares the parameters.
     *
     * @param order of the work tiles
     * @param inTile tiles of 64 rows of a work tile
     */
    RestOrder(KernelBuilder k, WorkOrder order, int inTile) {
        this.k = k;
        this.order = order;
        this.inTile = inTile;
        restTiles = k.param("rest_tiles", Type.U32);
        firstTile = k.param("first_tile", Type.U32);
    }

    /** Head and tile of 64 rows of a number. */
    WorkOrder.Place place(Reg number) {
        Reg head = k.reg(RegType.B32);
        Reg qTile = k.reg(RegType.B32);
        Reg behind = k.mul(Type.U32, order.heads, restTiles);
        k.whenElse(
                k.compare(Relation.LT, Type.U32, number, behind),
                () -> {
                    k.set(head, Type.U32, k.div(Type.U32, number, restTiles));
                    Reg inRest = k.sub(Type.U32, number, k.mul(Type.U32, head, restTiles));
                    k.set(qTile, Type.U32, k.mad(Type.U32, order.headTiles, Imm.of(inTile), inRest));
                },
                () -> {
                    Reg left = k.sub(Type.U32, number, behind);
                    Reg tile = k.div(Type.U32, left, Imm.of(inTile));
                    WorkOrder.Place place = order.place(k.add(Type.U32, firstTile, tile));
                    Reg inWork = k.sub(Type.U32, left, k.mul(Type.U32, tile, Imm.of(inTile)));
                    k.set(head, Type.U32, place.head());
                    k.set(qTile, Type.U32, k.mad(Type.U32, place.qTile(), Imm.of(inTile), inWork));
                });
        return new WorkOrder.Place(head, qTile);
    }
}
