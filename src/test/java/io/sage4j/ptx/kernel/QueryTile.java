package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.WgmmaLayout;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.CopyCommit;
import io.sage4j.ptx.CopyWait;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;

/**
 * {@link WgmmaQuery} in a kernel of its own, for the interpreter, which lacks the attention kernel's barriers: one warp
 * takes a tile of 64 rows unit after unit and writes what it made in shared memory as it lies there. Grid (tiles, heads of
 * one batch entry); parameters {@code q} (U64), {@code q_head}, {@code q_token} (U64, elements), {@code rows}, {@code
 * channels} (U32), {@code score_scale} (F32), {@code codes}, {@code scales} (U64).
 */
final class QueryTile {
    private static final int LANES = 32;
    private static final int WORD = 4;

    private QueryTile() {}

    static Kernel kernel(DType type, Granularity granularity, int dim) {
        KernelBuilder k = new KernelBuilder("query_tile", LANES);
        Reg q = k.param("q", Type.U64);
        Reg qHead = k.param("q_head", Type.U64);
        Reg qToken = k.param("q_token", Type.U64);
        Reg rows = k.param("rows", Type.U32);
        Reg channels = k.param("channels", Type.U32);
        Reg scoreScale = k.param("score_scale", Type.F32);
        Reg codes = k.param("codes", Type.U64);
        Reg scales = k.param("scales", Type.U64);
        int unitRows = WgmmaQuery.unitRows(granularity);
        int units = WgmmaLayout.Q_ROWS / unitRows;
        Reg lane = k.read(Special.TID_X);
        WgmmaQuery query = new WgmmaQuery(k, type, granularity, dim, lane);
        Reg raw = k.read(k.shared("raw", units * query.rawBytes(), 128, false));
        Reg image = k.read(k.shared("image", units * query.codeBytes(), 1024, false));
        Reg notes = k.read(k.shared("notes", units * query.scaleBytes(), 128, false));
        Reg tile = k.read(Special.CTAID_X);
        Reg head = k.read(Special.CTAID_Y);
        Reg two = k.move(Type.U64, Imm.of(2L));
        Reg start = k.mad64(head, k.mul(Type.U64, qHead, two), q);
        Reg tokenBytes = k.mul(Type.U64, qToken, two);
        Reg negative = k.compare(Relation.LT, Type.F32, scoreScale, Imm.of(0f));
        k.range(Imm.of(0), Imm.of(units), 1, unit -> {
            Reg first = k.mad(Type.U32, tile, Imm.of(WgmmaLayout.Q_ROWS), k.mul(Type.U32, unit, Imm.of(unitRows)));
            Reg left = k.sub(Type.S32, rows, first);
            Reg at = k.mad(Type.U32, unit, Imm.of(query.rawBytes()), raw);
            query.fetch(at, k.mad64(first, tokenBytes, start), tokenBytes, left, channels);
            k.emit(new CopyCommit());
            k.emit(new CopyWait(0));
            query.quantize(
                    at,
                    k.mad(Type.U32, unit, Imm.of(query.codeBytes()), image),
                    k.mad(Type.U32, unit, Imm.of(query.scaleBytes()), notes),
                    negative);
        });
        k.barrier();
        Reg tiles = k.read(Special.NCTAID_X);
        Reg number = k.mad(Type.U32, head, tiles, tile);
        copy(k, lane, image, k.index(codes, number, units * query.codeBytes()), units * query.codeBytes());
        copy(k, lane, notes, k.index(scales, number, units * query.scaleBytes()), units * query.scaleBytes());
        return k.build();
    }

    private static void copy(KernelBuilder k, Reg lane, Reg from, Reg to, int bytes) {
        k.range(lane, Imm.of(bytes / WORD), LANES, n -> {
            Reg value = k.load(Space.SHARED, Type.U32, Address.of(k.mad(Type.U32, n, Imm.of(WORD), from)));
            k.store(Space.GLOBAL, Type.U32, Address.of(k.index(to, n, WORD)), value);
        });
    }
}
