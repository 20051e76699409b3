package io.sage4j.ptx.kernel;

import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.CopyCommit;
import io.sage4j.ptx.CopyWait;
import io.sage4j.ptx.Fence;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Mbarrier;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Type;
import io.sage4j.ptx.WarpBarrier;
import java.util.function.Consumer;

/** A warp's part of the rows of Q of each work tile of {@link WgmmaAttention}: it fetches and quantizes them. */
final class WgmmaShare {
    private static final int BARRIER = WgmmaAttention.BARRIER;
    private static final int WARPGROUP_WARPS = WgmmaAttention.WARPGROUP_WARPS;
    private static final int LANES = WgmmaAttention.LANES;

    private final WgmmaAttention kernel;
    private final KernelBuilder k;
    private final WgmmaAttentionSpec spec;
    private final WgmmaParams in;
    /** Number of the warp behind the copying one; null where the copying warp quantizes too, which has no register for it. */
    private final Reg warp;

    private final WgmmaQuery query;
    private final Reg number;
    private final Reg negative;

    WgmmaShare(WgmmaAttention kernel) {
        this.kernel = kernel;
        k = kernel.k;
        spec = kernel.spec;
        in = kernel.in;
        Reg lane = k.and(kernel.tid, LANES - 1);
        warp = spec.copierQuantizes() ? null : warp();
        query = new WgmmaQuery(k, spec.output(), spec.scheme().granularity(), kernel.dim, lane);
        number = k.move(Type.U32, Imm.of(0));
        negative = k.compare(Relation.LT, Type.F32, in.scoreScale, Imm.of(0f));
        if (spec.looksAhead()) {
            lookUp(number);
            k.emit(new CopyCommit());
            k.emit(new CopyWait(0));
            k.emit(new WarpBarrier());
        }
    }

    /** Whether there is another work tile. */
    Reg further() {
        return kernel.isThere(number);
    }

    /** Goes on until the part of a work tile is done, if there is one; the rows of the next one are under way already. */
    void until(Reg last) {
        k.loop(() -> k.and(further(), k.compare(Relation.LE, Type.U32, number, last)), () -> {
            take();
            k.when(further(), this::fetch);
        });
    }

    /** Quantizes the part of the next work tile. */
    void take() {
        Reg buffer = kernel.qBuffer(number);
        kernel.await(kernel.stageAddress(kernel.emptyQ, buffer, BARRIER), k.xor(kernel.qParity(number), Imm.of(1)));
        Reg codes = kernel.stageAddress(kernel.sharedQ, buffer, kernel.qStage);
        Reg notes = kernel.notes(number);
        k.emit(new CopyWait(0));
        if (spec.looksAhead()) {
            k.emit(new WarpBarrier());
        }
        units(unit -> query.quantize(
                kernel.stageAddress(kernel.sharedRaw, unit, query.rawBytes()),
                kernel.stageAddress(codes, unit, query.codeBytes()),
                kernel.stageAddress(notes, unit, query.scaleBytes()),
                negative));
        k.emit(new Fence(Fence.Kind.PROXY_ASYNC));
        k.emit(new Mbarrier(
                Mbarrier.Kind.ARRIVE, Address.of(kernel.stageAddress(kernel.fullQ, buffer, BARRIER)), null));
        k.set(number, Operation.ADD, Type.U32, number, Imm.of(1));
    }

    /** Starts the copies of the part of the next work tile. */
    void fetch() {
        Reg tile = in.number(number);
        WgmmaParams.Work work = spec.looksAhead() ? in.lookedUp(tile, lookedUpAt()) : in.work(tile);
        Reg head = in.qHead(work);
        Reg tokenBytes = k.mul(Type.U64, in.qToken, Imm.of((long) WgmmaParams.HALF));
        Reg start = k.mul(Type.U32, work.qTile(), Imm.of(spec.rows()));
        units(unit -> {
            Reg first = k.mad(
                    Type.U32, unit, Imm.of(WgmmaQuery.unitRows(spec.scheme().granularity())), start);
            query.fetch(
                    kernel.stageAddress(kernel.sharedRaw, unit, query.rawBytes()),
                    k.mad64(first, tokenBytes, head),
                    tokenBytes,
                    k.sub(Type.S32, in.qoLen(work), first),
                    in.channels);
        });
        if (spec.looksAhead()) {
            // All lanes have read what was looked up before.
            k.emit(new WarpBarrier());
            lookUp(k.add(number, 1));
        }
        k.emit(new CopyCommit());
    }

    /** Packed sequences: the next work tile is looked up with the copies of the one before, so that it is not waited for. */
    private void lookUp(Reg round) {
        in.lookUp(in.number(round), k.and(kernel.tid, LANES - 1), lookedUpAt());
    }

    /** Where the warp finds what it has looked up. */
    private Reg lookedUpAt() {
        return kernel.stageAddress(
                kernel.sharedRows(), k.and(k.shr(kernel.tid, 5), WARPGROUP_WARPS - 1), SequenceTable.ROW_BYTES);
    }

    /** Number of the warp behind the copying one. */
    private Reg warp() {
        return k.add(k.shr(kernel.tid, 5), -(spec.consumers() * WARPGROUP_WARPS + 1));
    }

    /** The warp's units, as far apart as there are warps. */
    private void units(Consumer<Reg> body) {
        int warps = spec.queryWarps();
        int units = spec.rows() / WgmmaQuery.unitRows(spec.scheme().granularity());
        // The copying warp comes last; it has no register for its number.
        Reg first = warp != null ? warp : k.and(warp(), warps - 1);
        k.range(first, Imm.of(units), warps, body);
    }
}
