package io.sage4j.ptx;

/**
 * All threads of the CTA wait for each other.
 *
 * @param id barrier, 0..15
 */
public record Barrier(int id) implements NoRegisters {
    @Override
    public String opcode() {
        return "bar.sync";
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), id);
    }
}
