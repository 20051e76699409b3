package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.WgmmaLayout;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.GridDependency;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.Shuffle;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;
import java.util.ArrayList;
import java.util.List;

/**
 * Joins what {@link WgmmaAttention} wrote of the parts of rows whose keys were split, and ends these rows
 * (docs/numerics.md, 6): with {@code m} the largest of the parts' maxima, a part weighs {@code 2^(m(part) - m)}; sums of P and
 * of P V are added up weighted, parts ascending, so that the result does not depend on who was ready first.
 *
 * <p>Grid: (tiles of 64 rows, rows of a tile that there are / 4 rounded up) CTAs of 128 threads, a warp to a row. It waits for
 * the kernel that it overlaps. Registers: at most 80. Parameters: {@code part_o} (U64, FP32 [tile * parts][64][paddedDim]),
 * {@code part_weights} (U64, FP32 [tile * parts][64][2], maximum and sum); with scaled V {@code v_scale}, with smooth V
 * {@code v_mean} (U64, FP32 [batch * kvHeads][paddedDim]); those of {@link OutputTarget}; {@code qo_len}, {@code kv_heads}, {@code
 * group_size}, {@code channels} (U32, the output channels); those of {@link WorkOrder} and {@link RestOrder}, which say which tiles
 * these are; {@code parts} (U32, of a tile, at most {@link #MOST_PARTS}).
 */
public final class JoinParts {
    /** Parts of a row: a lane has one's weight. */
    public static final int MOST_PARTS = 32;

    /** Warps of a CTA, and rows that it ends. */
    public static final int WARPS = 4;

    private static final int ROWS = WgmmaLayout.Q_ROWS;

    private static final int LANES = 32;
    /** Parts whose loads are under way at a time. */
    private static final int AT_ONCE = 8;

    /** Of a multiprocessor: registers for all loads that are under way. */
    private static final int MIN_BLOCKS = 6;

    private static final int FLOAT = 4;
    private static final int HALF = 2;

    /**
     * Which one to generate.
     *
     * @param scheme numeric scheme of the parts
     * @param paddedDim channels of the parts, 64 or 128
     * @param sharers tiles of 64 rows of a work tile that is not split
     * @param causal whether work tiles go by groups of heads
     * @param lse whether the log-sum-exp is written
     * @param output FP16 or BF16
     * @param paired whether channels, strides and pointer allow to write two channels at once
     */
    public record Spec(
            Scheme scheme, int paddedDim, int sharers, boolean causal, boolean lse, DType output, boolean paired) {
        /** The join for an attention kernel, whose output may be written so. */
        public static Spec of(WgmmaAttentionSpec whole) {
            boolean paired = whole.stores() != WgmmaAttentionSpec.Stores.SINGLE;
            return new Spec(
                    whole.scheme(),
                    whole.paddedDim(),
                    whole.consumers(),
                    whole.causal(),
                    whole.lse(),
                    whole.output(),
                    paired);
        }
    }

    private final KernelBuilder k;
    private final Spec spec;
    private final int own;
    private final Reg partO;
    private final Reg partWeights;
    private final Reg vScale;
    private final Reg vMean;
    private final OutputTarget target;
    private final Reg qoLen;
    private final Reg kvHeads;
    private final Reg groupSize;
    private final Reg channels;
    private final RestOrder rest;
    private final Reg parts;
    private final Reg lane;

    private JoinParts(KernelBuilder k, Spec spec) {
        this.k = k;
        this.spec = spec;
        own = spec.paddedDim() / LANES;
        partO = k.param("part_o", Type.U64);
        partWeights = k.param("part_weights", Type.U64);
        vScale = spec.scheme().pv().scalesV() ? k.param("v_scale", Type.U64) : null;
        vMean = spec.scheme().smoothV() ? k.param("v_mean", Type.U64) : null;
        target = new OutputTarget(k, spec.lse());
        qoLen = k.param("qo_len", Type.U32);
        kvHeads = k.param("kv_heads", Type.U32);
        groupSize = k.param("group_size", Type.U32);
        channels = k.param("channels", Type.U32);
        rest = new RestOrder(k, new WorkOrder(k, spec.causal()), spec.sharers());
        parts = k.param("parts", Type.U32);
        lane = k.and(k.read(Special.TID_X), LANES - 1);
    }

