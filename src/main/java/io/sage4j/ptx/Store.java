package io.sage4j.ptx;

import java.util.ArrayList;
import java.util.List;

/**
 * A store of 1, 2 or 4 values.
 *
 * @param space to where
 * @param type of one value
 * @param to address, aligned to all the bytes stored
 * @param from values
 */
public record Store(Space space, Type type, Address to, List<Operand> from) implements Instruction {
    /** @throws IllegalArgumentException if an operand does not fit */
    public Store {
        from = List.copyOf(from);
        Memory.requireVector("st", type, from);
        space.require("st", to);
        if (space == Space.PARAM) {
            throw new IllegalArgumentException("st: parameters are read-only");
        }
    }

    @Override
    public String opcode() {
        return "st." + space.ptx() + Memory.vector(from.size()) + "." + type.ptx();
    }

    @Override
    public List<Reg> writes() {
        return List.of();
    }

    @Override
    public List<Operand> reads() {
        List<Operand> all = new ArrayList<>(from);
        all.add(to.base());
        return all;
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), to, Instruction.vector(from));
    }
}
