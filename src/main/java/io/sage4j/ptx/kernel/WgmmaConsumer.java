package io.sage4j.ptx.kernel;

import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.WgmmaLayout;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Fence;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Mbarrier;
import io.sage4j.ptx.Operand;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.Shuffle;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;
import io.sage4j.ptx.Wgmma;
import io.sage4j.ptx.WgmmaWait;
import java.util.ArrayList;
import java.util.List;

/**
 * A warpgroup of {@link WgmmaAttention} that attends 64 rows. One pass of its loop:
 *
 * <pre>
 *   if the last pass ended a work tile: take the next one
 *   S = Q K(j)^T and T = P V(of the last pass), both in the background
 *   S is there:  m' = max(m, c max S); alpha = 2^(m - m')
 *   T is there:  O = O alpha(of the last pass) + T; P = e4m3(2^(c S - m' + offset)); if that ended a work tile: write it, O = 0
 * </pre>
 *
 * <p>With FP16 there is no T: P V is added to O itself, whose sums are FP32 in full, and O is brought down by this pass's
 * alpha when it is there.
 *
 * <p>The warpgroups are not held to turns: while one exponentiates, another's products keep the tensor cores busy.
 *
 * <p>Differences from the model: the row sum is of the rounded P; O alpha + T is rounded once; ex2, lg2 are approximate. A
 * NaN or infinity in E4M3 V reaches the whole channel, as in the model; a NaN in FP16 V also reaches rows that do not see its
 * key, if they see its tile.
 */
final class WgmmaConsumer {
    private static final int KEYS = WgmmaLayout.KEYS;
    private static final int N = 8;
    private static final int STEP_BYTES = WgmmaSoftmax.STEP_BYTES;

    private static final int FLOAT = 4;
    private static final int HALF = 2;
    private static final int BARRIER = 8;
    /** Bytes that a swizzle keeps together. */
    private static final int CHUNK = 16;

    private final WgmmaAttention kernel;
    private final KernelBuilder k;
    private final WgmmaAttentionSpec spec;
    private final WgmmaParams in;
    private final WgmmaOrder order;
    private final WgmmaSoftmax softmax;
    private final int dim;
    private final Reg lane;
    private final Reg warpgroup;
    private final List<Reg> s;
    private final List<Reg> t;
    /** P as left operands of the tensor cores; one of its steps at a time if it goes through shared memory. */
    private final List<Reg> p;

    /** The warpgroup's P in shared memory; null if P stays in registers. */
    private final Reg pTile;

    /** {@link WgmmaAttention#place}s: of P, of the first of the warpgroup's tiles of Q, and of the first stages of K and V. */
    private final Reg pPlace;

    private final Reg qPlace;
    private final Reg kPlace;
    private final Reg vPlace;
    private final List<Reg> o;
    private final List<Reg> max = new ArrayList<>();
    private final List<Reg> endedMax = new ArrayList<>();
    private final List<Reg> alpha = new ArrayList<>();
    private final List<Reg> sum;
    /** The warpgroup's key tiles of the work tile from the one at hand on. */
    private final Reg left;
    /** How many of its last ones hold hidden keys. */
    private final Reg hiding;
    /** 1 if another work tile follows. */
    private final Reg further;

    private final Reg qScale;
    /** Warpgroups among which the key tiles go in turn. */
    private final int sharers;
    /**
     * Key tiles that the CTA began over all work tiles, the one at hand not counted; the warpgroup's last pass began the one
     * that is {@code sharers} before.
     */
    private final Reg passes;
    /** Work tiles begun, the one at hand not counted. */
    private final Reg begun;