    /** The kernel. */
    public static Kernel kernel(Spec spec) {
        KernelBuilder k = new KernelBuilder("sage_join_parts", WARPS * LANES).minBlocks(MIN_BLOCKS);
        new JoinParts(k, spec).write();
        return k.build();
    }

    private void write() {
        k.emit(new GridDependency(GridDependency.Kind.WAIT));
        Reg tile = k.read(Special.CTAID_X);
        WorkOrder.Place place = rest.place(tile);
        Reg warp = k.shr(k.read(Special.TID_X), 5);
        Reg inTile = k.mad(Type.U32, k.read(Special.CTAID_Y), Imm.of(WARPS), warp);
        Reg row = k.mad(Type.U32, place.qTile(), Imm.of(ROWS), inTile);
        Reg there = k.and(
                k.compare(Relation.LT, Type.U32, inTile, Imm.of(ROWS)), k.compare(Relation.LT, Type.U32, row, qoLen));
        Reg first = k.mad(Type.U32, k.mul(Type.U32, tile, parts), Imm.of(ROWS), inTile);
        // A whole warp has the row or has not.
        k.when(there, () -> join(place.head(), row, first));
    }

    /** A row, of whose parts the first one has the number {@code first}, the next one {@code rows} more, and so on. */
    private void join(Reg head, Reg row, Reg first) {
        Reg from = k.index(k.index(partO, first, spec.paddedDim() * FLOAT), lane, own * FLOAT);
        // On their way while the weights are.
        List<List<Reg>> values = load(from, k.move(Type.U32, Imm.of(0)));
        Reg ownMax = k.move(Type.F32, Imm.of(Numbers.MASKED));
        Reg ownSum = k.move(Type.F32, Imm.of(0f));
        Reg weightAt = k.index(partWeights, k.mad(Type.U32, lane, Imm.of(ROWS), first), 2 * FLOAT);
        k.when(k.compare(Relation.LT, Type.U32, lane, parts), () -> {
            List<Reg> both = k.loadVector(Space.GLOBAL, Type.F32, 2, Address.of(weightAt), false);
            k.set(ownMax, Type.F32, both.get(0));
            k.set(ownSum, Type.F32, both.get(1));
        });
        Reg max = ownMax;
        for (int bit = LANES / 2; bit > 0; bit /= 2) {
            max = k.max(Type.F32, max, k.shuffleXor(max, bit));
        }
        Reg weight = k.get(Operation.EX2, Type.F32, k.sub(Type.F32, ownMax, max));
        Reg sum = k.move(Type.F32, Imm.of(0f));
        List<Reg> o = new ArrayList<>();
        for (int c = 0; c < own; c++) {
            o.add(k.move(Type.F32, Imm.of(0f)));
        }
        add(values, k.move(Type.U32, Imm.of(0)), weight, ownSum, o, sum);
        k.range(Imm.of(AT_ONCE), parts, AT_ONCE, part -> add(load(from, part), part, weight, ownSum, o, sum));
        end(head, row, max, o, sum);
    }

    /** The lane's channels of the next parts; where there are none, those of the last one. */
    private List<List<Reg>> load(Reg from, Reg part) {
        List<List<Reg>> values = new ArrayList<>();
        Reg last = k.add(parts, -1);
        for (int n = 0; n < AT_ONCE; n++) {
            Reg number = k.min(Type.U32, k.add(part, n), last);
            Reg at = k.index(from, number, ROWS * spec.paddedDim() * FLOAT);
            values.add(k.loadVector(Space.GLOBAL, Type.F32, own, Address.of(at), false));
        }
        return values;
    }

