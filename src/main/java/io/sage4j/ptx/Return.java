package io.sage4j.ptx;

import java.util.List;

/** The thread ends. */
public record Return() implements Instruction {
    @Override
    public String opcode() {
        return "ret";
    }

    @Override
    public List<Reg> writes() {
        return List.of();
    }

    @Override
    public List<Operand> reads() {
        return List.of();
    }

    @Override
    public String text() {
        return "ret;";
    }
}
