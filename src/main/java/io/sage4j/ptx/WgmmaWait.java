package io.sage4j.ptx;

/**
 * Waits until at most so many groups of {@link Wgmma}s are still under way; only then may their results be read and their
 * left operands be written.
 *
 * @param pending 0 or more
 */
public record WgmmaWait(int pending) implements NoRegisters {
    @Override
    public String opcode() {
        return "wgmma.wait_group.sync.aligned";
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), pending);
    }

    @Override
    public Requirement requirement() {
        return Requirement.HOPPER;
    }
}
