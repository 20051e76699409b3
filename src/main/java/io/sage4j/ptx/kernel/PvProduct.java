package io.sage4j.ptx.kernel;

import io.sage4j.numeric.Accumulator;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.MmaShape;
import io.sage4j.ptx.Operand;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * The product P V of one warp, 16 or 32 rows by paddedDim channels over 64 keys, and the output registers that it is
 * added to.
 *
 * <p>P stays in registers: V's key permutation makes the accumulator of Q K^T the left operand. FP8: a thread's keys
 * {@code 2t, 2t + 1, 2t + 8, 2t + 9} of 16 are the four bytes of a register, V by {@code ldmatrix}. FP16: keys
 * {@code 2t, 2t + 1} and {@code 2t + 8, 2t + 9} are a register each, and the matching V is 8 bytes side by side. FP8
 * widened to FP16 ({@link MmaTarget#widened()}) reads V as FP8 does: the halves of a register of codes are the two
 * registers of FP16.
 */
final class PvProduct {
    private static final int KEYS = 64;
    private static final int N = 8;
    /** Keys that a read of V covers. */
    private static final int READ_KEYS = 32;

    private static final int ONES_E4M3 = 0x38383838;
    private static final int ONES_FP16 = 0x3C003C00;

    private final KernelBuilder k;
    private final boolean fp8;
    private final boolean widened;
    private final Accumulator accumulator;
    private final int paddedDim;
    private final int rowTiles;
    private final MmaShape shape;
    /** Output, [row tile][n8 tile][register]. */
    private final List<List<List<Reg>>> o = new ArrayList<>();

    PvProduct(KernelBuilder k, MmaAttentionSpec spec) {
        this.k = k;
        fp8 = spec.fp8();
        accumulator = spec.scheme().accumulator();
        paddedDim = spec.paddedDim();
        rowTiles = spec.rowTiles();
        widened = spec.target().widened();
        boolean half = accumulator.isHalf();
        if (fp8 && !widened) {
            shape = half ? MmaShape.E4M3_F16 : MmaShape.E4M3_F32;
        } else {
            shape = half ? MmaShape.F16_F16 : MmaShape.F16_F32;
        }
        boolean halfOutput = accumulator == Accumulator.FP16;
        for (int m = 0; m < rowTiles; m++) {
            List<List<Reg>> row = new ArrayList<>();
            for (int n = 0; n < paddedDim / N; n++) {
                List<Reg> tile = k.regs(halfOutput ? RegType.B32 : RegType.F32, halfOutput ? 2 : 4);
                tile.forEach(r -> k.set(r, halfOutput ? Type.U32 : Type.F32, halfOutput ? Imm.of(0) : Imm.of(0f)));
                row.add(tile);
            }
            o.add(row);
        }
    }

    /** V tile in shared memory: rows are channels, columns key positions. */
    static SwizzledTile tile(boolean fp8) {
        return fp8 ? new SwizzledTile(KEYS, false) : new SwizzledTile(2 * KEYS, true);
    }

    /** Bytes of a tile of V in shared memory. */
    static int tileBytes(MmaAttentionSpec spec) {
        return tile(spec.fp8()).pitch() * spec.paddedDim();
    }

    /** Where a lane starts to read a V tile at {@code base}. */
    Reg start(Reg base, Reg lane) {
        if (fp8) {
            Reg row = k.add(Type.U32, k.and(lane, 7), k.shl(k.shr(lane, 4), 3));
            return tile(true).start(k, base, row, k.and(k.shr(lane, 3), 1));
        }
        Reg inChunk = k.shl(k.and(lane, 1), 3);
        Reg first = tile(false).start(k, base, k.shr(lane, 2), k.and(k.shr(lane, 1), 1));
        return k.add(Type.U32, first, inChunk);
    }

    /** P of a row tile rounded to its format, as left operands: [step of keys][4 registers], from p[n8 tile][4]. */
    List<List<Reg>> round(List<List<Reg>> p) {
        List<List<Reg>> steps = new ArrayList<>();
        int tilesPerStep = shape.k() / N;
        boolean packed = fp8 && !widened;
        for (int first = 0; first < KEYS / N; first += tilesPerStep) {
            List<Reg> a = new ArrayList<>();
            for (int n = first; n < first + tilesPerStep; n += packed ? 2 : 1) {
                for (int half = 0; half < 2; half++) {
                    Reg low = pair(p.get(n), half);
                    a.add(packed ? k.pack(low, pair(p.get(n + 1), half)) : widened ? widen(low) : low);
                }
            }
            steps.add(a);
        }
        return steps;
    }

    private Reg pair(List<Reg> tile, int half) {
        Conversion conversion = fp8 ? Conversion.E4M3X2_FROM_F32 : Conversion.F16X2_FROM_F32;
        return k.convert(conversion, tile.get(2 * half + 1), tile.get(2 * half));
    }

    private Reg widen(Reg codes) {
        return k.convert(Conversion.F16X2_FROM_E4M3X2, codes);
    }

    /**
     * Sums of the rounded p of each row of a thread: a column of V that is all ones, but never read from memory.
     *
     * @param p of each row tile, as {@link #round} gives it
     */
    List<Reg> rowSums(List<List<List<Reg>>> p) {
        Imm one = Imm.of(fp8 && !widened ? ONES_E4M3 : ONES_FP16);
        List<Reg> ones = List.of(k.move(Type.U32, one), k.move(Type.U32, one));
        List<Reg> found = new ArrayList<>();
        for (List<List<Reg>> steps : p) {
            List<Reg> t = multiply(steps, Collections.nCopies(steps.size(), ones));
            // Every column is the same; a thread has two columns of its two rows.
            for (int row = 0; row < 2; row++) {
                found.add(
                        shape.isHalf()
                                ? k.convert(
                                        Conversion.F32_FROM_F16,
                                        k.unpack(t.get(row)).get(0))
                                : t.get(2 * row));
            }
        }
        return found;
    }

    /** P times a right operand, from zero on. */
    private List<Reg> multiply(List<List<Reg>> p, List<List<Reg>> b) {
        List<Reg> t = k.regs(shape.accumulator(), shape.accumulatorRegs());
        Operand zero = shape.isHalf() ? k.move(Type.U32, Imm.of(0)) : Imm.of(0f);
        for (int step = 0; step < b.size(); step++) {
            k.mma(shape, t, p.get(step), b.get(step), step == 0 ? Collections.nCopies(t.size(), zero) : t);
        }
        return t;
    }

    /**
     * Adds P V to the output, after scaling it.
     *
     * @param p of each row tile, as {@link #round} gives it
     * @param v address in the V tile, as {@link #start} gives it
     * @param alpha factors of the rows of a thread
     */
    void add(List<List<List<Reg>>> p, Reg v, List<Reg> alpha) {
        if (!accumulator.isTwoLevel()) {
            scale(alpha);
        }
        List<Address> steps = new ArrayList<>();
        for (int step = 0; step < KEYS / (fp8 ? READ_KEYS : shape.k()); step++) {
            steps.add(tile(fp8).further(k, v, 2 * step));
        }
        int columns = fp8 ? 2 : 1;
        for (int n = 0; n < paddedDim / N; n += columns) {
            List<List<List<Reg>>> b = right(steps, n);
            for (int c = 0; c < columns; c++) {
                for (int m = 0; m < rowTiles; m++) {
                    addTile(p.get(m), b.get(c), o.get(m).get(n + c), alpha.subList(2 * m, 2 * m + 2));
                }
            }
        }
    }

    /** Right operands of the n8 tiles from {@code n} on: [n8 tile][step][2 registers]. */
    private List<List<List<Reg>>> right(List<Address> steps, int n) {
        List<List<List<Reg>>> b = List.of(new ArrayList<>(), new ArrayList<>());
        int offset = n * N * tile(fp8).pitch();
        for (Address step : steps) {
            Address at = step.plus(offset);
            if (fp8) {
                List<Reg> both = k.loadMatrix(4, at);
                for (int n8 = 0; n8 < 2; n8++) {
                    List<Reg> codes = both.subList(2 * n8, 2 * n8 + 2);
                    b.get(n8).addAll(widened ? widen(codes) : List.of(codes));
                }
            } else {
                b.get(0).add(k.loadVector(Space.SHARED, Type.U32, 2, at, false));
            }
        }
        return b;
    }

    /** The FP16 operands that two registers of codes are. */
    private List<List<Reg>> widen(List<Reg> codes) {
        return codes.stream()
                .map(four -> k.unpack(four).stream().map(this::widen).toList())
                .toList();
    }

    private void addTile(List<List<Reg>> p, List<List<Reg>> b, List<Reg> output, List<Reg> alpha) {
        if (!accumulator.isTwoLevel()) {
            for (int step = 0; step < b.size(); step++) {
                k.mma(shape, output, p.get(step), b.get(step), output);
            }
            return;
        }
        List<Reg> t = multiply(p, b);
        List<Reg> sums = shape.isHalf() ? single(t) : t;
        for (int e = 0; e < output.size(); e++) {
            k.set(output.get(e), Operation.FMA, Type.F32, output.get(e), alpha.get(e / 2), sums.get(e));
        }
    }

    private List<Reg> single(List<Reg> pairs) {
        List<Reg> wide = new ArrayList<>();
        pairs.forEach(pair -> k.unpack(pair).forEach(half -> wide.add(k.convert(Conversion.F32_FROM_F16, half))));
        return wide;
    }

    private void scale(List<Reg> alpha) {
        for (int m = 0; m < rowTiles; m++) {
            for (int half = 0; half < 2; half++) {
                Reg factor = alpha.get(2 * m + half);
                if (accumulator == Accumulator.FP16) {
                    Reg twice = k.convert(Conversion.F16X2_FROM_F32, factor, factor);
                    for (List<Reg> tile : o.get(m)) {
                        k.set(tile.get(half), Operation.MUL, Type.F16X2, tile.get(half), twice);
                    }
                } else {
                    for (List<Reg> tile : o.get(m)) {
                        for (Reg r : tile.subList(2 * half, 2 * half + 2)) {
                            k.set(r, Operation.MUL, Type.F32, r, factor);
                        }
                    }
                }
            }
        }
    }

    /** The two neighbouring channels of row {@code half} (0: lane / 4, 1: 8 further) of an output tile, in FP32. */
    List<Reg> output(int rowTile, int n, int half) {
        List<Reg> tile = o.get(rowTile).get(n);
        return accumulator == Accumulator.FP16
                ? single(tile.subList(half, half + 1))
                : tile.subList(2 * half, 2 * half + 2);
    }
}
