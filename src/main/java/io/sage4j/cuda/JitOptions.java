package io.sage4j.cuda;

import io.sage4j.SageException;

/**
 * How the driver compiles PTX.
 *
 * @param optimization 0 to 4; 4 is the driver's default
 * @param maxRegisters most registers of a thread; 0 leaves it to the PTX
 * @param lineInfo whether profilers can show lines of the PTX
 * @param verbose whether the log tells registers and spills
 */
public record JitOptions(int optimization, int maxRegisters, boolean lineInfo, boolean verbose) {
    /** Full optimisation, registers as the PTX says, no line information, quiet. */
    public static final JitOptions DEFAULT = new JitOptions(4, 0, false, false);

    private static final int MOST_REGISTERS = 255;

    /** @throws SageException if a number is out of range */
    public JitOptions {
        if (optimization < 0 || optimization > 4) {
            throw new SageException("JIT optimization is " + optimization + ", expected 0..4");
        }
        if (maxRegisters < 0 || maxRegisters > MOST_REGISTERS) {
            throw new SageException("most registers of a thread is " + maxRegisters
                    + ", expected 0 (no limit) or up to " + MOST_REGISTERS);
        }
    }
}
