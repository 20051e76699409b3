package io.sage4j.ptx.kernel;

import io.sage4j.numeric.WgmmaLayout;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.BulkCopy;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.CopyCommit;
import io.sage4j.ptx.CopyWait;
import io.sage4j.ptx.Fence;
import io.sage4j.ptx.GridDependency;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Mbarrier;
import io.sage4j.ptx.MbarrierTry;
import io.sage4j.ptx.Operand;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.SetMaxRegisters;
import io.sage4j.ptx.SharedArray;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * Quantized attention on Hopper (docs/numerics.md, 5 and 6): INT8 Q K^T and E4M3 or FP16 P V with {@code wgmma}, operands
 * in {@link WgmmaLayout}.
 *
 * <p>Grid: any number of CTAs up to the number of work tiles, best one to a multiprocessor; each takes one tile of
 * {@link WgmmaAttentionSpec#rows()} query rows of each of the {@link Rounds}. One warpgroup of a CTA copies: Q two tiles
 * deep, K and V {@link WgmmaAttentionSpec#stages()} deep. The others attend 64 rows each, in one loop over the key tiles of all their work
 * tiles ({@link WgmmaConsumer}), so that neither the first Q K^T nor the last P V of a work tile is waited for alone.
 * Causal work goes by groups of heads whose K and V stay in L2, longest tiles first.
 *
 * <p>In parts ({@link WgmmaAttentionSpec.Stores#PARTS}) a work tile is a range of the key tiles of 64 rows, and the warpgroups take
 * these key tiles in turn, each as many as the others; what a warpgroup sums up goes to memory as it is, for {@link JoinParts}.
 *
 * <p>Launched to overlap the kernel in front ({@link io.sage4j.ptx.GridDependency}) it reads Q as it is at once, the rest behind
 * its wait for that kernel; not so where V is watched.
 *
 * <p>Dynamic shared memory: {@link #sharedBytes}. The images of V have 8 rows more than channels, the first of them ones:
 * the row sum of P, as rounded, is one more column of P V.
 *
 * <p>Q comes as codes, or as it is: then the other warps of the copying warpgroup quantize it ({@link WgmmaQuery}), a work
 * tile ahead, while the tile behind it is on its way from memory.
 *
 * <p>Parameters: {@code q}, {@code k}, {@code v} codes, {@code q_scale}, {@code k_scale} (U64); where Q comes as it is,
 * {@code q_batch}, {@code q_head}, {@code q_token} (U64, in elements) in place of {@code q_scale}; with E4M3 {@code v_scale},
 * with smooth V {@code v_mean} (U64); those of {@link OutputTarget}; in parts, in place of what comes from {@code v_scale} on,
 * {@code part_o} and {@code part_weights} (U64, as {@link JoinParts} reads them); {@code qo_len}, {@code kv_len} (at least 1),
 * {@code kv_heads}, {@code group_size}, {@code channels} (U32, the output channels), {@code diagonal} (S32, causal only),
 * {@code score_scale} (F32, sm_scale * log2 e, negative only where Q comes as it is: its codes have the sign); those of
 * {@link WorkOrder}; {@code count} (U32, work tiles, or parts, to be done); causal and not in parts {@code turns} (U32, 1 if CTAs
 * take every second round backwards, else 0); in parts those of {@link RestOrder}, {@code parts} (U32, of 64 rows) and
 * {@code part_tiles} (U32, key tiles of a part, a multiple of the warpgroups that share them); where V is watched {@code heavy}
 * (U64, {@link HeavyChannels}).
 */
public final class WgmmaAttention {
    /** Tiles of Q in shared memory, of all warpgroups. */
    static final int Q_STAGES = 2;
    /** What goes with a tile of Q is read until that tile is written, when Q itself is long given back. */
    static final int NOTE_STAGES = 4;

    /** Bytes of a warpgroup's P in shared memory: 64 rows of 128 keys, swizzled. */
    static final int P_TILE = WgmmaLayout.Q_ROWS * WgmmaLayout.KEYS;

    private static final int KEYS = WgmmaLayout.KEYS;
    private static final int ROW_BYTES = 128;
    private static final int ONES_ROWS = 8;
    private static final int ONES_E4M3 = 0x38383838;
    private static final int ONES_FP16 = 0x3C003C00;
    private static final int SCALE_BYTES = WgmmaLayout.K_SCALES * Float.BYTES;
    private static final int Q_SCALE_BYTES = WgmmaLayout.Q_SCALES * Float.BYTES;
    private static final int BARRIER = 8;
    private static final int WARPGROUP_WARPS = 4;
    private static final int LANES = 32;

    final KernelBuilder k;
    final WgmmaAttentionSpec spec;
    final WgmmaParams in;
    final int dim;
    final int stages;
    final int kStage;
    final int vPart;
    final int vStage;
    final int qStage;
    private final SharedArray shared;
    final Reg sharedK;
    final Reg sharedV;
    final Reg sharedQ;
    final Reg sharedP;
    final Reg sharedScales;
    final Reg sharedRaw;
    final Reg sharedNotes;
    final Reg fullK;
    final Reg emptyK;
    final Reg fullV;
    final Reg emptyV;
    final Reg fullQ;
    final Reg emptyQ;
    final Reg tid;

    private WgmmaAttention(KernelBuilder k, WgmmaAttentionSpec spec) {
        this.k = k;
        this.spec = spec;
        dim = spec.paddedDim();
        kStage = KEYS * dim;
        stages = spec.stages();
        vPart = vPart(spec);
        vStage = spec.vParts() * vPart;
        qStage = spec.rows() * dim;
        in = new WgmmaParams(k, spec);
        spec.watch().exit(k, in.heavy);
        k.emit(new GridDependency(GridDependency.Kind.LET_NEXT_START));
        shared = k.shared("tiles", sharedBytes(spec), 1024, true);
        tid = k.read(Special.TID_X);
        sharedK = k.read(shared);
        sharedV = k.add(sharedK, stages * kStage);
        sharedQ = k.add(sharedV, stages * vStage);
        sharedP = k.add(sharedQ, Q_STAGES * qStage);
        sharedRaw = k.add(sharedP, pBytes(spec));
        sharedScales = k.add(sharedRaw, rawBytes(spec) + outBytes(spec));
        sharedNotes = k.add(sharedScales, stages * SCALE_BYTES);
        fullK = k.add(sharedNotes, NOTE_STAGES * noteBytes(spec));
        emptyK = k.add(fullK, stages * BARRIER);
        fullV = spec.pairsTiles() ? fullK : k.add(emptyK, stages * BARRIER);
        emptyV = spec.pairsTiles() ? emptyK : k.add(fullV, stages * BARRIER);
        fullQ = k.add(emptyV, stages * BARRIER);
        emptyQ = k.add(fullQ, Q_STAGES * BARRIER);
    }

    /** The kernel. */
    public static Kernel kernel(WgmmaAttentionSpec spec) {
        KernelBuilder k = new KernelBuilder("sage_wgmma_attention", spec.threads()).minBlocks(1);
        new WgmmaAttention(k, spec).write();
        return k.build();
    }

    /** Shared memory of a CTA. */
    public static int sharedBytes(WgmmaAttentionSpec spec) {
        int dim = spec.paddedDim();
        int barriers = spec.pairsTiles() ? 2 : 4;
        int stage = KEYS * dim + spec.vParts() * vPart(spec) + SCALE_BYTES + barriers * BARRIER;
        return spec.stages() * stage
                + Q_STAGES * (spec.rows() * dim + 2 * BARRIER)
                + pBytes(spec)
                + NOTE_STAGES * noteBytes(spec)
                + rawBytes(spec)
                + outBytes(spec);
    }

    /** Where the warps that attend put their rows in order. Worked out where it is used, it keeps no register through the loop. */
    Reg sharedOut() {
        return k.add(k.read(shared), stages * (kStage + vStage) + Q_STAGES * qStage + pBytes(spec) + rawBytes(spec));
    }

    /** What each warp that attends needs to write its rows. */
    private static int outBytes(WgmmaAttentionSpec spec) {
        boolean wide = spec.stores() == WgmmaAttentionSpec.Stores.WIDE;
        return wide ? spec.consumers() * WARPGROUP_WARPS * WgmmaOutput.WARP_BYTES : 0;
    }

    private static int pBytes(WgmmaAttentionSpec spec) {
        return spec.sharedP() ? spec.consumers() * P_TILE : 0;
    }

    /** A tile of Q as it comes. */
    private static int rawBytes(WgmmaAttentionSpec spec) {
        return spec.quantizesQ() ? spec.rows() * spec.paddedDim() * WgmmaParams.HALF : 0;
    }

    /** Bytes of one image of V: a row of 128 bytes for each channel, and the rows for the sum. */
    private static int vPart(WgmmaAttentionSpec spec) {
        return ROW_BYTES * (spec.paddedDim() + ONES_ROWS);
    }

    /** What goes with a tile of Q: its scales, V's scales and means, the {@link Ticket}. */
    private static int noteBytes(WgmmaAttentionSpec spec) {
        return ticketAt(spec) + (spec.splitsKeys() ? 2 : 1) * Ticket.BYTES;
    }

    private static int statisticsAt(WgmmaAttentionSpec spec) {
        return spec.qTiles() * Q_SCALE_BYTES;
    }

    private static int ticketAt(WgmmaAttentionSpec spec) {
        int statistics = (spec.appliesVScale() ? 1 : 0) + (spec.addsVMean() ? 1 : 0);
        return statisticsAt(spec) + statistics * spec.paddedDim() * Float.BYTES;
    }

    private void write() {
        // Each thread that reads or writes what a barrier guards arrives by itself: one for its warp is no faster, and
        // racecheck does not see that a warp barrier orders the others before it.
        int readers = spec.consumers() * WARPGROUP_WARPS * LANES;
        k.when(k.compare(Relation.EQ, Type.U32, tid, Imm.of(0)), () -> {
            for (int s = 0; s < stages; s++) {
                init(fullK, s, 1);
                // Of those that share keys, one warpgroup reads a stage.
                init(emptyK, s, readers / spec.keySharers());
                if (!spec.pairsTiles()) {
                    init(fullV, s, 1);
                    init(emptyV, s, readers / spec.keySharers());
                }
            }
            for (int s = 0; s < Q_STAGES; s++) {
                init(fullQ, s, spec.quantizesQ() ? 1 + spec.queryWarps() * LANES : 1);
                init(emptyQ, s, readers);
            }
            k.emit(new Fence(Fence.Kind.MBARRIER_INIT));
        });
        writeOnes();
        k.barrier();
        Reg consumer = k.compare(Relation.LT, Type.U32, tid, Imm.of(spec.consumers() * 128));
        k.whenElse(
                consumer,
                () -> {
                    k.emit(new SetMaxRegisters(true, spec.consumerRegisters()));
                    new WgmmaConsumer(this).attend();
                },
                () -> {
                    k.emit(new SetMaxRegisters(false, spec.producerRegisters()));
                    copyAndQuantizeByWarp();
                });
    }

    /** What each warp of the copying warpgroup does. */
    private void copyAndQuantizeByWarp() {
        int thread = spec.consumers() * 128;
        if (spec.splitsKeys()) {
            // A K waits behind no V that there is no room for yet: each warpgroup is at a tile of its own.
            int last = thread + (WARPGROUP_WARPS - 1) * LANES;
            k.when(k.compare(Relation.EQ, Type.U32, tid, Imm.of(thread)), () -> copy(true, false));
            k.when(k.compare(Relation.EQ, Type.U32, tid, Imm.of(last)), () -> copy(false, true));
        } else if (spec.copierQuantizes()) {
            k.when(k.compare(Relation.LT, Type.U32, tid, Imm.of(thread + LANES)), this::copyAndQuantize);
        } else {
            k.when(k.compare(Relation.EQ, Type.U32, tid, Imm.of(thread)), () -> copy(true, true));
        }
        if (spec.quantizesQ()) {
            Reg others = k.compare(Relation.GE, Type.U32, tid, Imm.of(thread + LANES));
            if (spec.splitsKeys()) {
                int end = thread + (1 + spec.queryWarps()) * LANES;
                others = k.and(others, k.compare(Relation.LT, Type.U32, tid, Imm.of(end)));
            }
            k.when(others, this::quantize);
        }
    }

    private void init(Reg barriers, int stage, int arrivals) {
        k.emit(new Mbarrier(Mbarrier.Kind.INIT, Address.of(barriers).plus(stage * BARRIER), Imm.of(arrivals)));
    }

    /** The rows of each image of V that no copy reaches: one of ones, seven of zeros. */
    private void writeOnes() {
        int ones = spec.fp16() ? ONES_FP16 : ONES_E4M3;
        int words = ROW_BYTES / Integer.BYTES;
        k.when(k.compare(Relation.LT, Type.U32, tid, Imm.of(words)), () -> {
            Reg at = k.mad(Type.U32, tid, Imm.of(Integer.BYTES), sharedV);
            for (int part = 0; part < stages * spec.vParts(); part++) {
                for (int row = 0; row < ONES_ROWS; row++) {
                    Address to = Address.of(at).plus(part * vPart + (dim + row) * ROW_BYTES);
                    k.store(Space.SHARED, Type.U32, to, k.move(Type.U32, Imm.of(row == 0 ? ones : 0)));
                }
            }
            k.emit(new Fence(Fence.Kind.PROXY_ASYNC));
        });
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
    private void copy(boolean keys, boolean values) {
        awaitKernelInFront();
        Reg stage = k.move(Type.U32, Imm.of(0));
        Reg parity = k.move(Type.U32, Imm.of(1));
        Reg begun = k.move(Type.U32, Imm.of(0));
        k.loop(() -> isThere(begun), () -> {
            WgmmaParams.Work work = in.work(in.number(begun));
            Reg kvHead = in.kvHead(work.head());
            if (keys) {
                copyQ(work, kvHead, further(begun), begun);
            }
            k.set(begun, Operation.ADD, Type.U32, begun, Imm.of(1));
            Reg first = k.mul(Type.U32, kvHead, in.kTiles());
            Reg fromK = keys ? k.index(in.k, first, kStage) : null;
            Reg fromV = values ? k.index(in.v, first, vBytes()) : null;
            Reg fromScales = keys ? k.index(in.kScale, first, SCALE_BYTES) : null;
            Operand start = work.part() == null ? Imm.of(0) : work.part().firstKeyTile();
            Reg last = k.add(in.kTiles(), -1);
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
    private void copyAndQuantize() {
        Reg passes = k.move(Type.U32, Imm.of(0));
        Reg begun = k.move(Type.U32, Imm.of(0));
        Share share = new Share();
        share.fetch();
        awaitKernelInFront();
        k.loop(() -> isThere(begun), () -> {
            WgmmaParams.Work work = in.work(in.number(begun));
            Reg kvHead = in.kvHead(work.head());
            copyQ(work, kvHead, further(begun), begun);
            k.set(begun, Operation.ADD, Type.U32, begun, Imm.of(1));
            Reg keys = k.mul(Type.U32, kvHead, in.kTiles());
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
        Reg kBarrier = stageAddress(fullK, stage, BARRIER);
        await(stageAddress(emptyK, stage, BARRIER), parity);
        byOne(() -> {
            expect(kBarrier, kStage + SCALE_BYTES + (spec.pairsTiles() ? vBytes() : 0));
            bulk(
                    stageAddress(sharedScales, stage, SCALE_BYTES),
                    k.index(fromScales, n, SCALE_BYTES),
                    SCALE_BYTES,
                    kBarrier);
            bulk(stageAddress(sharedK, stage, kStage), k.index(fromK, n, kStage), kStage, kBarrier);
        });
    }

    /** The same of V. */
    private void copyV(Reg stage, Reg parity, Reg fromV, Reg n) {
        Reg vBarrier = stageAddress(fullV, stage, BARRIER);
        if (!spec.pairsTiles()) {
            await(stageAddress(emptyV, stage, BARRIER), parity);
        }
        byOne(() -> {
            if (!spec.pairsTiles()) {
                expect(vBarrier, vBytes());
            }
            Reg toV = stageAddress(sharedV, stage, vStage);
            Reg tileOfV = k.index(fromV, n, vBytes());
            for (int part = 0; part < spec.vParts(); part++) {
                Reg from = k.add(Type.U64, tileOfV, Imm.of((long) part * dim * ROW_BYTES));
                bulk(k.add(toV, part * vPart), from, dim * ROW_BYTES, vBarrier);
            }
        });
    }

    /** Bytes of a tile of V as it comes. */
    private int vBytes() {
        return spec.vParts() * dim * ROW_BYTES;
    }

    private void copyQ(WgmmaParams.Work work, Reg kvHead, Reg further, Reg number) {
        Reg buffer = qBuffer(number);
        Reg barrier = stageAddress(fullQ, buffer, BARRIER);
        await(stageAddress(emptyQ, buffer, BARRIER), k.xor(qParity(number), Imm.of(1)));
        byOne(() -> copyNotes(work, kvHead, further, number, buffer, barrier));
    }

    private void copyNotes(WgmmaParams.Work work, Reg kvHead, Reg further, Reg number, Reg buffer, Reg barrier) {
        Reg notes = notes(number);
        Address ticket = Address.of(notes).plus(ticketAt(spec));
        k.store(Space.SHARED, Type.B32, ticket, work.head(), work.qTile(), work.keyTiles(), further);
        if (work.part() != null) {
            Address of = ticket.plus(Ticket.BYTES);
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
        int codes = spec.quantizesQ() ? 0 : qStage + spec.qTiles() * Q_SCALE_BYTES;
        expect(barrier, codes + arrays.size() * statistics);
        if (!spec.quantizesQ()) {
            copyCodes(work, buffer, notes, barrier);
        }
        Reg statisticsTo = k.add(notes, statisticsAt(spec));
        for (int n = 0; n < arrays.size(); n++) {
            Reg from = k.index(arrays.get(n), kvHead, statistics);
            bulk(k.add(statisticsTo, n * statistics), from, statistics, barrier);
        }
    }

    private void copyCodes(WgmmaParams.Work work, Reg buffer, Reg notes, Reg barrier) {
        Reg to = stageAddress(sharedQ, buffer, qStage);
        int bytes = WgmmaLayout.Q_ROWS * dim;
        for (int w = 0; w < spec.qTiles(); w++) {
            Reg from = in.qTile(work, Imm.of(w));
            bulk(k.add(to, w * bytes), k.index(in.q, from, bytes), bytes, barrier);
            bulk(k.add(notes, w * Q_SCALE_BYTES), k.index(in.qScale, from, Q_SCALE_BYTES), Q_SCALE_BYTES, barrier);
        }
    }

    /** The warps that only quantize Q: while all codes that there is room for wait, the next rows are on their way from memory. */
    private void quantize() {
        Share share = new Share();
        k.loop(share::further, () -> {
            share.fetch();
            share.take();
        });
    }

    /** A warp's part of the rows of each work tile. */
    private final class Share {
        private final Reg lane = k.and(tid, LANES - 1);
        private final Reg warp = spec.copierQuantizes() ? null : warp();
        private final WgmmaQuery query =
                new WgmmaQuery(k, spec.output(), spec.scheme().granularity(), dim, lane);
        private final Reg number = k.move(Type.U32, Imm.of(0));
        private final Reg negative = k.compare(Relation.LT, Type.F32, in.scoreScale, Imm.of(0f));

        /** Whether there is another work tile. */
        Reg further() {
            return isThere(number);
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
            Reg buffer = qBuffer(number);
            await(stageAddress(emptyQ, buffer, BARRIER), k.xor(qParity(number), Imm.of(1)));
            Reg codes = stageAddress(sharedQ, buffer, qStage);
            Reg notes = notes(number);
            k.emit(new CopyWait(0));
            units(unit -> query.quantize(
                    stageAddress(sharedRaw, unit, query.rawBytes()),
                    stageAddress(codes, unit, query.codeBytes()),
                    stageAddress(notes, unit, query.scaleBytes()),
                    negative));
            k.emit(new Fence(Fence.Kind.PROXY_ASYNC));
            k.emit(new Mbarrier(Mbarrier.Kind.ARRIVE, Address.of(stageAddress(fullQ, buffer, BARRIER)), null));
            k.set(number, Operation.ADD, Type.U32, number, Imm.of(1));
        }

        /** Starts the copies of the part of the next work tile. */
        void fetch() {
            WgmmaParams.Work work = in.work(in.number(number));
            Reg head = in.qHead(work.head());
            Reg tokenBytes = k.mul(Type.U64, in.qToken, Imm.of((long) WgmmaParams.HALF));
            Reg start = k.mul(Type.U32, work.qTile(), Imm.of(spec.rows()));
            units(unit -> {
                Reg first = k.mad(
                        Type.U32, unit, Imm.of(WgmmaQuery.unitRows(spec.scheme().granularity())), start);
                query.fetch(
                        stageAddress(sharedRaw, unit, query.rawBytes()),
                        k.mad64(first, tokenBytes, head),
                        tokenBytes,
                        k.sub(Type.S32, in.qoLen, first),
                        in.channels);
            });
            k.emit(new CopyCommit());
        }

        /** Number of the warp behind the copying one. */
        private Reg warp() {
            return k.add(k.shr(tid, 5), -(spec.consumers() * WARPGROUP_WARPS + 1));
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

    /** Whether the CTA has a work tile in a round. */
    private Reg isThere(Reg round) {
        return k.compare(Relation.LT, Type.U32, in.number(round), in.count);
    }

    /** 1 if a work tile follows that of a round, else 0. */
    private Reg further(Reg round) {
        return k.select(Type.U32, isThere(k.add(round, 1)), Imm.of(1), Imm.of(0));
    }

    /** The buffer of Q of a work tile, counted over those of the CTA. */
    Reg qBuffer(Reg number) {
        return k.and(number, Q_STAGES - 1);
    }

    /** Parity of the phase in which that buffer is filled. */
    Reg qParity(Reg number) {
        return k.and(k.shr(number, 1), 1);
    }

    /** Where what goes with a work tile starts: Q's scales, {@link WgmmaLayout#Q_SCALES} for each warpgroup. */
    Reg notes(Reg number) {
        return stageAddress(sharedNotes, k.and(number, NOTE_STAGES - 1), noteBytes(spec));
    }

    /** V's scales for a work tile, if it has any, and behind them its means, if it has any. */
    Reg vStatistics(Reg number) {
        return k.add(notes(number), statisticsAt(spec));
    }

    /** What the copying thread found out about a work tile. */
    Ticket ticket(Reg number) {
        Address at = Address.of(notes(number)).plus(ticketAt(spec));
        List<Reg> words = k.loadVector(Space.SHARED, Type.B32, 4, at, false);
        WgmmaParams.Part part = spec.splitsKeys() ? part(at.plus(Ticket.BYTES)) : null;
        return new Ticket(new WgmmaParams.Work(words.get(0), words.get(1), words.get(2), part), words.get(3));
    }

    private WgmmaParams.Part part(Address at) {
        List<Reg> words = k.loadVector(Space.SHARED, Type.B32, 2, at, false);
        return new WgmmaParams.Part(words.get(0), words.get(1));
    }

    /**
     * A work tile as the consumers read it.
     *
     * @param further 1 if another one follows, else 0
     */
    record Ticket(WgmmaParams.Work work, Reg further) {
        static final int BYTES = 16;
    }

    private void expect(Reg barrier, int bytes) {
        k.emit(new Mbarrier(Mbarrier.Kind.ARRIVE_EXPECT, Address.of(barrier), Imm.of(bytes)));
    }

    private void bulk(Reg to, Reg from, int bytes, Reg barrier) {
        k.emit(new BulkCopy(Address.of(to), Address.of(from), Imm.of(bytes), Address.of(barrier)));
    }

    /** Address of an element of a ring. */
    Reg stageAddress(Reg base, Reg stage, int bytes) {
        return k.mad(Type.U32, stage, Imm.of(bytes), base);
    }

    /** Waits for the end of a barrier's phase. */
    void await(Reg barrier, Operand parity) {
        k.repeatWhile(() -> {
            Reg done = k.reg(RegType.PRED);
            k.emit(new MbarrierTry(done, Address.of(barrier), parity));
            return k.get(Operation.NOT, Type.PRED, done);
        });
    }

    /** The next stage of a ring, and its parity. */
    void next(Reg stage, Reg parity, int stages) {
        Reg last = k.compare(Relation.EQ, Type.U32, stage, Imm.of(stages - 1));
        Reg further = k.add(stage, 1);
        Reg flipped = k.xor(parity, Imm.of(1));
        k.set(stage, Type.U32, k.select(Type.U32, last, Imm.of(0), further));
        k.set(parity, Type.U32, k.select(Type.U32, last, flipped, parity));
    }

    /** What a matrix descriptor (PTX ISA, wgmma) says of a tile's address. So many bytes further it is {@link #inDescriptor} more. */
    Reg place(Reg address) {
        return k.get(Operation.OR, Type.B32, k.shr(k.and(address, 0x3FFFF), 4), Imm.of(1 << 16));
    }

    /** A distance in bytes, a multiple of 16, as a matrix descriptor counts it. */
    static int inDescriptor(int bytes) {
        return bytes >> 4;
    }

    /** A matrix descriptor of a tile whose rows have so many bytes, swizzled by as many. */
    Reg descriptor(Reg place, int pitch) {
        long swizzle = pitch == 128 ? 1 : 2;
        long high = swizzle << 62 | (long) inDescriptor(8 * pitch) << 32;
        return k.get(Operation.OR, Type.B64, k.convert(Conversion.U64_FROM_U32, place), Imm.of(high));
    }
}
