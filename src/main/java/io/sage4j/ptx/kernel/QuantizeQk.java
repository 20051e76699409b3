package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.numeric.ScaleGroups;
import io.sage4j.numeric.TileShape;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;
import java.util.ArrayList;
import java.util.List;

/**
 * INT8 or INT4 codes and scales of Q or K (docs/numerics.md, 2), with a mean subtracted first if there is one. A CTA takes
 * one set of rows ({@link ScaleGroups#tile()}) of a head. A warp has up to 16 rows of a group; where a group has more,
 * several warps share it. A row's channels lie in a warp, {@code paddedDim / 32} neighbouring ones to a lane, or in half
 * a warp where wide loads are allowed, and stay in registers between the maximum and the codes, so the input is read once.
 * CTAs go from the last rows of all heads to the first ones: what the mean has read last is still in L2.
 *
 * <p>Grid: (sets, batch * heads) CTAs of at most 512 threads; the sets cover whole tiles of the attention kernel.
 * Shared memory: at most 64 bytes, if warps share a group. Registers: at most 128, where a warp has 16 rows of 128
 * channels, 255 beyond. Parameters: the seven of {@link StridedInput}; with a mean {@code mean} (U64), FP32 [batch *
 * heads][paddedDim], or with one for each block of Q [batch * heads][blocks][paddedDim]; {@code codes} (U64), [batch * heads][sets * tile][paddedDim] or half as many bytes, zero in the padding, rows as the
 * {@link QkTarget} has them; {@code scales} (U64), FP32 [batch * heads][sets * groups * copies].
 */
public final class QuantizeQk {
    private static final int LANES = 32;
    /** Most rows of a group that a warp takes; fewer, and so more warps, where wide loads ask for registers. */
    private static final int WARP_ROWS = 16;

    private static final int WARP_ROWS_WIDE = 8;
    private static final int GROUP_WARPS = 4;
    private static final int MAX_WARPS = 16;
    private static final int CHUNK_SHIFT = 4;
    private static final int FLOAT = 4;
    private static final int MAX_DIM = 256;
    /** Elements of the widest load. */
    private static final int WIDEST = 4;

    private final KernelBuilder k;
    private final QkTarget target;
    private final ScaleGroups groups;
    private final int share;
    private final int paddedDim;
    private final int perLane;
    private final Loads loads;
    private final StridedInput input;
    private final Reg codes;
    private final Reg scales;
    private final Reg lane;
    private final Reg warp;
    private final Reg set;
    private final Reg head;
    private final List<Reg> means = new ArrayList<>();
    private final List<Reg> validChannels = new ArrayList<>();

    /** How a row is read. */
    public enum Loads {
        /** Element by element. */
        NARROW,
        /**
         * A lane's {@code paddedDim / 32} elements at once, or 4 at a time: data pointer and all strides in bytes allow
         * it, and there are as many channels as padded ones.
         */
        ALIGNED,
        /** Likewise {@code paddedDim / 16} elements, 4 or 8, half a warp to a row; 64 or 128 channels. */
        WIDE
    }

    /** Which mean is subtracted. */
    public enum Centre {
        /** None. */
        NONE,
        /** The head's: smooth K. */
        HEAD,
        /** That of a block of {@link TileShape#MMA_SYNC} rows: smooth Q. */
        BLOCK
    }

