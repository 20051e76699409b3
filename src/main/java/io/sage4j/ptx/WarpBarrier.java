package io.sage4j.ptx;

/** All threads of the warp wait for each other, and what one has read or written before comes before what others do behind. */
public record WarpBarrier() implements NoRegisters {
    @Override
    public String opcode() {
        return "bar.warp.sync";
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), -1);
    }
}
