package io.sage4j.ptx;

/**
 * How a kernel and the one started behind it in the same stream hang together, where that one is launched to overlap
 * (programmatic dependent launch). Does nothing in a kernel that is launched in the usual way, without one behind it that
 * overlaps.
 *
 * @param kind what is asked for
 */
public record GridDependency(Kind kind) implements NoRegisters {
    /** Kinds. */
    public enum Kind {
        /** Waits until all kernels before have ended and what they wrote is seen. */
        WAIT("griddepcontrol.wait"),
        /** The next kernel's CTAs may start, as far as there is room, once all CTAs of this one have said so or ended. */
        LET_NEXT_START("griddepcontrol.launch_dependents");

        private final String opcode;

        Kind(String opcode) {
            this.opcode = opcode;
        }
    }

    @Override
    public String opcode() {
        return kind.opcode;
    }

    @Override
    public Requirement requirement() {
        return Requirement.SM_90;
    }
}
