package io.sage4j.ptx;

import java.util.List;

/**
 * The place of a label; runs as nothing.
 *
 * @param label its name
 */
public record Mark(Label label) implements Instruction {
    @Override
    public String opcode() {
        return "";
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
        return label + ":";
    }
}
