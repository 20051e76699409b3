package io.sage4j.ptx;

import java.util.List;

/**
 * Whether the predicate holds in any lane of the warp.
 *
 * @param any result
 * @param predicate of the lane
 */
public record Vote(Reg any, Reg predicate) implements Instruction {
    /** @throws IllegalArgumentException if an operand is no predicate */
    public Vote {
        Instruction.require("vote", any, RegType.PRED);
        Instruction.require("vote", predicate, RegType.PRED);
    }

    @Override
    public String opcode() {
        return "vote.sync.any.pred";
    }

    @Override
    public List<Reg> writes() {
        return List.of(any);
    }

    @Override
    public List<Operand> reads() {
        return List.of(predicate);
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), any, predicate, -1);
    }
}
