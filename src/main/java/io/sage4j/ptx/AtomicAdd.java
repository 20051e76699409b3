package io.sage4j.ptx;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Adds to 32 bits of global memory and reads what was there, in one step for all threads of the GPU.
 *
 * @param order what else becomes visible with it
 * @param to value before
 * @param at address, aligned to 4
 * @param value what is added
 */
public record AtomicAdd(Order order, Reg to, Address at, Operand value) implements Instruction {
    /** What becomes visible with an addition. */
    public enum Order {
        /** Nothing else. */
        RELAXED,
        /** To whoever sees the sum: what the thread wrote before, and what it saw behind a barrier. */
        RELEASE,
        /** That, and to the thread: what those who added before had written. */
        ACQ_REL
    }

    /** @throws IllegalArgumentException if an operand does not fit */
    public AtomicAdd {
        Instruction.require("atom", to, RegType.B32);
        Space.GLOBAL.require("atom", at);
        Instruction.require("atom", value, RegType.B32);
    }

    @Override
    public String opcode() {
        return "atom." + order.name().toLowerCase(Locale.ROOT) + ".gpu.global.add.u32";
    }

    @Override
    public List<Reg> writes() {
        return List.of(to);
    }

    @Override
    public List<Operand> reads() {
        return new ArrayList<>(List.of(at.base(), value));
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), to, at, value);
    }
}