    WgmmaConsumer(WgmmaAttention kernel) {
        this.kernel = kernel;
        k = kernel.k;
        spec = kernel.spec;
        in = kernel.in;
        dim = kernel.dim;
        order = WgmmaOrder.of(spec);
        lane = k.and(kernel.tid, 31);
        warpgroup = uniform(k.shr(kernel.tid, 7));
        s = k.regs(RegType.B32, KEYS / 2);
        Wgmma.Form form = form();
        t = k.regs(form.accumulator(), form.registers(dim + N));
        int steps = spec.fp16() ? KEYS / 16 : KEYS / STEP_BYTES;
        p = k.regs(RegType.B32, (spec.sharedP() ? 1 : steps) * WgmmaSoftmax.STEP_REGS);
        pTile = spec.sharedP() ? k.mad(Type.U32, warpgroup, Imm.of(WgmmaAttention.P_TILE), kernel.sharedP) : null;
        Reg pStore = spec.sharedP() ? pStore() : null;
        pPlace = spec.sharedP() ? kernel.place(pTile) : null;
        Reg own = k.mad(Type.U32, warpgroup, Imm.of(WgmmaLayout.Q_ROWS * dim), kernel.sharedQ);
        qPlace = kernel.place(spec.keySharers() > 1 ? kernel.sharedQ : own);
        kPlace = kernel.place(kernel.sharedK);
        vPlace = kernel.place(kernel.sharedV);
        o = spec.fp16() ? t.subList(0, dim / 2) : k.regs(RegType.F32, dim / 2);
        sum = spec.fp16() ? sums(t) : k.regs(RegType.F32, 2);
        clearOutput();
        for (int half = 0; half < 2; half++) {
            max.add(k.move(Type.F32, Imm.of(Numbers.MASKED)));
            endedMax.add(k.move(Type.F32, Imm.of(0f)));
            alpha.add(k.move(Type.F32, Imm.of(0f)));
        }
        softmax = new WgmmaSoftmax(k, spec, order, s, p, pStore, max, alpha);
        left = k.reg(RegType.B32);
        hiding = k.reg(RegType.B32);
        further = k.reg(RegType.B32);
        qScale = k.reg(RegType.F32);
        sharers = spec.keySharers();
        passes = k.move(Type.U32, sharers > 1 ? warpgroup : Imm.of(0));
        begun = k.move(Type.U32, Imm.of(0));
    }

    /** A value that all lanes have alike, so that the assembler knows it and works out uniformly what hangs on it. */
    private Reg uniform(Reg value) {
        Reg to = k.reg(RegType.B32);
        k.emit(new Shuffle(Shuffle.Mode.IDX, to, value, Imm.of(0)));
        return to;
    }

    private Wgmma.Form form() {
        if (spec.fp16()) {
            return Wgmma.Form.F16_F32;
        }
        return spec.halfSums() ? Wgmma.Form.E4M3_F16 : Wgmma.Form.E4M3_F32;
    }

    /**
     * Lane l gives row l % 8 of matrix l / 8: the warp's rows 0..7, 8..15 of the first 16 keys, then of the next 16. Rows of
     * 128 bytes, swizzled.
     */
    private Reg pStore() {
        Reg inMatrix = k.and(lane, N - 1);
        Reg below = k.mad(Type.U32, k.and(k.shr(lane, 3), 1), Imm.of(N), inMatrix);
        Reg row = k.mad(Type.U32, warp(), Imm.of(16), below);
        Reg chunk = k.xor(k.shr(lane, 4), inMatrix);
        return k.mad(Type.U32, row, Imm.of(KEYS), k.mad(Type.U32, chunk, Imm.of(CHUNK), pTile));
    }

    void attend() {
        take();
        softmax.setScores();
        awaitStage(kernel.fullK, passes, Imm.of(0));
        expectScores();
        startScores();
        k.emit(new WgmmaWait(0));
        takeScores();
        k.set(passes, Operation.ADD, Type.U32, passes, Imm.of(sharers));
        k.when(hasNext(), () -> awaitStage(kernel.fullK, passes, Imm.of(0)));
        softmax.exponentials();
        k.loop(this::hasNext, this::pass);
        startOutput(k.add(passes, -sharers));
        k.emit(new WgmmaWait(0));
        if (!spec.fp16()) {
            accumulate(alpha);
        }
        if (spec.keepsMax()) {
            keepMax();
        }
        writeTile(begun);
    }

    /** Whether a pass follows. */
    private Reg hasNext() {
        Reg inTile = k.compare(Relation.GT, Type.U32, left, Imm.of(1));
        return k.get(Operation.OR, Type.PRED, inTile, k.compare(Relation.NE, Type.U32, further, Imm.of(0)));
    }

