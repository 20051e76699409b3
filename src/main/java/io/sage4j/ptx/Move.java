package io.sage4j.ptx;

import java.util.List;

/**
 * A copy of a register, constant, special register or shared address; with {@code B32} also between FP32 and integer
 * registers, bit by bit.
 *
 * @param type of the value
 * @param to result
 * @param from value
 */
public record Move(Type type, Reg to, Operand from) implements Instruction {
    /** @throws IllegalArgumentException if an operand does not fit */
    public Move {
        Instruction.require("mov", to, type);
        Instruction.require("mov", from, type);
    }

    @Override
    public String opcode() {
        return "mov." + type.ptx();
    }

    @Override
    public List<Reg> writes() {
        return List.of(to);
    }

    @Override
    public List<Operand> reads() {
        return List.of(from);
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), to, from);
    }
}
