package io.sage4j.ptx;

/**
 * A jump.
 *
 * @param target where to
 * @param uniform whether all threads of the warp that are here jump alike; checked by the interpreter
 */
public record Branch(Label target, boolean uniform) implements NoRegisters {
    @Override
    public String opcode() {
        return uniform ? "bra.uni" : "bra";
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), target);
    }
}
