package io.sage4j.ptx;

import java.util.List;

/**
 * Waits for a while for the end of the phase of a parity.
 *
 * @param done whether that phase has ended
 * @param at address of the {@link Mbarrier}
 * @param parity 0 for the first phase, 1 for the next one, and so on
 */
public record MbarrierTry(Reg done, Address at, Operand parity) implements Instruction {
    /** @throws IllegalArgumentException if an operand does not fit */
    public MbarrierTry {
        Instruction.require("mbarrier.try_wait", done, RegType.PRED);
        Space.SHARED.require("mbarrier.try_wait", at);
        Instruction.require("mbarrier.try_wait", parity, RegType.B32);
    }

    @Override
    public String opcode() {
        return "mbarrier.try_wait.parity.shared::cta.b64";
    }

    @Override
    public List<Reg> writes() {
        return List.of(done);
    }

    @Override
    public List<Operand> reads() {
        return List.of(at.base(), parity);
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), done, at, parity);
    }

    @Override
    public Requirement requirement() {
        return Requirement.SM_90;
    }
}
