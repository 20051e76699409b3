package io.sage4j.ptx;

import java.util.List;

/** The thread's copies since the last commit become a group. */
public record CopyCommit() implements Instruction {
    @Override
    public String opcode() {
        return "cp.async.commit_group";
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
        return Instruction.text(opcode());
    }
}
