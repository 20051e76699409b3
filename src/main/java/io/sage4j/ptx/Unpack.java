package io.sage4j.ptx;

import java.util.List;

/**
 * The two halves of a 32-bit register.
 *
 * @param low low bits
 * @param high high bits
 * @param from value, integer or FP32
 */
public record Unpack(Reg low, Reg high, Reg from) implements Instruction {
    /** @throws IllegalArgumentException if an operand does not fit */
    public Unpack {
        Instruction.require("mov", low, RegType.B16);
        Instruction.require("mov", high, RegType.B16);
        Instruction.require("mov", from, Type.B32);
    }

    @Override
    public String opcode() {
        return "mov.b32";
    }

    @Override
    public List<Reg> writes() {
        return List.of(low, high);
    }

    @Override
    public List<Operand> reads() {
        return List.of(from);
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), Instruction.vector(List.of(low, high)), from);
    }
}
