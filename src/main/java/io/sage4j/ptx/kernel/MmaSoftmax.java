package io.sage4j.ptx.kernel;

import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.ShiftGrid;
import io.sage4j.numeric.TileShape;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operand;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;
import java.util.ArrayList;
import java.util.List;

/**
 * The online softmax of a thread's rows in {@link MmaAttention}: sums of a tile become p, by way of scores, and the rows'
 * maxima and sums run on. Four threads share a row, and a thread has 16 of a tile's keys: {@code 2t, 2t + 1} of every 8.
 */
final class MmaSoftmax {
    private static final int KEYS = TileShape.MMA_SYNC.blockK();
    private static final int N = 8;
    private static final int FLOAT = 4;

    private final KernelBuilder k;
    private final MmaAttentionSpec spec;
    private final AttentionParams in;
    private final MmaPlace place;
    private final Reg lane;
    private final Reg sharedShifts;
    /** Running maximum of each row. */
    private final List<Reg> max = new ArrayList<>();
    /** The running sum of each row, or the thread's part of it. */
    private final List<Reg> sum = new ArrayList<>();

    /** @param sharedShifts two rows of 64 {@code ds} in shared memory; null without smooth Q */
    MmaSoftmax(KernelBuilder k, MmaAttentionSpec spec, AttentionParams in, MmaPlace place, Reg lane, Reg sharedShifts) {
        this.k = k;
        this.spec = spec;
        this.in = in;
        this.place = place;
        this.lane = lane;
        this.sharedShifts = sharedShifts;
        for (int r = 0; r < 2 * spec.rowTiles(); r++) {
            max.add(k.move(Type.F32, Imm.of(Numbers.MASKED)));
            sum.add(k.move(Type.F32, Imm.of(0f)));
        }
    }

    Reg max(int row) {
        return max.get(row);
    }

    Reg sum(int row) {
        return sum.get(row);
    }

    /**
     * What turns the sums of a tile into scores.
     *
     * @param floats whether the sums are {@link FloatScores}
     * @param scale factor
     * @param zero what takes off again what the sums started from, scaled
     * @param limits which are visible; null if all are
     * @param shifts what smooth Q took from the thread's 16 keys, ascending, with {@code zero} in it; empty without
     */
    record Scores(boolean floats, Reg scale, Operand zero, Limits limits, List<Reg> shifts) {
        /** Whether they are scaled before the maximum is taken, and not in the exponent. */
        boolean first() {
            return limits != null || !shifts.isEmpty();
        }
    }

    /**
     * Of a tile.
     *
     * @param c factor of the thread's sums
     * @param j which tile
     * @param stage which of two its {@code ds} are in
     * @param masked whether it may have keys that a row does not see
     */
    Scores scores(Reg c, Reg j, Reg stage, boolean masked) {
        boolean floats = spec.roundsShifts() || !masked && spec.floatScores();
        Reg scale = spec.roundsShifts() ? k.floating(k.and(k.bits(c), ShiftGrid.KEPT)) : c;
        Operand zero = floats ? k.mul(Type.F32, scale, Imm.of(-Numbers.ROUND_TO_INT)) : Imm.of(0f);
        List<Reg> shifts = shifts(stage);
        if (floats) {
            shifts.replaceAll(shift -> k.add(Type.F32, shift, zero));
        }
        return new Scores(floats, scale, zero, masked ? limits(j) : null, shifts);
    }

    /** What the four sums of an instruction start from. */
    List<Operand> start(Scores scores) {
        List<Operand> start = new ArrayList<>();
        for (int e = 0; e < 4; e++) {
            start.add(scores.floats() ? k.move(Type.U32, Imm.of(FloatScores.START)) : Imm.of(0));
        }
        return start;
    }

    /** The thread's 16 of a tile's {@code ds}. */
    private List<Reg> shifts(Reg stage) {
        List<Reg> shifts = new ArrayList<>();
        if (spec.scheme().smoothQ()) {
            Reg inTile = k.mad(Type.U32, stage, Imm.of(KEYS * FLOAT), sharedShifts);
            Reg at = k.mad(Type.U32, k.and(lane, 3), Imm.of(2 * FLOAT), inTile);
            for (int n = 0; n < KEYS; n += N) {
                shifts.addAll(
                        k.loadVector(Space.SHARED, Type.F32, 2, Address.of(at).plus(n * FLOAT), false));
            }
        }
        return shifts;
    }