    private void pass() {
        k.set(left, Operation.SUB, Type.U32, left, Imm.of(1));
        Reg ended = k.compare(Relation.EQ, Type.U32, left, Imm.of(0));
        k.when(ended, this::takeNext);
        // Ahead of the products, behind whose start it would be waited for.
        expectScores();
        startScores();
        startOutput(k.add(passes, -sharers));
        k.emit(new WgmmaWait(1));
        List<Reg> factors = alpha.stream().map(a -> k.move(Type.F32, a)).toList();
        takeScores();
        k.set(passes, Operation.ADD, Type.U32, passes, Imm.of(sharers));
        // The assembler would move the wait for T ahead of the maximum, which undoes the overlap: a loop whose address
        // hangs on the result stands in its way. An alpha is never negative.
        Reg sign = k.shr(k.bits(alpha.get(0)), 31);
        k.when(hasNext(), () -> awaitStage(kernel.fullK, passes, sign));
        k.emit(new WgmmaWait(0));
        release(kernel.emptyV, stage(k.add(passes, -2 * sharers)));
        if (!spec.fp16()) {
            accumulate(factors);
        }
        if (order.withSums()) {
            softmax.exponentials();
        }
        k.when(ended, () -> {
            writeTile(k.add(begun, -1));
            clearOutput();
        });
        if (spec.fp16()) {
            bringDown();
        }
        if (!order.withSums()) {
            softmax.exponentials();
        }
    }

    private void clearOutput() {
        o.forEach(r -> k.set(r, Type.F32, Imm.of(0f)));
        sum.forEach(r -> k.set(r, Type.F32, Imm.of(0f)));
    }

    /** O as the new maxima see it. */
    private void bringDown() {
        for (int i = 0; i < o.size(); i++) {
            k.set(o.get(i), Operation.MUL, Type.F32, o.get(i), alpha.get(i / 2 % 2));
        }
        for (int half = 0; half < 2; half++) {
            k.set(sum.get(half), Operation.MUL, Type.F32, sum.get(half), alpha.get(half));
        }
    }

    /** Goes on to the next work tile; the last one's products with Q are done. */
    private void takeNext() {
        release(kernel.emptyQ, kernel.qBuffer(begun));
        k.set(begun, Operation.ADD, Type.U32, begun, Imm.of(1));
        if (spec.keepsMax()) {
            keepMax();
        }
        max.forEach(m -> k.set(m, Type.F32, Imm.of(Numbers.MASKED)));
        take();
    }

    private void keepMax() {
        for (int half = 0; half < 2; half++) {
            k.set(endedMax.get(half), Type.F32, max.get(half));
        }
    }

    private void take() {
        kernel.await(kernel.stageAddress(kernel.fullQ, kernel.qBuffer(begun), BARRIER), kernel.qParity(begun));
        WgmmaAttention.Ticket ticket = kernel.ticket(begun);
        WgmmaParams.Work work = ticket.work();
        k.set(left, Type.U32, in.passes(work));
        k.set(further, Type.U32, ticket.further());
        Reg whole = in.kvLen(work);
        if (spec.causal()) {
            Reg own = sharers > 1 ? k.move(Type.U32, Imm.of(0)) : k.shl(warpgroup, 6);
            Reg first = k.mad(Type.U32, work.qTile(), Imm.of(spec.rows()), own);
            whole = in.seen(work, k.add(first, 1));
        }
        Reg allSeen = k.shr(whole, 7);
        k.set(hiding, Operation.SUB, Type.S32, left, sharers > 1 ? before(work, allSeen) : allSeen);
        Reg inTile = sharers > 1
                ? scaleOfThread()
                : k.mad(Type.U32, warpgroup, Imm.of(WgmmaLayout.Q_SCALES), scaleOfThread());
        Reg at = k.mad(Type.U32, inTile, Imm.of(FLOAT), kernel.notes(begun));
        // The codes of Q have its sign.
        Reg factor = spec.quantizesQ() ? k.get(Operation.ABS, Type.F32, in.scoreScale) : in.scoreScale;
        k.set(qScale, Operation.MUL, Type.F32, k.load(Space.SHARED, Type.F32, Address.of(at)), factor);
    }

