package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operand;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.Shuffle;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;
import io.sage4j.ptx.WarpBarrier;
import java.util.ArrayList;
import java.util.List;

/**
 * The end of a work tile of {@link WgmmaAttention} (docs/numerics.md, 6): a thread's channels of its two rows. A thread has
 * two neighbouring channels of every eight. Where 16-byte accesses are allowed, a warp puts 64 channels of its 16 rows in
 * order in shared memory and writes 128 bytes of a row at a time.
 */
final class WgmmaOutput {
    private static final int N = 8;
    private static final int FLOAT = 4;
    private static final int HALF = 2;
    private static final int LANES = 32;
    private static final int WARP_ROWS = 16;
    /** Channels of a row that are put in order at a time. */
    private static final int PASS = 64;

    private static final int CHUNK = 16;
    /** A chunk more than the channels: the 8 rows of a matrix then lie in different banks. */
    private static final int PITCH = PASS * HALF + CHUNK;
    /** Shared memory of a warp. */
    static final int WARP_BYTES = WARP_ROWS * PITCH;

    private static final int CHUNKS = PASS * HALF / CHUNK;
    /** Rows that a warp writes at once. */
    private static final int ROWS_AT_ONCE = LANES / CHUNKS;

    private final KernelBuilder k;
    private final WgmmaAttentionSpec spec;
    private final WgmmaParams in;
    private final Reg lane;
    private final WgmmaParams.Work work;
    private final Reg row;
    private final Reg statistics;
    private final Reg buffer;
    private final Reg channel;

    /**
     * An output.
     *
     * @param work work tile
     * @param row first of the thread's rows; the other is 8 further
     * @param statistics shared address of V's scales if it has any, and behind them its means if V is smoothed
     * @param buffer shared address of the warp's {@link #WARP_BYTES}, used where stores are wide
     */
    WgmmaOutput(
            KernelBuilder k,
            WgmmaAttentionSpec spec,
            WgmmaParams in,
            Reg lane,
            WgmmaParams.Work work,
            Reg row,
            Reg statistics,
            Reg buffer) {
        this.k = k;
        this.spec = spec;
        this.in = in;
        this.lane = lane;
        this.work = work;
        this.row = row;
        this.statistics = statistics;
        this.buffer = buffer;
        channel = k.shl(k.and(lane, 3), 1);
    }

    /** Writes; {@code sum} holds a row's sum in the first of the four lanes that share the row. */
    void write(List<Reg> o, List<Reg> max, List<Reg> sum) {
        Reg leader = k.and(lane, ~3);
        List<Reg> valid = new ArrayList<>();
        List<Reg> inverse = new ArrayList<>();
        List<Reg> empty = new ArrayList<>();
        for (int half = 0; half < 2; half++) {
            Reg l = k.reg(RegType.F32);
            k.emit(new Shuffle(Shuffle.Mode.IDX, l, sum.get(half), leader));
            Reg at = k.add(row, half * N);
            valid.add(k.compare(Relation.LT, Type.U32, at, in.qoLen(work)));
            if (spec.lse()) {
                Reg first = k.and(valid.get(half), k.compare(Relation.EQ, Type.U32, channel, Imm.of(0)));
                float offset = spec.scheme().pOffset();
                in.writeLse(work, at, first, max.get(half), l, offset);
            }
            inverse.add(k.get(Operation.RCP_APPROX, Type.F32, l));
            // A row that sees nothing is 0, whatever V holds.
            int own = 2 * half;
            empty.add(k.compare(Relation.EQ, Type.F32, l, Imm.of(0f)));
            k.when(empty.get(half), () -> {
                k.set(inverse.get(own / 2), Type.F32, Imm.of(0f));
                for (int i = own; i < o.size(); i += 4) {
                    k.set(o.get(i), Type.F32, Imm.of(0f));
                    k.set(o.get(i + 1), Type.F32, Imm.of(0f));
                }
            });
        }
        if (spec.stores() == WgmmaAttentionSpec.Stores.WIDE) {
            rows(o, inverse, empty);
            return;
        }
        Reg base = element(channel);
        List<Address> to = new ArrayList<>();
        for (int half = 0; half < 2; half++) {
            to.add(Address.of(in.target.address(base, k.add(row, half * N))));
        }
        Reg allChannels = k.compare(Relation.EQ, Type.U32, in.channels, Imm.of(spec.paddedDim()));
        k.whenElse(
                allChannels,
                () -> channels(o, inverse, empty, valid, to, true),
                () -> channels(o, inverse, empty, valid, to, false));
    }

    /** Element of a channel of the head's first row. */
    private Reg element(Reg first) {
        return in.element(work, first);
    }

