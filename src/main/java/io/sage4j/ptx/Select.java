package io.sage4j.ptx;

import java.util.List;

/**
 * One of two values.
 *
 * @param type of the values
 * @param to result
 * @param a where the predicate is true
 * @param b where it is false
 * @param predicate which
 */
public record Select(Type type, Reg to, Operand a, Operand b, Reg predicate) implements Instruction {
    /** @throws IllegalArgumentException if an operand does not fit */
    public Select {
        Instruction.require("selp", to, type);
        Instruction.require("selp", a, type);
        Instruction.require("selp", b, type);
        Instruction.require("selp", predicate, RegType.PRED);
    }

    @Override
    public String opcode() {
        return "selp." + type.ptx();
    }

    @Override
    public List<Reg> writes() {
        return List.of(to);
    }

    @Override
    public List<Operand> reads() {
        return List.of(a, b, predicate);
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), to, a, b, predicate);
    }
}
