package io.sage4j.ptx;

import java.util.ArrayList;
import java.util.List;

/**
 * An asynchronous matrix multiply-accumulate of a warpgroup, 64 rows by {@code n} columns. The thread holds of 8 columns 4
 * accumulators: row {@code lane / 4}, columns {@code 2 (lane % 4) + 0, 1}, and the same 8 rows further; warp w of the
 * warpgroup has the rows from 16 w on.
 *
 * @param form types
 * @param n columns, a multiple of 8 (of 16 for INT8 past 32)
 * @param d accumulators, {@code n / 2}; {@code n / 4} pairs in FP16
 * @param a left operand: one 64-bit descriptor of a tile in shared memory, or 4 registers
 * @param b descriptor of the right operand, rows of {@code n}, contiguous along the depth
 * @param accumulate whether {@code d} is added to
 */
public record Wgmma(Form form, int n, List<Reg> d, List<Reg> a, Reg b, boolean accumulate) implements Instruction {
    private static final int A_REGS = 4;

    /** Types of the operands. */
    public enum Form {
        /** INT8, depth 32, exact. */
        S8("k32.s32.s8.s8", RegType.B32, 2, ""),
        /** E4M3, depth 32, FP32 sums of about 14 bits of fraction. */
        E4M3_F32("k32.f32.e4m3.e4m3", RegType.F32, 2, ", 1, 1"),
        /** E4M3, depth 32, FP16 sums. */
        E4M3_F16("k32.f16.e4m3.e4m3", RegType.B32, 4, ", 1, 1"),
        /** FP16, depth 16, FP32 sums. */
        F16_F32("k16.f32.f16.f16", RegType.F32, 2, ", 1, 1, 0");

        private final String types;
        private final RegType accumulator;
        private final int columnsPerReg;
        private final String factors;

        Form(String types, RegType accumulator, int columnsPerReg, String factors) {
            this.types = types;
            this.accumulator = accumulator;
            this.columnsPerReg = columnsPerReg;
            this.factors = factors;
        }

        /** Class of the accumulators. */
        public RegType accumulator() {
            return accumulator;
        }

        /** Accumulators of a thread for so many columns. */
        public int registers(int n) {
            return n / columnsPerReg;
        }
    }

    /** @throws IllegalArgumentException if an operand does not fit */
    public Wgmma {
        d = List.copyOf(d);
        a = List.copyOf(a);
        if (n < 8 || n > 256 || n % 8 != 0) {
            throw new IllegalArgumentException("wgmma: " + n + " columns, expected a multiple of 8 in 8..256");
        }
        Instruction.requireAll("wgmma", d, form.registers(n), form.accumulator());
        if (a.size() == 1) {
            Instruction.require("wgmma", a.get(0), RegType.B64);
        } else {
            Instruction.requireAll("wgmma", a, A_REGS, RegType.B32);
        }
        Instruction.require("wgmma", b, RegType.B64);
    }

    @Override
    public String opcode() {
        return "wgmma.mma_async.sync.aligned.m64n" + n + form.types;
    }

    @Override
    public List<Reg> writes() {
        return d;
    }

    @Override
    public List<Operand> reads() {
        List<Operand> all = new ArrayList<>(a);
        all.add(b);
        if (accumulate) {
            all.addAll(d);
        }
        return all;
    }

    @Override
    public String text() {
        return opcode() + " {" + String.join(", ", d.stream().map(Reg::toString).toList()) + "}, "
                + Instruction.vector(a) + ", " + b + ", " + (accumulate ? 1 : 0) + form.factors + ";";
    }

    @Override
    public Requirement requirement() {
        return Requirement.HOPPER;
    }
}
