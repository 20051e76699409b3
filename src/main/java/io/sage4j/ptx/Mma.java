package io.sage4j.ptx;

import java.util.ArrayList;
import java.util.List;

/**
 * A matrix multiply-accumulate of a warp; the fragments are described at {@link MmaShape}.
 *
 * @param shape which
 * @param d result, may be {@code c}
 * @param a registers, {@link MmaShape#aRegs()}
 * @param b registers, {@link MmaShape#bRegs()}
 * @param c added; registers or constants
 */
public record Mma(MmaShape shape, List<Reg> d, List<Reg> a, List<Reg> b, List<? extends Operand> c)
        implements Instruction {
    /** @throws IllegalArgumentException if an operand does not fit */
    public Mma {
        d = List.copyOf(d);
        a = List.copyOf(a);
        b = List.copyOf(b);
        c = List.copyOf(c);
        Instruction.requireAll(shape.opcode(), d, shape.accumulatorRegs(), shape.accumulator());
        Instruction.requireAll(shape.opcode(), a, shape.aRegs(), RegType.B32);
        Instruction.requireAll(shape.opcode(), b, shape.bRegs(), RegType.B32);
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
                opcode(), Instruction.vector(d), Instruction.vector(a), fragment(b), Instruction.vector(c));
    }

    /** A single register is a vector here, too. */
    private static String fragment(List<Reg> registers) {
        return registers.size() == 1 ? "{" + registers.get(0) + "}" : Instruction.vector(registers);
    }

    @Override
    public Requirement requirement() {
        return shape.requirement();
    }
}
