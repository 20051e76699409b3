package io.sage4j.ptx;

import java.util.List;

/** An instruction that neither reads nor writes a register. */
sealed interface NoRegisters extends Instruction
        permits Barrier,
                Branch,
                CopyCommit,
                CopyWait,
                Fence,
                GridDependency,
                Mark,
                Return,
                SetMaxRegisters,
                WarpBarrier,
                WgmmaWait {
    @Override
    default List<Reg> writes() {
        return List.of();
    }

    @Override
    default List<Operand> reads() {
        return List.of();
    }

    @Override
    default String text() {
        return Instruction.text(opcode());
    }
}