    /**
     * Adds the next parts. One without a visible key is left out, whatever a V that is no number made of it, and so is what is
     * no part: its lane has no sum.
     */
    private void add(List<List<Reg>> values, Reg part, Reg weight, Reg ownSum, List<Reg> o, Reg sum) {
        for (int n = 0; n < AT_ONCE; n++) {
            Reg number = k.add(part, n);
            Reg by = of(number, weight);
            Reg partSum = of(number, ownSum);
            Reg none = k.compare(Relation.EQ, Type.F32, partSum, Imm.of(0f));
            k.set(sum, Operation.FMA, Type.F32, by, partSum, sum);
            for (int c = 0; c < own; c++) {
                Reg value = k.select(Type.F32, none, Imm.of(0f), values.get(n).get(c));
                k.set(o.get(c), Operation.FMA, Type.F32, by, value, o.get(c));
            }
        }
    }

    /** What the lane of a part has. */
    private Reg of(Reg number, Reg value) {
        Reg to = k.reg(RegType.F32);
        k.emit(new Shuffle(Shuffle.Mode.IDX, to, value, number));
        return to;
    }

    private void end(Reg head, Reg row, Reg max, List<Reg> o, Reg sum) {
        if (spec.lse()) {
            Reg leads = k.compare(Relation.EQ, Type.U32, lane, Imm.of(0));
            target.lse(
                    target.lse(),
                    head,
                    qoLen,
                    row,
                    leads,
                    max,
                    sum,
                    spec.scheme().pOffset());
        }
        // A row that sees nothing is 0, whatever V holds.
        Reg empty = k.compare(Relation.EQ, Type.F32, sum, Imm.of(0f));
        Reg inverse = k.get(Operation.RCP_APPROX, Type.F32, sum);
        Reg channel = k.mul(Type.U32, lane, Imm.of(own));
        Reg kvHead = k.div(Type.U32, head, groupSize);
        Reg statistic = k.mad(Type.U32, kvHead, Imm.of(spec.paddedDim()), channel);
        List<Reg> scales = statistics(vScale, statistic);
        List<Reg> means = statistics(vMean, statistic);
        List<Reg> values = new ArrayList<>();
        for (int c = 0; c < own; c++) {
            Reg value = k.mul(Type.F32, o.get(c), inverse);
            value = scales == null ? value : k.mul(Type.F32, value, scales.get(c));
            value = means == null ? value : k.add(Type.F32, value, means.get(c));
            values.add(k.select(Type.F32, empty, Imm.of(0f), value));
        }
        Reg element = target.element(head, k.mul(Type.U32, kvHeads, groupSize), channel);
        store(values, channel, Address.of(target.address(element, row)));
    }

    private List<Reg> statistics(Reg array, Reg index) {
        return array == null
                ? null
                : k.loadVector(Space.GLOBAL, Type.F32, own, Address.of(k.index(array, index, FLOAT)), true);
    }

    private void store(List<Reg> values, Reg channel, Address to) {
        Conversion conversion = spec.output() == DType.FLOAT16 ? Conversion.F16X2_FROM_F32 : Conversion.BF16X2_FROM_F32;
        for (int c = 0; c < own; c += 2) {
            Reg both = k.convert(conversion, values.get(c + 1), values.get(c));
            if (spec.paired()) {
                Address at = to.plus(c * HALF);
                k.guarded(there(channel, c), () -> k.store(Space.GLOBAL, Type.U32, at, both));
                continue;
            }
            List<Reg> halves = k.unpack(both);
            for (int e = 0; e < 2; e++) {
                Address at = to.plus((c + e) * HALF);
                Reg one = halves.get(e);
                k.guarded(there(channel, c + e), () -> k.store(Space.GLOBAL, Type.B16, at, one));
            }
        }
    }

    private Reg there(Reg channel, int further) {
        return k.compare(Relation.LT, Type.U32, k.add(channel, further), channels);
    }
}
