package io.sage4j.ptx.kernel;

import io.sage4j.numeric.WgmmaLayout;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
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
 *
 * <p>Of packed sequences ({@link WgmmaAttentionSpec#packed}) a work tile's lengths and diagonal come from a table: {@code table}, of {@link
 * SequenceTable}, is in the place of {@code qo_len} and {@code kv_len}, there is no {@code diagonal}, and work tiles always go by groups of heads, with {@code turns}.
 */
public final class WgmmaAttention {
    /** Tiles of Q in shared memory, of all warpgroups. */
    static final int Q_STAGES = 2;
    /** What goes with a tile of Q is read until that tile is written, when Q itself is long given back. */
    static final int NOTE_STAGES = 4;

    /** Bytes of a warpgroup's P in shared memory: 64 rows of 128 keys, swizzled. */
    static final int P_TILE = WgmmaLayout.Q_ROWS * WgmmaLayout.KEYS;

    private static final int KEYS = WgmmaLayout.KEYS;
    static final int ROW_BYTES = 128;
    private static final int ONES_ROWS = 8;
    private static final int ONES_E4M3 = 0x38383838;
    private static final int ONES_FP16 = 0x3C003C00;
    static final int SCALE_BYTES = WgmmaLayout.K_SCALES * Float.BYTES;
    static final int Q_SCALE_BYTES = WgmmaLayout.Q_SCALES * Float.BYTES;
    static final int BARRIER = 8;
    static final int WARPGROUP_WARPS = 4;
    static final int LANES = 32;

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

    /** A tile of Q as it comes, and behind it what the warps that take it look up. */
    private static int rawBytes(WgmmaAttentionSpec spec) {
        return qBytes(spec) + (spec.looksAhead() ? WARPGROUP_WARPS * SequenceTable.ROW_BYTES : 0);
    }

    private static int qBytes(WgmmaAttentionSpec spec) {
        return spec.quantizesQ() ? spec.rows() * spec.paddedDim() * WgmmaParams.HALF : 0;
    }

    /** Where the warps that quantize Q of packed sequences have a row of the table each. */
    Reg sharedRows() {
        return k.add(sharedRaw, qBytes(spec));
    }

    /** Bytes of one image of V: a row of 128 bytes for each channel, and the rows for the sum. */
    private static int vPart(WgmmaAttentionSpec spec) {
        return ROW_BYTES * (spec.paddedDim() + ONES_ROWS);
    }

    /** What goes with a tile of Q: its scales, V's scales and means, the {@link Ticket}. */
    private static int noteBytes(WgmmaAttentionSpec spec) {
        int further = spec.packed() ? SequenceTable.noteBytes(spec.lse()) : spec.splitsKeys() ? Ticket.BYTES : 0;
        return ticketAt(spec) + Ticket.BYTES + further;
    }

    static int statisticsAt(WgmmaAttentionSpec spec) {
        return spec.qTiles() * Q_SCALE_BYTES;
    }

    static int ticketAt(WgmmaAttentionSpec spec) {
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
            k.when(k.compare(Relation.EQ, Type.U32, tid, Imm.of(thread)), () -> copies().copy(true, false));
            k.when(k.compare(Relation.EQ, Type.U32, tid, Imm.of(last)), () -> copies().copy(false, true));
        } else if (spec.copierQuantizes()) {
            k.when(k.compare(Relation.LT, Type.U32, tid, Imm.of(thread + LANES)), () -> copies().copyAndQuantize());
        } else {
            k.when(k.compare(Relation.EQ, Type.U32, tid, Imm.of(thread)), () -> copies().copy(true, true));
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

    private WgmmaCopies copies() {
        return new WgmmaCopies(this);
    }

    /** The warps that only quantize Q: while all codes that there is room for wait, the next rows are on their way from memory. */
    private void quantize() {
        WgmmaShare share = new WgmmaShare(this);
        k.loop(share::further, () -> {
            share.fetch();
            share.take();
        });
    }

    /** Whether the CTA has a work tile in a round. */
    Reg isThere(Reg round) {
        return k.compare(Relation.LT, Type.U32, in.number(round), in.count);
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
        Address behind = at.plus(Ticket.BYTES);
        WgmmaParams.Part part = spec.splitsKeys() ? part(behind) : null;
        SequenceTable.Sequence sequence = spec.packed() ? SequenceTable.Sequence.noted(k, behind, spec.lse()) : null;
        return new Ticket(new WgmmaParams.Work(words.get(0), words.get(1), words.get(2), part, sequence), words.get(3));
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
