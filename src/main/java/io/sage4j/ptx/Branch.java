package io.sage4j.ptx;

import java.util.List;

/**
 * A jump.
 *
 * @param target where to
 * @param uniform whether all threads of the warp that are here jump alike; checked by the interpreter
 */
public record Branch(Label target, boolean uniform) implements Instruction {
    @Override
    public String opcode() {
        return uniform ? "bra.uni" : "bra";
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
        return Instruction.text(opcode(), target);
    }
}
