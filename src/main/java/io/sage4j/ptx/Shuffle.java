package io.sage4j.ptx;

import java.util.List;
import java.util.Locale;

/**
 * Each of the 32 lanes reads a value of another lane of its warp; all lanes must take part.
 *
 * @param mode how {@code lane} names the other lane
 * @param to result
 * @param value what a lane offers
 * @param lane lane number, mask or distance
 */
public record Shuffle(Mode mode, Reg to, Operand value, Operand lane) implements Instruction {
    /** How a source lane is named. */
    public enum Mode {
        /** By its number. */
        IDX,
        /** By its number exclusive-or a mask. */
        BFLY,
        /** By the distance to a higher lane; lanes without one keep their own value. */
        DOWN
    }

    /** @throws IllegalArgumentException if an operand does not fit */
    public Shuffle {
        Instruction.require("shfl", to, Type.B32);
        Instruction.require("shfl", value, Type.B32);
        Instruction.require("shfl", lane, RegType.B32);
    }

    @Override
    public String opcode() {
        return "shfl.sync." + mode.name().toLowerCase(Locale.ROOT) + ".b32";
    }

    @Override
    public List<Reg> writes() {
        return List.of(to);
    }

    @Override
    public List<Operand> reads() {
        return List.of(value, lane);
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), to, value, lane, 31, -1);
    }
}
