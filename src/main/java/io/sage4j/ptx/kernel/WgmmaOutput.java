package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.numeric.Numbers;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.Shuffle;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;
import java.util.List;

/** The end of a work tile of {@link WgmmaAttention} (docs/numerics.md, 6): a thread's channels of its two rows. */
final class WgmmaOutput {
    private static final int N = 8;
    private static final int FLOAT = 4;
    private static final int HALF = 2;

    private final KernelBuilder k;
    private final WgmmaAttentionSpec spec;
    private final WgmmaParams in;
    private final Reg lane;
    private final Reg head;
    private final Reg row;
    private final Reg channel;

    /**
     * An output.
     *
     * @param head query head, counted over the batch
     * @param row first of the thread's rows; the other is 8 further
     */
    WgmmaOutput(KernelBuilder k, WgmmaAttentionSpec spec, WgmmaParams in, Reg lane, Reg head, Reg row) {
        this.k = k;
        this.spec = spec;
        this.in = in;
        this.lane = lane;
        this.head = head;
        this.row = row;
        channel = k.shl(k.and(lane, 3), 1);
    }

    /** Writes; {@code sum} holds a row's sum in the first of the four lanes that share the row. */
    void write(List<Reg> o, List<Reg> max, List<Reg> sum) {
        Reg kvHead = in.kvHead(head);
        Reg statistics = k.mad(Type.U32, kvHead, Imm.of(spec.paddedDim()), channel);
        Reg queryHeads = k.mul(Type.U32, in.kvHeads, in.groupSize);
        Reg batch = k.div(Type.U32, head, queryHeads);
        Reg inBatch = k.sub(Type.U32, head, k.mul(Type.U32, batch, queryHeads));
        Reg start = k.mad64(inBatch, in.outHead, k.convert(Conversion.U64_FROM_U32, channel));
        Reg base = k.mad64(batch, in.outBatch, start);
        Reg leader = k.and(lane, ~3);
        for (int half = 0; half < 2; half++) {
            Reg l = k.reg(RegType.F32);
            k.emit(new Shuffle(Shuffle.Mode.IDX, l, sum.get(half), leader));
            Reg at = k.add(row, half * N);
            Reg valid = k.compare(Relation.LT, Type.U32, at, in.qoLen);
            if (spec.lse()) {
                lse(at, valid, max.get(half), l);
            }
            Reg empty = k.compare(Relation.EQ, Type.F32, l, Imm.of(0f));
            Reg inverse = k.get(Operation.RCP, Type.F32, l);
            Reg bytes = k.mul(Type.U64, k.mad64(at, in.outToken, base), Imm.of((long) HALF));
            Address to = Address.of(k.add(Type.U64, in.out, bytes));
            for (int n = 0; n < spec.paddedDim() / N; n++) {
                List<Reg> values = o.subList(4 * n + 2 * half, 4 * n + 2 * half + 2);
                channels(values, n, statistics, inverse, empty, valid, to.plus(n * N * HALF));
            }
        }
    }

    private void lse(Reg at, Reg valid, Reg max, Reg sum) {
        Reg first = k.and(valid, k.compare(Relation.EQ, Type.U32, channel, Imm.of(0)));
        Reg natural = k.mul(Type.F32, k.add(Type.F32, max, k.get(Operation.LG2, Type.F32, sum)), Imm.of(Numbers.LN2));
        Reg index = k.mad64(head, k.convert(Conversion.U64_FROM_U32, in.qoLen), k.convert(Conversion.U64_FROM_U32, at));
        Reg offset = k.mul(Type.U64, index, Imm.of((long) FLOAT));
        Reg shift = k.move(Type.F32, Imm.of(0f));
        Reg corrected = k.and(first, k.compare(Relation.NE, Type.U64, in.correction, Imm.of(0L)));
        Reg from = k.add(Type.U64, in.correction, offset);
        k.guarded(corrected, () -> k.set(shift, Type.F32, k.loadReadOnly(Type.F32, Address.of(from))));
        Reg empty = k.compare(Relation.EQ, Type.F32, sum, Imm.of(0f));
        Reg value = k.select(Type.F32, empty, Imm.of(Float.NEGATIVE_INFINITY), k.add(Type.F32, natural, shift));
        Reg to = k.add(Type.U64, in.lse, offset);
        k.guarded(first, () -> k.store(Space.GLOBAL, Type.F32, Address.of(to), value));
    }

    private void channels(List<Reg> values, int n, Reg statistics, Reg inverse, Reg empty, Reg valid, Address to) {
        List<Reg> scales = statistic(in.vScale, statistics, n);
        List<Reg> means = in.vMean == null ? null : statistic(in.vMean, statistics, n);
        Reg[] out = new Reg[2];
        for (int e = 0; e < 2; e++) {
            Reg value = k.mul(Type.F32, k.mul(Type.F32, values.get(e), inverse), scales.get(e));
            if (means != null) {
                value = k.add(Type.F32, value, means.get(e));
            }
            out[e] = k.select(Type.F32, empty, Imm.of(0f), value);
        }
        boolean half = spec.output() == DType.FLOAT16;
        Conversion conversion = half ? Conversion.F16X2_FROM_F32 : Conversion.BF16X2_FROM_F32;
        Reg both = k.convert(conversion, out[1], out[0]);
        if (spec.pairedStores()) {
            k.guarded(inside(valid, n, 0), () -> k.store(Space.GLOBAL, Type.U32, to, both));
            return;
        }
        List<Reg> halves = k.unpack(both);
        for (int e = 0; e < 2; e++) {
            Address at = to.plus(e * HALF);
            Reg one = halves.get(e);
            k.guarded(inside(valid, n, e), () -> k.store(Space.GLOBAL, Type.B16, at, one));
        }
    }

    private List<Reg> statistic(Reg array, Reg index, int n) {
        return k.loadVector(
                Space.GLOBAL,
                Type.F32,
                2,
                Address.of(k.index(array, index, FLOAT)).plus(n * N * FLOAT),
                true);
    }

    /** Whether a channel of a row is there to be written. */
    private Reg inside(Reg valid, int n, int element) {
        return k.and(valid, k.compare(Relation.LT, Type.U32, k.add(channel, n * N + element), in.channels));
    }
}