    /** How many of the warpgroup's passes through a part are through key tiles before one. */
    private Reg before(WgmmaParams.Work work, Reg keyTile) {
        Reg first = k.add(Type.U32, work.part().firstKeyTile(), warpgroup);
        Reg others = k.max(Type.S32, k.sub(Type.S32, keyTile, first), Imm.of(0));
        return k.get(Operation.DIV, Type.U32, k.add(others, sharers - 1), Imm.of(sharers));
    }

    /** First of the thread's two rows, which are 8 apart. */
    private Reg firstRow(WgmmaParams.Work work) {
        return k.mad(Type.U32, work.qTile(), Imm.of(spec.rows()), rowInTile());
    }

    private Reg rowInTile() {
        Reg inWarpgroup = k.mad(Type.U32, warp(), Imm.of(16), k.shr(lane, 2));
        return sharers > 1 ? inWarpgroup : k.mad(Type.U32, warpgroup, Imm.of(WgmmaLayout.Q_ROWS), inWarpgroup);
    }

    private Reg warp() {
        return k.and(k.shr(kernel.tid, 5), 3);
    }

    private Reg scaleOfThread() {
        return k.mad(Type.U32, warp(), Imm.of(8), k.shr(lane, 2));
    }

    // ---- products ----

    private void startScores() {
        k.emit(new Fence(Fence.Kind.WGMMA));
        Reg q = operand(qPlace, kernel.qBuffer(begun), kernel.qStage, dim);
        Reg keys = operand(kPlace, stage(passes), kernel.kStage, dim);
        for (int step = 0; step < dim / STEP_BYTES; step++) {
            int bytes = step * STEP_BYTES;
            k.emit(new Wgmma(Wgmma.Form.S8, KEYS, s, List.of(further(q, bytes)), further(keys, bytes), true));
        }
        k.emit(new Fence(Fence.Kind.WGMMA_COMMIT));
    }

    /** P V of a pass, in the background. */
    private void startOutput(Reg before) {
        if (!spec.pairsTiles()) {
            awaitStage(kernel.fullV, before, Imm.of(0));
        }
        k.emit(new Fence(Fence.Kind.WGMMA));
        Reg v = operand(vPlace, stage(before), kernel.vStage, KEYS);
        int steps = spec.fp16() ? KEYS / 16 : KEYS / STEP_BYTES;
        int inPart = steps / spec.vParts();
        Reg shared = spec.sharedP() ? kernel.descriptor(pPlace, KEYS) : null;
        for (int step = 0; step < steps; step++) {
            Reg from = further(v, step / inPart * kernel.vPart + step % inPart * STEP_BYTES);
            boolean adds = spec.fp16() || step > 0;
            List<Reg> left = spec.sharedP()
                    ? List.of(further(shared, step * STEP_BYTES))
                    : p.subList(WgmmaSoftmax.STEP_REGS * step, WgmmaSoftmax.STEP_REGS * (step + 1));
            k.emit(new Wgmma(form(), dim + N, t, left, from, adds));
        }
        k.emit(new Fence(Fence.Kind.WGMMA_COMMIT));
    }

    /** Descriptor of a stage of so many bytes. */
    private Reg operand(Reg first, Reg stage, int bytes, int pitch) {
        return kernel.descriptor(kernel.stageAddress(first, stage, WgmmaAttention.inDescriptor(bytes)), pitch);
    }

    /** The descriptor so many bytes further. */
    private Reg further(Reg descriptor, int bytes) {
        long distance = WgmmaAttention.inDescriptor(bytes);
        return bytes == 0 ? descriptor : k.add(Type.U64, descriptor, Imm.of(distance));
    }

    // ---- what the softmax is told ----

    private void expectScores() {
        Reg at = k.mad(
                Type.U32,
                k.and(lane, 3),
                Imm.of(FLOAT),
                kernel.stageAddress(kernel.sharedScales, stage(passes), WgmmaLayout.K_SCALES * FLOAT));
        Reg scale = k.mul(Type.F32, qScale, k.load(Space.SHARED, Type.F32, Address.of(at)));
        softmax.expect(scale, k.compare(Relation.LE, Type.S32, left, hiding));
    }

    private void takeScores() {
        if (!spec.pairsTiles()) {
            release(kernel.emptyK, stage(passes));
        }
        softmax.maximum(this::limits);
    }

