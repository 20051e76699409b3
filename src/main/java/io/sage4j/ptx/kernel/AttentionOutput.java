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
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;
import java.util.ArrayList;
import java.util.List;

/** The end of a row (docs/numerics.md, 6): division by the sum, V scale and mean, rounding, and the stores. */
final class AttentionOutput {
    private static final int N = 8;
    private static final int FLOAT = 4;
    private static final int HALF = 2;

    private final KernelBuilder k;
    private final MmaAttentionSpec spec;
    private final AttentionParams in;
    private final Reg channelOfLane;
    private final Reg base;
    private final Reg statistics;
    private final List<Reg> valid = new ArrayList<>();
    private final List<Reg> empty = new ArrayList<>();
    private final List<Reg> inverse = new ArrayList<>();
    private final List<Reg> addresses = new ArrayList<>();

    AttentionOutput(KernelBuilder k, MmaAttentionSpec spec, AttentionParams in, Reg lane, Reg kvHead) {
        this.k = k;
        this.spec = spec;
        this.in = in;
        channelOfLane = k.shl(k.and(lane, 3), 1);
        Reg start = k.mad64(k.read(Special.CTAID_Y), in.outHead, k.convert(Conversion.U64_FROM_U32, channelOfLane));
        base = k.mad64(k.read(Special.CTAID_Z), in.outBatch, start);
        statistics = k.mad(Type.U32, kvHead, Imm.of(spec.paddedDim()), channelOfLane);
    }

    /** Writes the log-sum-exp of a row, from one of the four threads that share it. */
    void lse(Reg head, Reg row, Reg max, Reg sum) {
        Reg first = k.and(
                k.compare(Relation.EQ, Type.U32, channelOfLane, Imm.of(0)),
                k.compare(Relation.LT, Type.U32, row, in.qoLen));
        Reg log = k.add(Type.F32, max, k.get(Operation.LG2, Type.F32, sum));
        Reg natural = k.mul(Type.F32, log, Imm.of(Numbers.LN2));
        Reg index = k.mad(Type.U32, head, in.qoLen, row);
        Reg corrected = k.and(first, k.compare(Relation.NE, Type.U64, in.correction, Imm.of(0)));
        Reg shift = k.move(Type.F32, Imm.of(0f));
        k.guarded(
                corrected,
                () -> k.set(
                        shift, Type.F32, k.loadReadOnly(Type.F32, Address.of(k.index(in.correction, index, FLOAT)))));
        Reg empty = k.compare(Relation.EQ, Type.F32, sum, Imm.of(0f));
        Reg value = k.select(Type.F32, empty, Imm.of(Float.NEGATIVE_INFINITY), k.add(Type.F32, natural, shift));
        k.guarded(first, () -> k.store(Space.GLOBAL, Type.F32, Address.of(k.index(in.lse, index, FLOAT)), value));
    }

    /** Adds a row, to be written by {@link #write}. */
    void row(Reg row, Reg sum) {
        valid.add(k.compare(Relation.LT, Type.U32, row, in.qoLen));
        empty.add(k.compare(Relation.EQ, Type.F32, sum, Imm.of(0f)));
        inverse.add(k.get(Operation.RCP, Type.F32, sum));
        Reg bytes = k.mul(Type.U64, k.mad64(row, in.outToken, base), Imm.of((long) HALF));
        addresses.add(k.add(Type.U64, in.out, bytes));
    }

    /** Values of the thread in the output: two neighbouring channels of a row and an n8 tile. */
    interface Values {
        List<Reg> of(int row, int n);
    }

    /** Writes the thread's channels of all rows. */
    void write(Values values) {
        for (int n = 0; n < spec.paddedDim() / N; n++) {
            List<Reg> vScale = statistic(in.vScale, n);
            List<Reg> vMean = statistic(in.vMean, n);
            for (int r = 0; r < valid.size(); r++) {
                List<Reg> o = new ArrayList<>();
                for (int e = 0; e < 2; e++) {
                    Reg value = k.mul(Type.F32, values.of(r, n).get(e), inverse.get(r));
                    if (!vScale.isEmpty()) {
                        value = k.mul(Type.F32, value, vScale.get(e));
                    }
                    if (!vMean.isEmpty()) {
                        value = k.add(Type.F32, value, vMean.get(e));
                    }
                    o.add(k.select(Type.F32, empty.get(r), Imm.of(0f), value));
                }
                store(o, n, valid.get(r), Address.of(addresses.get(r)).plus(n * N * HALF));
            }
        }
    }

    private List<Reg> statistic(Reg array, int n) {
        if (array == null) {
            return List.of();
        }
        Address at = Address.of(k.index(array, statistics, FLOAT)).plus(n * N * FLOAT);
        return k.loadVector(Space.GLOBAL, Type.F32, 2, at, true);
    }

    private void store(List<Reg> o, int n, Reg validRow, Address to) {
        boolean half = spec.output() == DType.FLOAT16;
        if (spec.pairedStores()) {
            Conversion both = half ? Conversion.F16X2_FROM_F32 : Conversion.BF16X2_FROM_F32;
            Reg pair = k.convert(both, o.get(1), o.get(0));
            k.guarded(valid(validRow, n, 0), () -> k.store(Space.GLOBAL, Type.U32, to, pair));
            return;
        }
        for (int e = 0; e < 2; e++) {
            Reg one = k.convert(half ? Conversion.F16_FROM_F32 : Conversion.BF16_FROM_F32, o.get(e));
            Address at = to.plus(e * HALF);
            k.guarded(valid(validRow, n, e), () -> k.store(Space.GLOBAL, Type.B16, at, one));
        }
    }

    /** The row's predicate, and the channel's where there may be fewer than the operands have. */
    private Reg valid(Reg validRow, int n, int element) {
        if ((n + 1) * N <= spec.paddedDim() - QkCode.DIM_UNIT) {
            return validRow;
        }
        Reg channel = k.add(channelOfLane, n * N + element);
        return k.and(validRow, k.compare(Relation.LT, Type.U32, channel, in.channels));
    }
}