    private QuantizeQk(KernelBuilder k, DType type, QkTarget target, int paddedDim, Centre centre, Loads loads) {
        this.k = k;
        this.target = target;
        groups = target.groups();
        share = share(groups, loads);
        this.paddedDim = paddedDim;
        this.loads = loads;
        perLane = perLane(paddedDim, loads);
        input = new StridedInput(k, type);
        boolean mean = centre != Centre.NONE;
        Reg meanArray = mean ? k.param("mean", Type.U64) : null;
        codes = k.param("codes", Type.U64);
        scales = k.param("scales", Type.U64);
        Reg tid = k.read(Special.TID_X);
        lane = k.and(tid, LANES - 1);
        warp = k.shr(tid, 5);
        BackwardGrid grid = BackwardGrid.of(k);
        set = grid.part();
        head = grid.head();
        Reg channel = channel();
        for (int c = 0; c < perLane; c++) {
            validChannels.add(k.compare(Relation.LT, Type.U32, k.add(channel, c), input.channels()));
            if (mean) {
                Reg at = k.mad(Type.U32, centre == Centre.BLOCK ? block() : head, Imm.of(paddedDim), channel);
                means.add(k.loadReadOnly(
                        Type.F32, Address.of(k.index(meanArray, at, FLOAT)).plus(c * FLOAT)));
            }
        }
    }

    /** First channel of the lane. */
    private Reg channel() {
        Reg inRow = loads == Loads.WIDE ? k.and(lane, LANES / 2 - 1) : lane;
        return k.mul(Type.U32, inRow, Imm.of(perLane));
    }

    /** Block of the CTA's rows, counted over batch and heads; a block has whole sets. */
    private Reg block() {
        int sets = Integer.numberOfTrailingZeros(TileShape.MMA_SYNC.blockQ() / groups.tile());
        Reg blocks = k.shr(k.read(Special.NCTAID_X), sets);
        return k.mad(Type.U32, head, blocks, k.shr(set, sets));
    }

    /** The loads that are wanted, or narrower ones where there are no such ones. */
    private static Loads possible(ScaleGroups groups, int paddedDim, Loads wanted) {
        boolean halves = (paddedDim == 64 || paddedDim == 128)
                && groups.tile() / groups.groups() / share(groups, Loads.WIDE) % 2 == 0;
        Loads possible = wanted == Loads.WIDE && !halves ? Loads.ALIGNED : wanted;
        return Integer.bitCount(perLane(paddedDim, possible)) == 1 ? possible : Loads.NARROW;
    }

    private static int perLane(int paddedDim, Loads loads) {
        return paddedDim / (loads == Loads.WIDE ? LANES / 2 : LANES);
    }

    private static int threads(ScaleGroups groups, Loads loads) {
        return LANES * share(groups, loads) * Math.min(groups.groups(), GROUP_WARPS);
    }

    /** Warps that share a group. */
    private static int share(ScaleGroups groups, Loads loads) {
        int most = loads == Loads.WIDE ? WARP_ROWS_WIDE : WARP_ROWS;
        return Math.max(1, groups.tile() / groups.groups() / most);
    }

    private static boolean fits(ScaleGroups groups, Loads loads) {
        int share = share(groups, loads);
        boolean whole = groups.groups() == 1 && groups.tile() % WARP_ROWS == 0;
        boolean grouped = groups.groups() % GROUP_WARPS == 0 && groups.tile() % (groups.period() * share) == 0;
        // Warps that share have one group each: their maxima meet in shared memory once.
        boolean once = share == 1 || groups.groups() <= GROUP_WARPS && Integer.bitCount(share) == 1;
        int rows = groups.tile() / groups.groups() / share;
        return (whole || grouped) && once && rows <= WARP_ROWS && threads(groups, loads) <= MAX_WARPS * LANES;
    }

    /** The kernel for {@link QkTarget#mma}. */
    public static Kernel kernel(DType type, ScaleGroups groups, int paddedDim, boolean mean, boolean aligned) {
        return kernel(type, QkTarget.mma(groups), paddedDim, mean, aligned);
    }

    /** The kernel, {@code mean} being that of the head. */
    public static Kernel kernel(DType type, QkTarget target, int paddedDim, boolean mean, boolean aligned) {
        return kernel(
                type, target, paddedDim, mean ? Centre.HEAD : Centre.NONE, aligned ? Loads.ALIGNED : Loads.NARROW);
    }