    /** The last visible one of the thread's keys in each of its rows, counted from its first one. */
    private List<Reg> limits() {
        WgmmaParams.Work work = kernel.ticket(begun).work();
        Reg row = firstRow(work);
        Reg tile = keyTile(work);
        Reg firstKey = k.mad(Type.U32, tile, Imm.of(KEYS), k.shl(k.and(lane, 3), 1));
        Reg end = k.sub(Type.S32, k.sub(Type.S32, in.kvLen(work), Imm.of(1)), firstKey);
        List<Reg> limits = new ArrayList<>();
        for (int half = 0; half < 2; half++) {
            Reg limit = end;
            if (spec.causal()) {
                Reg diagonal = k.sub(Type.S32, k.add(Type.S32, k.add(row, half * N), in.diagonal(work)), firstKey);
                limit = k.min(Type.S32, end, diagonal);
            }
            limits.add(limit);
        }
        return limits;
    }

    /** The key tile at hand. */
    private Reg keyTile(WgmmaParams.Work work) {
        if (sharers == 1) {
            return k.sub(Type.U32, work.keyTiles(), left);
        }
        Reg first = k.add(Type.U32, work.part().firstKeyTile(), warpgroup);
        return k.mad(Type.U32, k.sub(Type.U32, in.passes(work), left), Imm.of(sharers), first);
    }

    // ---- sums ----

    private void accumulate(List<Reg> factor) {
        List<Reg> sums = wide();
        for (int i = 0; i < o.size(); i++) {
            k.set(o.get(i), Operation.FMA, Type.F32, o.get(i), factor.get(i / 2 % 2), sums.get(i));
        }
        for (int half = 0; half < 2; half++) {
            k.set(
                    sum.get(half),
                    Operation.FMA,
                    Type.F32,
                    sum.get(half),
                    factor.get(half),
                    sums(sums).get(half));
        }
    }

    /** Sums of P of the thread's two rows among the accumulators: column {@code dim}, in the first lane of four. */
    private List<Reg> sums(List<Reg> accumulators) {
        return List.of(accumulators.get(dim / 2), accumulators.get(dim / 2 + 2));
    }

    private List<Reg> wide() {
        if (!spec.halfSums()) {
            return t;
        }
        List<Reg> wide = new ArrayList<>();
        t.forEach(pair -> k.unpack(pair).forEach(half -> wide.add(k.convert(Conversion.F32_FROM_F16, half))));
        return wide;
    }

    // ---- output ----

    private void writeTile(Reg number) {
        WgmmaParams.Work work = kernel.ticket(number).work();
        if (spec.splitsKeys()) {
            Reg part = k.mad(Type.U32, work.part().number(), Imm.of(sharers), warpgroup);
            new WgmmaParts(k, spec, in, lane, work, part, rowInTile()).write(o, endedMax, sum);
            return;
        }
        Reg buffer = k.mad(Type.U32, k.shr(kernel.tid, 5), Imm.of(WgmmaOutput.WARP_BYTES), kernel.sharedOut());
        new WgmmaOutput(k, spec, in, lane, work, firstRow(work), kernel.vStatistics(number), buffer)
                .write(o, endedMax, sum);
    }

    // ---- barriers ----

    /** Stage of a key tile. */
    private Reg stage(Reg number) {
        return k.and(number, kernel.stages - 1);
    }

    /** Waits until a key tile is there; {@code further} is 0, as an operand that the assembler cannot see through. */
    private void awaitStage(Reg barriers, Reg number, Operand further) {
        Reg at = kernel.stageAddress(barriers, stage(number), BARRIER);
        Reg barrier = further instanceof Reg ? k.mad(Type.U32, further, Imm.of(BARRIER), at) : at;
        int rounds = Integer.numberOfTrailingZeros(kernel.stages);
        kernel.await(barrier, k.and(k.shr(number, rounds), 1));
    }

    /** Gives a stage back, as far as this thread has read it. */
    private void release(Reg barriers, Reg stage) {
        Address at = Address.of(kernel.stageAddress(barriers, stage, BARRIER));
        k.emit(new Mbarrier(Mbarrier.Kind.ARRIVE, at, null));
    }
}
