package io.sage4j.ptx;

import java.util.ArrayList;
import java.util.List;

/**
 * A matrix multiply-accumulate of a warp; the fragments are described at {@link MmaShape}.
 *
 * @param shape which
 * @param d result, may be {@code c}
 * @param a 4 registers
 * @param b 2 registers
 * @param c added; registers or constants
 */
public record Mma(MmaShape shape, List<Reg> d, List<Reg> a, List<Reg> b, List<? extends Operand> c)
        implements Instruction {
    private static final int A_REGS = 4;
    private static final int B_REGS = 2;

    /** @throws IllegalArgumentException if an operand does not fit */
    public Mma {
        d = List.copyOf(d);
        a = List.copyOf(a);
        b = List.copyOf(b);
        c = List.copyOf(c);
        Instruction.requireAll(shape.opcode(), d, shape.accumulatorRegs(), shape.accumulator());
        Instruction.requireAll(shape.opcode(), a, A_REGS, RegType.B32);
        Instruction.requireAll(shape.opcode(), b, B_REGS, RegType.B32);
        Instruction.requireAll(shape.opcode(), c, shape.accumulatorRegs(), shape.accumulator());
    }

    @Override
    public String opcode() {
        return shape.opcode();
    }

    @Override
    public List<Reg> writes() {
        return d;
    }

    @Override
    public List<Operand> reads() {
        List<Operand> all = new ArrayList<>(a);
        all.addAll(b);
        all.addAll(c);
        return all;
    }

    @Override
    public String text() {
        return Instruction.text(
                opcode(), Instruction.vector(d), Instruction.vector(a), Instruction.vector(b), Instruction.vector(c));
    }

    @Override
    public Requirement requirement() {
        return shape.requirement();
    }
}