    /**
     * The kernel.
     *
     * @param type element type
     * @param target layout of the output, and which rows share a scale: per thread, per warp or per block
     * @param paddedDim channels of the codes, a multiple of 32 up to 256; 64 or 128 where rows are swizzled
     * @param centre which mean is subtracted
     * @param loads how rows may be read; narrower loads are taken where there are no such ones
     */
    public static Kernel kernel(DType type, QkTarget target, int paddedDim, Centre centre, Loads loads) {
        ScaleGroups groups = target.groups();
        boolean dim = target.swizzled() ? paddedDim == 64 || paddedDim == 128 : paddedDim % LANES == 0;
        Loads taken = possible(groups, paddedDim, loads);
        if (!fits(groups, taken) || !dim || paddedDim > MAX_DIM) {
            throw new IllegalArgumentException(
                    "no native quantizer for " + target + " with " + paddedDim + " channels");
        }
        KernelBuilder k = new KernelBuilder("sage_quantize_qk", threads(groups, taken));
        QuantizeQk q = new QuantizeQk(k, type, target, paddedDim, centre, taken);
        int perWarp = Math.max(1, groups.groups() / GROUP_WARPS);
        for (int n = 0; n < perWarp; n++) {
            q.group(perWarp, n);
        }
        return k.build();
    }

    /** Group number {@code n} of the {@code perWarp} groups of the warp, or the warp's part of its one group. */
    private void group(int perWarp, int n) {
        int part = groups.tile() / share;
        Reg group = k.mad(Type.U32, k.shr(warp, Integer.numberOfTrailingZeros(share)), Imm.of(perWarp), Imm.of(n));
        Reg sharer = k.and(warp, share - 1);
        Reg start = k.mad(Type.U32, sharer, Imm.of(part), k.mul(Type.U32, set, Imm.of(groups.tile())));
        Reg first = k.mad(Type.U32, group, Imm.of(groups.width()), start);
        List<Integer> offsets = new ArrayList<>();
        for (int period = 0; period < part; period += groups.period()) {
            for (int w = 0; w < groups.width(); w++) {
                offsets.add(period + w);
            }
        }
        List<Reg> rows = rows(first, offsets);
        List<List<Reg>> values = load(rows);
        Reg amax = amax(values);
        if (share > 1) {
            combine(amax, group);
        }
        Reg leader = k.mad(Type.U32, sharer, Imm.of(LANES), lane);
        write(rows, values, amax, leader, k.mad(Type.U32, set, Imm.of(groups.groups()), group));
    }

    /** Rows of the lane: all of the warp's, or every other one. */
    private List<Reg> rows(Reg first, List<Integer> offsets) {
        if (loads != Loads.WIDE) {
            return offsets.stream().map(offset -> k.add(first, offset)).toList();
        }
        Reg upper = k.shr(lane, 4);
        List<Reg> rows = new ArrayList<>();
        for (int n = 0; n < offsets.size(); n += 2) {
            int low = offsets.get(n);
            rows.add(k.mad(Type.U32, upper, Imm.of(offsets.get(n + 1) - low), k.add(first, low)));
        }
        return rows;
    }

    /** Makes {@code amax} the largest of all warps that share the group. */
    private void combine(Reg amax, Reg group) {
        int warps = threads(groups, loads) / LANES;
        Reg shared = k.read(k.shared("amax", warps * FLOAT, FLOAT, false));
        Reg first = k.compare(Relation.EQ, Type.U32, lane, Imm.of(0));
        Reg mine = k.mad(Type.U32, warp, Imm.of(FLOAT), shared);
        k.guarded(first, () -> k.store(Space.SHARED, Type.F32, Address.of(mine), amax));
        k.barrier();
        Reg all = k.mad(Type.U32, group, Imm.of(share * FLOAT), shared);
        for (int w = 0; w < share; w++) {
            Reg other = k.load(Space.SHARED, Type.F32, Address.of(all).plus(w * FLOAT));
            k.set(amax, Operation.MAX_NAN, Type.F32, amax, other);
        }
    }

