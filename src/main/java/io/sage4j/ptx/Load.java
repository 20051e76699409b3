package io.sage4j.ptx;

import java.util.List;

/**
 * A load of 1, 2 or 4 values.
 *
 * @param space from where
 * @param type of one value
 * @param readOnly whether nothing writes the memory while the kernel runs ({@code .nc}, global only)
 * @param to results
 * @param from address, aligned to all the bytes loaded
 */
public record Load(Space space, Type type, boolean readOnly, List<Reg> to, Address from) implements Instruction {
    /** @throws IllegalArgumentException if an operand does not fit */
    public Load {
        to = List.copyOf(to);
        Memory.requireVector("ld", type, to);
        space.require("ld", from);
        if (readOnly && space != Space.GLOBAL) {
            throw new IllegalArgumentException("ld: .nc exists for global memory only");
        }
    }

    @Override
    public String opcode() {
        return "ld." + space.ptx() + (readOnly ? ".nc" : "") + Memory.vector(to.size()) + "." + type.ptx();
    }

    @Override
    public List<Reg> writes() {
        return to;
    }

    @Override
    public List<Operand> reads() {
        return List.of(from.base());
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), Instruction.vector(to), from);
    }
}
