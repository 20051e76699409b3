package io.sage4j.ptx;

import java.util.List;

/**
 * A barrier of some threads of the CTA, whole warps: those that wait, and those that only arrive.
 *
 * @param waits whether the thread waits for the others
 * @param id barrier, 1..15
 * @param threads threads that come, both kinds together
 */
public record NamedBarrier(boolean waits, Operand id, int threads) implements Instruction {
    /** @throws IllegalArgumentException if the barrier is no integer */
    public NamedBarrier {
        Instruction.require("bar", id, RegType.B32);
    }

    @Override
    public String opcode() {
        return waits ? "bar.sync" : "bar.arrive";
    }

    @Override
    public List<Reg> writes() {
        return List.of();
    }

    @Override
    public List<Operand> reads() {
        return List.of(id);
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), id, threads);
    }
}
