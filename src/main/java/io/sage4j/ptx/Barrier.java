package io.sage4j.ptx;

import java.util.List;

/**
 * All threads of the CTA wait for each other.
 *
 * @param id barrier, 0..15
 */
public record Barrier(int id) implements Instruction {
    @Override
    public String opcode() {
        return "bar.sync";
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
        return Instruction.text(opcode(), id);
    }
}