    /** The lane's channels of each row, widened, the mean subtracted, zero outside of the tensor. */
    private List<List<Reg>> load(List<Reg> rows) {
        List<List<Reg>> values = new ArrayList<>();
        Reg channel = channel();
        Reg base = input.address(head, k.move(Type.U32, Imm.of(0)), channel);
        Reg stride = input.tokenBytes();
        for (Reg row : rows) {
            Reg validRow = k.compare(Relation.LT, Type.U32, row, input.tokens());
            Address at = Address.of(k.mad64(row, stride, base));
            List<Reg> x = new ArrayList<>();
            for (int c = 0; c < perLane; c++) {
                x.add(k.move(Type.F32, Imm.of(0f)));
            }
            if (loads != Loads.NARROW) {
                k.guarded(validRow, () -> subtractMean(x, loadAll(at), 0));
            } else {
                for (int c = 0; c < perLane; c++) {
                    int channelOfLane = c;
                    k.guarded(
                            k.and(validRow, validChannels.get(c)),
                            () -> subtractMean(
                                    x.subList(channelOfLane, channelOfLane + 1),
                                    List.of(input.load(at.plus(2 * channelOfLane))),
                                    channelOfLane));
                }
            }
            values.add(x);
        }
        return values;
    }

    private List<Reg> loadAll(Address at) {
        List<Reg> loaded = new ArrayList<>();
        int widest = loads == Loads.WIDE ? 2 * WIDEST : WIDEST;
        for (int n = 0; n < perLane; n += widest) {
            loaded.addAll(input.loadVector(Math.min(perLane, widest), at.plus(2 * n)));
        }
        return loaded;
    }

    private void subtractMean(List<Reg> to, List<Reg> loaded, int firstChannel) {
        for (int c = 0; c < to.size(); c++) {
            if (means.isEmpty()) {
                k.set(to.get(c), Type.F32, loaded.get(c));
            } else {
                k.set(to.get(c), Operation.SUB, Type.F32, loaded.get(c), means.get(firstChannel + c));
            }
        }
    }

    /** Largest magnitude in the warp, NaN if there is one. */
    private Reg amax(List<List<Reg>> values) {
        Reg amax = k.move(Type.F32, Imm.of(0f));
        values.forEach(row ->
                row.forEach(x -> k.set(amax, Operation.MAX_NAN, Type.F32, amax, k.get(Operation.ABS, Type.F32, x))));
        for (int mask = LANES / 2; mask > 0; mask /= 2) {
            k.set(amax, Operation.MAX_NAN, Type.F32, amax, k.shuffleXor(amax, mask));
        }
        return amax;
    }

    /** Writes the copies of the scale, from the threads whose {@code leader} is below their number, and the codes. */
    private void write(List<Reg> rows, List<List<Reg>> values, Reg amax, Reg leader, Reg scaleIndex) {
        SymmetricScale of = SymmetricScale.of(k, amax, target.code().limit());
        Reg sets = k.read(Special.NCTAID_X);
        Reg perHead = k.mul(Type.U32, sets, Imm.of(groups.groups()));
        Reg at = k.add(Type.U32, k.mul(Type.U32, head, perHead), scaleIndex);
        Reg copy = k.mad(Type.U32, at, Imm.of(target.copies()), leader);
        k.guarded(
                k.compare(Relation.LT, Type.U32, leader, Imm.of(target.copies())),
                () -> k.store(Space.GLOBAL, Type.F32, Address.of(k.index(scales, copy, FLOAT)), of.scale()));
        Reg paddedRows = k.mul(Type.U32, sets, Imm.of(groups.tile()));
        Reg headStart = k.get(Operation.MUL_WIDE, Type.U32, head, paddedRows);
        Reg channel = k.shr(channel(), target.code().perByte() - 1);
        Reg factor = target.negated() ? k.get(Operation.NEG, Type.F32, of.inverse()) : of.inverse();
        for (int n = 0; n < rows.size(); n++) {
            Reg row = k.add(Type.U64, headStart, k.convert(Conversion.U64_FROM_U32, rows.get(n)));
            Reg offset = k.add(
                    Type.U64, k.mul(Type.U64, row, Imm.of((long) target.code().rowBytes(paddedDim))), codes);
            storeCodes(values.get(n), factor, Address.of(k.index(offset, column(rows.get(n), channel), 1)));
        }
    }