    /** By way of the buffer: eight channels of a row to a lane. */
    private void rows(List<Reg> o, List<Reg> inverse, List<Reg> empty) {
        Reg first = k.add(Type.U32, k.sub(Type.U32, row, k.shr(lane, 2)), k.shr(lane, 3));
        Reg chunk = k.and(lane, CHUNKS - 1);
        Reg eighth = k.shl(chunk, 3);
        Reg base = element(eighth);
        Reg inMatrix = k.mad(Type.U32, k.and(lane, WARP_ROWS - 1), Imm.of(PITCH), buffer);
        Address matrix = Address.of(k.mad(Type.U32, k.shr(lane, 4), Imm.of(CHUNK), inMatrix));
        Reg inRow = k.mad(Type.U32, k.shr(lane, 3), Imm.of(PITCH), buffer);
        Address piece = Address.of(k.mad(Type.U32, chunk, Imm.of(CHUNK), inRow));
        Reg step = in.target.rows(ROWS_AT_ONCE);
        for (int start = 0; start < spec.paddedDim(); start += PASS) {
            // What the pass or the work tile before put there has been read by all lanes.
            k.emit(new WarpBarrier());
            for (int n = start / N; n < (start + PASS) / N; n += 2) {
                List<Reg> matrices = new ArrayList<>(eight(n, o, inverse, empty));
                matrices.addAll(eight(n + 1, o, inverse, empty));
                k.storeMatrix(matrix.plus((n * N - start) * HALF), matrices);
            }
            k.emit(new WarpBarrier());
            Reg there = k.compare(Relation.LT, Type.U32, k.add(eighth, start), in.channels);
            Reg at = k.add(Type.U64, in.target.address(base, first), Imm.of((long) start * HALF));
            for (int r = 0; r < WARP_ROWS; r += ROWS_AT_ONCE) {
                List<Reg> words = k.loadVector(Space.SHARED, Type.U32, CHUNK / FLOAT, piece.plus(r * PITCH), false);
                Reg valid = k.compare(Relation.LT, Type.U32, k.add(first, r), in.qoLen(work));
                k.guarded(
                        k.and(valid, there),
                        () -> k.store(Space.GLOBAL, Type.U32, Address.of(at), words.toArray(Operand[]::new)));
                k.set(at, Operation.ADD, Type.U64, at, step);
            }
        }
    }

    private void channels(
            List<Reg> o, List<Reg> inverse, List<Reg> empty, List<Reg> valid, List<Address> to, boolean all) {
        for (int n = 0; n < spec.paddedDim() / N; n++) {
            List<Reg> both = eight(n, o, inverse, empty);
            for (int half = 0; half < 2; half++) {
                store(both.get(half), n, valid.get(half), to.get(half).plus(n * N * HALF), all);
            }
        }
    }

    /** Of the {@code n}-th eight channels, the thread's two of each of its rows, as they are written. */
    private List<Reg> eight(int n, List<Reg> o, List<Reg> inverse, List<Reg> empty) {
        Address at =
                Address.of(k.mad(Type.U32, channel, Imm.of(FLOAT), statistics)).plus(n * N * FLOAT);
        int meansAt = in.vScale == null ? 0 : spec.paddedDim() * FLOAT;
        List<Reg> scales = in.vScale == null ? null : k.loadVector(Space.SHARED, Type.F32, 2, at, false);
        List<List<Reg>> means = in.vMean == null ? null : means(at.plus(meansAt), empty);
        Conversion conversion = spec.output() == DType.FLOAT16 ? Conversion.F16X2_FROM_F32 : Conversion.BF16X2_FROM_F32;
        List<Reg> both = new ArrayList<>();
        for (int half = 0; half < 2; half++) {
            List<Reg> values = new ArrayList<>();
            for (int e = 0; e < 2; e++) {
                Reg value = k.mul(Type.F32, o.get(4 * n + 2 * half + e), inverse.get(half));
                Reg mean = means == null ? null : means.get(half).get(e);
                values.add(scaled(value, scales == null ? null : scales.get(e), mean));
            }
            both.add(k.convert(conversion, values.get(1), values.get(0)));
        }
        return both;
    }

    /** The value times the scale, if there is one, plus the mean, if there is one. */
    private Reg scaled(Reg value, Reg scale, Reg mean) {
        if (scale == null) {
            return mean == null ? value : k.add(Type.F32, value, mean);
        }
        return mean == null ? k.mul(Type.F32, value, scale) : k.fma(value, scale, mean);
    }

    /** Means of V for each of the two rows: 0 for a row that sees nothing. */
    private List<List<Reg>> means(Address at, List<Reg> empty) {
        List<Reg> loaded = k.loadVector(Space.SHARED, Type.F32, 2, at, false);
        List<List<Reg>> means = new ArrayList<>();
        for (Reg none : empty) {
            means.add(loaded.stream()
                    .map(mean -> k.select(Type.F32, none, Imm.of(0f), mean))
                    .toList());
        }
        return means;
    }

    private void store(Reg both, int n, Reg valid, Address to, boolean all) {
        if (spec.stores() == WgmmaAttentionSpec.Stores.PAIRED) {
            Reg here = all ? valid : inside(valid, n, 0);
            k.guarded(here, () -> k.store(Space.GLOBAL, Type.U32, to, both));
            return;
        }
        List<Reg> halves = k.unpack(both);
        for (int e = 0; e < 2; e++) {
            Address at = to.plus(e * HALF);
            Reg one = halves.get(e);
            Reg here = all ? valid : inside(valid, n, e);
            k.guarded(here, () -> k.store(Space.GLOBAL, Type.B16, at, one));
        }
    }

    /** Whether a channel of a row is there to be written. */
    private Reg inside(Reg valid, int n, int element) {
        return k.and(valid, k.compare(Relation.LT, Type.U32, k.add(channel, n * N + element), in.channels));
    }
}
