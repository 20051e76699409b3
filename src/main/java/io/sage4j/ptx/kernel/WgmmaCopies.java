package io.sage4j.ptx.kernel;

import io.sage4j.numeric.WgmmaLayout;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.BulkCopy;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.GridDependency;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Mbarrier;
import io.sage4j.ptx.Operand;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/** The copies of {@link WgmmaAttention}: a thread keeps the rings of K, V and Q full, stage by stage, as others give them back. */
final class WgmmaCopies {
    private static final int ROW_BYTES = WgmmaAttention.ROW_BYTES;
    private static final int SCALE_BYTES = WgmmaAttention.SCALE_BYTES;
    private static final int Q_SCALE_BYTES = WgmmaAttention.Q_SCALE_BYTES;
    private static final int BARRIER = WgmmaAttention.BARRIER;

    private final WgmmaAttention kernel;
    private final KernelBuilder k;
    private final WgmmaAttentionSpec spec;
    private final WgmmaParams in;
    private final int dim;
    private final int stages;
    private final Reg tid;

    WgmmaCopies(WgmmaAttention kernel) {
        this.kernel = kernel;
        k = kernel.k;
        spec = kernel.spec;
        in = kernel.in;
        dim = kernel.dim;
        stages = kernel.stages;
        tid = kernel.tid;
    }

    /** Runs {@code body} in the copying thread. */
    private void byOne(Runnable body) {
        if (spec.copierQuantizes()) {
            k.when(k.compare(Relation.EQ, Type.U32, tid, Imm.of(spec.consumers() * 128)), body);
        } else {
            body.run();
        }
    }

    /**
     * Ahead of all that copying threads read. Q as it is, which other warps read, was there before the kernel in front began; whatever
     * else a call's kernels wrote is read behind this, or behind a copy.
     */
    private void awaitKernelInFront() {
        k.emit(new GridDependency(GridDependency.Kind.WAIT));
    }

    /** A copying thread: of Q's codes and K, of V, or of all. */
    void copy(boolean keys, boolean values) {
        awaitKernelInFront();
        Reg stage = k.move(Type.U32, Imm.of(0));
        Reg parity = k.move(Type.U32, Imm.of(1));
        Reg begun = k.move(Type.U32, Imm.of(0));
        k.loop(() -> kernel.isThere(begun), () -> {
            WgmmaParams.Work work = in.work(in.number(begun));
            Reg kvHead = in.kvHead(work.head());
            if (keys) {
                copyQ(work, kvHead, further(begun), begun);
            }
            k.set(begun, Operation.ADD, Type.U32, begun, Imm.of(1));
            Reg first = in.firstTile(work, kvHead);
            Reg fromK = keys ? k.index(in.k, first, kernel.kStage) : null;
            Reg fromV = values ? k.index(in.v, first, vBytes()) : null;
            Reg fromScales = keys ? k.index(in.kScale, first, SCALE_BYTES) : null;
            Operand start = work.part() == null ? Imm.of(0) : work.part().firstKeyTile();
            Reg last = k.add(in.kTiles(work), -1);
            k.range(start, endOfPasses(work), 1, j -> {
                // Behind the last one comes none, but each of the warpgroups that share keys gets one, to find it
                // hidden.
                Reg there = work.part() == null ? j : k.min(Type.U32, j, last);
                if (keys) {
                    copyK(stage, parity, fromScales, fromK, there);
                }
                if (values) {
                    copyV(stage, parity, fromV, there);
                }
                next(stage, parity, stages);
            });
        });
    }

