package io.sage4j.ptx;

import java.util.List;

/**
 * Two 16-bit values in one 32-bit register.
 *
 * @param to result, integer or FP32
 * @param low low bits
 * @param high high bits
 */
public record Pack(Reg to, Operand low, Operand high) implements Instruction {
    /** @throws IllegalArgumentException if an operand does not fit */
    public Pack {
        Instruction.require("mov", to, Type.B32);
        Instruction.require("mov", low, RegType.B16);
        Instruction.require("mov", high, RegType.B16);
    }

    @Override
    public String opcode() {
        return "mov.b32";
    }

    @Override
    public List<Reg> writes() {
        return List.of(to);
    }

    @Override
    public List<Operand> reads() {
        return List.of(low, high);
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), to, Instruction.vector(List.of(low, high)));
    }
}
