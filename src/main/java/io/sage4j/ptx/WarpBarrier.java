package io.sage4j.ptx;

import java.util.List;

/** All threads of the warp wait for each other, and what one has read or written before comes before what others do behind. */
public record WarpBarrier() implements Instruction {
    @Override
    public String opcode() {
        return "bar.warp.sync";
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
        return Instruction.text(opcode(), -1);
    }
}
