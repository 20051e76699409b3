package io.sage4j.ptx;

/**
 * The place of a label; runs as nothing.
 *
 * @param label its name
 */
public record Mark(Label label) implements NoRegisters {
    @Override
    public String opcode() {
        return "";
    }

    @Override
    public String text() {
        return label + ":";
    }
}