    /** Byte of a row where the lane's codes are; tiles have whole periods of the exchange, so any row number will do. */
    private Reg column(Reg row, Reg channel) {
        if (!target.swizzled()) {
            return channel;
        }
        return k.xor(channel, k.shl(new SwizzledTile(paddedDim, false).exchange(k, row), CHUNK_SHIFT));
    }

    /** Codes of neighbouring channels. No clamp is needed: {@code |x| * (limit / amax)} rounds to at most the limit. */
    private void storeCodes(List<Reg> x, Reg inverse, Address to) {
        List<Reg> c = x.stream()
                .map(value -> k.convert(Conversion.S32_FROM_F32, k.mul(Type.F32, value, inverse)))
                .toList();
        if (target.code().perByte() == 2) {
            storePacked(c, to);
            return;
        }
        Imm none = Imm.of(0);
        if (perLane == 8) {
            k.store(Space.GLOBAL, Type.U32, to, codes4(c.subList(0, 4)), codes4(c.subList(4, 8)));
        } else if (perLane == 4) {
            k.store(Space.GLOBAL, Type.U32, to, codes4(c));
        } else if (perLane == 2) {
            Reg pair = k.convert(Conversion.S8X2_FROM_S32, c.get(1), c.get(0), none);
            k.store(Space.GLOBAL, Type.B16, to, k.convert(Conversion.U16_FROM_U32, pair));
        } else {
            for (int n = 0; n < perLane; n++) {
                k.store(Space.GLOBAL, Type.U8, to.plus(n), c.get(n));
            }
        }
    }

    private Reg codes4(List<Reg> c) {
        Reg high = k.convert(Conversion.S8X2_FROM_S32, c.get(3), c.get(2), Imm.of(0));
        return k.convert(Conversion.S8X2_FROM_S32, c.get(1), c.get(0), high);
    }

    /** Two codes to a byte; where a lane has half a byte too many, the even lane of two stores the codes of both. */
    private void storePacked(List<Reg> c, Address to) {
        if (perLane % 2 == 0) {
            storeNibbles(c, to);
            return;
        }
        List<Reg> both = new ArrayList<>(c);
        c.forEach(code -> both.add(k.shuffleXor(code, 1)));
        Reg even = k.compare(Relation.EQ, Type.U32, k.and(lane, 1), Imm.of(0));
        k.guarded(even, () -> storeNibbles(both, to));
    }

    /** The lower channel in the low nibble; bytes at once, or pairs where all addresses are even. */
    private void storeNibbles(List<Reg> c, Address to) {
        int atOnce = perLane % WIDEST == 0 ? WIDEST : 2;
        for (int n = 0; n < c.size(); n += atOnce) {
            int last = n + atOnce - 1;
            Reg packed = c.get(last);
            for (int lower = last - 1; lower >= n; lower--) {
                packed = k.mad(Type.U32, packed, Imm.of(16), k.and(c.get(lower), 15));
            }
            Address at = to.plus(n / 2);
            if (last - n == 1) {
                k.store(Space.GLOBAL, Type.U8, at, packed);
            } else {
                k.store(Space.GLOBAL, Type.B16, at, k.convert(Conversion.U16_FROM_U32, packed));
            }
        }
    }
}
