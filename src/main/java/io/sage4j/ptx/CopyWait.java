package io.sage4j.ptx;

/**
 * The thread waits until at most so many of its latest groups of copies are under way.
 *
 * @param pending groups that may be under way
 */
public record CopyWait(int pending) implements NoRegisters {
    @Override
    public String opcode() {
        return "cp.async.wait_group";
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), pending);
    }
}