    /**
     * The copying warp where it quantizes too: it takes its share of the next work tile's rows when the first copies of a work
     * tile have been started; with as many stages filled, there is the time. It keeps few registers meanwhile.
     */
    void copyAndQuantize() {
        Reg passes = k.move(Type.U32, Imm.of(0));
        Reg begun = k.move(Type.U32, Imm.of(0));
        WgmmaShare share = new WgmmaShare(kernel);
        share.fetch();
        awaitKernelInFront();
        k.loop(() -> kernel.isThere(begun), () -> {
            WgmmaParams.Work work = in.work(in.number(begun));
            Reg kvHead = in.kvHead(work.head());
            copyQ(work, kvHead, further(begun), begun);
            k.set(begun, Operation.ADD, Type.U32, begun, Imm.of(1));
            Reg keys = in.firstTile(work, kvHead);
            Reg end = k.add(Type.U32, keys, work.keyTiles());
            Reg pause = k.min(Type.U32, k.add(passes, stages), k.add(Type.U32, passes, work.keyTiles()));
            k.loop(() -> k.compare(Relation.LT, Type.U32, keys, end), () -> {
                Reg round = k.shr(passes, Integer.numberOfTrailingZeros(stages));
                Reg parity = k.xor(k.and(round, 1), Imm.of(1));
                Reg stage = k.and(passes, stages - 1);
                copyK(stage, parity, in.kScale, in.k, keys);
                copyV(stage, parity, in.v, keys);
                k.set(passes, Operation.ADD, Type.U32, passes, Imm.of(1));
                k.set(keys, Operation.ADD, Type.U32, keys, Imm.of(1));
                k.when(k.compare(Relation.EQ, Type.U32, passes, pause), () -> share.until(begun));
            });
        });
    }

    /** Where the key tiles end that all warpgroups go through, each as many as the others. */
    private Reg endOfPasses(WgmmaParams.Work work) {
        if (work.part() == null) {
            return work.keyTiles();
        }
        return k.mad(
                Type.U32,
                in.passes(work),
                Imm.of(spec.keySharers()),
                work.part().firstKeyTile());
    }

    /** Fills a stage of K, once it is empty, from so many tiles behind the addresses; V that shares its barriers follows. */
    private void copyK(Reg stage, Reg parity, Reg fromScales, Reg fromK, Reg n) {
        Reg kBarrier = kernel.stageAddress(kernel.fullK, stage, BARRIER);
        kernel.await(kernel.stageAddress(kernel.emptyK, stage, BARRIER), parity);
        byOne(() -> {
            expect(kBarrier, kernel.kStage + SCALE_BYTES + (spec.pairsTiles() ? vBytes() : 0));
            bulk(
                    kernel.stageAddress(kernel.sharedScales, stage, SCALE_BYTES),
                    k.index(fromScales, n, SCALE_BYTES),
                    SCALE_BYTES,
                    kBarrier);
            bulk(
                    kernel.stageAddress(kernel.sharedK, stage, kernel.kStage),
                    k.index(fromK, n, kernel.kStage),
                    kernel.kStage,
                    kBarrier);
        });
    }

    /** The same of V. */
    private void copyV(Reg stage, Reg parity, Reg fromV, Reg n) {
        Reg vBarrier = kernel.stageAddress(kernel.fullV, stage, BARRIER);
        if (!spec.pairsTiles()) {
            kernel.await(kernel.stageAddress(kernel.emptyV, stage, BARRIER), parity);
        }
        byOne(() -> {
            if (!spec.pairsTiles()) {
                expect(vBarrier, vBytes());
            }
            Reg toV = kernel.stageAddress(kernel.sharedV, stage, kernel.vStage);
            Reg tileOfV = k.index(fromV, n, vBytes());
            for (int part = 0; part < spec.vParts(); part++) {
                Reg from = k.add(Type.U64, tileOfV, Imm.of((long) part * dim * ROW_BYTES));
                bulk(k.add(toV, part * kernel.vPart), from, dim * ROW_BYTES, vBarrier);
            }
        });
    }

    /** Bytes of a tile of V as it comes. */
    private int vBytes() {
        return spec.vParts() * dim * ROW_BYTES;
    }