    /** Turns the sums of a row into p, {@code x}, and returns the factor of what the row has summed so far. */
    Reg row(List<Reg> sums, List<Reg> x, int row, Scores scores) {
        float offset = spec.scheme().pOffset();
        boolean first = scores.first();
        if (first) {
            scaled(sums, x, scores);
        }
        if (scores.limits() != null) {
            mask(x, scores.limits(), row);
        }
        Reg m;
        if (first) {
            m = k.add(Type.F32, extreme(x, Operation.MAX, Type.F32), Imm.of(-offset));
        } else {
            Operation further = spec.negativeScale() ? Operation.MIN : Operation.MAX;
            Reg extreme = number(extreme(sums, further, Type.S32), scores);
            m = k.add(Type.F32, k.fma(extreme, scores.scale(), scores.zero()), Imm.of(-offset));
        }
        for (int mask = 1; mask <= 2; mask *= 2) {
            m = k.max(Type.F32, m, k.shuffleXor(m, mask));
        }
        m = k.max(Type.F32, max.get(row), m);
        Reg alpha = k.get(Operation.EX2, Type.F32, k.sub(Type.F32, max.get(row), m));
        k.set(max.get(row), Type.F32, m);
        Reg minus = first ? k.get(Operation.NEG, Type.F32, m) : k.sub(Type.F32, scores.zero(), m);
        for (int n = 0; n < x.size(); n++) {
            Reg y = first
                    ? k.add(Type.F32, x.get(n), minus)
                    : k.fma(number(sums.get(n), scores), scores.scale(), minus);
            k.set(x.get(n), Operation.EX2, Type.F32, y);
        }
        if (spec.addsP()) {
            Reg tileSum = k.add(Type.F32, x.get(0), x.get(1));
            for (Reg element : x.subList(2, x.size())) {
                k.set(tileSum, Operation.ADD, Type.F32, tileSum, element);
            }
            k.set(sum.get(row), Operation.FMA, Type.F32, sum.get(row), alpha, tileSum);
        }
        return alpha;
    }

    private Reg extreme(List<Reg> of, Operation further, Type type) {
        Reg extreme = k.get(further, type, of.get(0), of.get(1));
        of.subList(2, of.size()).forEach(element -> k.set(extreme, further, type, extreme, element));
        return extreme;
    }

    private void scaled(List<Reg> sums, List<Reg> x, Scores scores) {
        for (int n = 0; n < x.size(); n++) {
            Reg sum = number(sums.get(n), scores);
            if (scores.shifts().isEmpty()) {
                k.set(x.get(n), Operation.MUL, Type.F32, sum, scores.scale());
            } else {
                k.set(
                        x.get(n),
                        Operation.FMA,
                        Type.F32,
                        sum,
                        scores.scale(),
                        scores.shifts().get(n));
            }
        }
    }

    private Reg number(Reg sum, Scores scores) {
        return scores.floats() ? k.floating(sum) : k.convert(Conversion.F32_FROM_S32, sum);
    }

    /**
     * Last visible keys, relative to the thread's first key of a tile.
     *
     * @param end last key that there is
     * @param diagonal last key that the diagonal leaves to the thread's first row; null without a diagonal
     */
    private record Limits(Reg end, Reg diagonal) {}

    private Limits limits(Reg j) {
        Reg firstKey = k.mad(Type.U32, j, Imm.of(KEYS), k.shl(k.and(k.read(Special.TID_X), 3), 1));
        Reg end = k.sub(Type.S32, k.sub(Type.S32, in.kvLen, Imm.of(1)), firstKey);
        Reg diagonal = spec.causal() ? k.sub(Type.S32, k.add(Type.S32, place.firstRow(), in.diagonal), firstKey) : null;
        return new Limits(end, diagonal);
    }

    /** Hides scaled scores: a scale that is NaN must not come back through a hidden key. */
    private void mask(List<Reg> x, Limits limits, int row) {
        Reg limit = limits.end();
        if (spec.causal()) {
            limit = k.min(Type.S32, limit, k.add(limits.diagonal(), row * N));
        }
        for (int n = 0; n < x.size(); n++) {
            int key = n / 2 * N + n % 2;
            Reg visible = k.compare(Relation.GE, Type.S32, limit, Imm.of(key));
            k.set(x.get(n), Type.F32, k.select(Type.F32, visible, x.get(n), Imm.of(Float.NEGATIVE_INFINITY)));
        }
    }

    /** Adds the sums of a tile's p, one for each row, that the tensor cores found. */
    void add(List<Reg> sums, List<Reg> alpha) {
        for (int r = 0; r < sums.size(); r++) {
            k.set(sum.get(r), Operation.FMA, Type.F32, sum.get(r), alpha.get(r), sums.get(r));
        }
    }

    /** Makes the sums of a thread those of its rows. */
    void finish() {
        if (!spec.addsP()) {
            return;
        }
        for (Reg l : sum) {
            for (int mask = 1; mask <= 2; mask *= 2) {
                k.set(l, Operation.ADD, Type.F32, l, k.shuffleXor(l, mask));
            }
        }
    }
}
