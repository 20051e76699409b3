package io.sage4j.ptx;

import java.util.List;

/**
 * Loads 32 bits of global memory that another CTA may write meanwhile; what that one had written before is visible behind
 * the load.
 *
 * @param to result
 * @param from address, aligned to 4
 */
public record LoadAcquire(Reg to, Address from) implements Instruction {
    /** @throws IllegalArgumentException if an operand does not fit */
    public LoadAcquire {
        Instruction.require("ld.acquire", to, RegType.B32);
        Space.GLOBAL.require("ld.acquire", from);
    }

    @Override
    public String opcode() {
        return "ld.acquire.gpu.global.u32";
    }

    @Override
    public List<Reg> writes() {
        return List.of(to);
    }

    @Override
    public List<Operand> reads() {
        return List.of(from.base());
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), to, from);
    }
}