    private void copyQ(WgmmaParams.Work work, Reg kvHead, Reg further, Reg number) {
        Reg buffer = kernel.qBuffer(number);
        Reg barrier = kernel.stageAddress(kernel.fullQ, buffer, BARRIER);
        kernel.await(kernel.stageAddress(kernel.emptyQ, buffer, BARRIER), k.xor(kernel.qParity(number), Imm.of(1)));
        byOne(() -> copyNotes(work, kvHead, further, number, buffer, barrier));
    }

    private void copyNotes(WgmmaParams.Work work, Reg kvHead, Reg further, Reg number, Reg buffer, Reg barrier) {
        Reg notes = kernel.notes(number);
        Address ticket = Address.of(notes).plus(WgmmaAttention.ticketAt(spec));
        k.store(Space.SHARED, Type.B32, ticket, work.head(), work.qTile(), work.keyTiles(), further);
        if (work.sequence() != null) {
            work.sequence().note(k, ticket.plus(WgmmaAttention.Ticket.BYTES));
        }
        if (work.part() != null) {
            Address of = ticket.plus(WgmmaAttention.Ticket.BYTES);
            k.store(
                    Space.SHARED,
                    Type.B32,
                    of,
                    work.part().number(),
                    work.part().firstKeyTile());
        }
        int statistics = dim * Float.BYTES;
        List<Reg> arrays =
                Stream.of(in.vScale, in.vMean).filter(Objects::nonNull).toList();
        int codes = spec.quantizesQ() ? 0 : kernel.qStage + spec.qTiles() * Q_SCALE_BYTES;
        expect(barrier, codes + arrays.size() * statistics);
        if (!spec.quantizesQ()) {
            copyCodes(work, buffer, notes, barrier);
        }
        Reg statisticsTo = k.add(notes, WgmmaAttention.statisticsAt(spec));
        Reg statisticsOf = in.statisticsOf(work, kvHead);
        for (int n = 0; n < arrays.size(); n++) {
            Reg from = k.index(arrays.get(n), statisticsOf, statistics);
            bulk(k.add(statisticsTo, n * statistics), from, statistics, barrier);
        }
    }

    private void copyCodes(WgmmaParams.Work work, Reg buffer, Reg notes, Reg barrier) {
        Reg to = kernel.stageAddress(kernel.sharedQ, buffer, kernel.qStage);
        int bytes = WgmmaLayout.Q_ROWS * dim;
        for (int w = 0; w < spec.qTiles(); w++) {
            Reg from = in.qTile(work, Imm.of(w));
            bulk(k.add(to, w * bytes), k.index(in.q, from, bytes), bytes, barrier);
            bulk(k.add(notes, w * Q_SCALE_BYTES), k.index(in.qScale, from, Q_SCALE_BYTES), Q_SCALE_BYTES, barrier);
        }
    }

    /** 1 if a work tile follows that of a round, else 0. */
    private Reg further(Reg round) {
        return k.select(Type.U32, kernel.isThere(k.add(round, 1)), Imm.of(1), Imm.of(0));
    }

    /** The next stage of a ring, and its parity. */
    private void next(Reg stage, Reg parity, int stages) {
        Reg last = k.compare(Relation.EQ, Type.U32, stage, Imm.of(stages - 1));
        Reg further = k.add(stage, 1);
        Reg flipped = k.xor(parity, Imm.of(1));
        k.set(stage, Type.U32, k.select(Type.U32, last, Imm.of(0), further));
        k.set(parity, Type.U32, k.select(Type.U32, last, flipped, parity));
    }

    private void expect(Reg barrier, int bytes) {
        k.emit(new Mbarrier(Mbarrier.Kind.ARRIVE_EXPECT, Address.of(barrier), Imm.of(bytes)));
    }

    private void bulk(Reg to, Reg from, int bytes, Reg barrier) {
        k.emit(new BulkCopy(Address.of(to), Address.of(from), Imm.of(bytes), Address.of(barrier)));
    }
}
