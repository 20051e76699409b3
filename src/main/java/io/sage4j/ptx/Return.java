package io.sage4j.ptx;

/** The thread ends. */
public record Return() implements NoRegisters {
    @Override
    public String opcode() {
        return "ret";
    }

    @Override
    public String text() {
        return "ret;";
    }
}
