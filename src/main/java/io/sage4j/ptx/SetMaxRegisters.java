package io.sage4j.ptx;

/**
 * Changes how many registers each thread of the warpgroup may use; waits until there are so many. Wants a kernel with
 * {@code .maxntid} and {@code .minnctapersm 1}, and roles that are the branches of one if and else.
 *
 * @param more whether the number grows
 * @param count 24 to 256, a multiple of 8
 */
public record SetMaxRegisters(boolean more, int count) implements NoRegisters {
    /** @throws IllegalArgumentException if the count is out of range */
    public SetMaxRegisters {
        if (count < 24 || count > 256 || count % 8 != 0) {
            throw new IllegalArgumentException("setmaxnreg: " + count + ", expected a multiple of 8 in 24..256");
        }
    }

    @Override
    public String opcode() {
        return "setmaxnreg." + (more ? "inc" : "dec") + ".sync.aligned.u32";
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), count);
    }

    @Override
    public Requirement requirement() {
        return Requirement.HOPPER;
    }
}
