package io.sage4j.ptx;

import java.util.ArrayList;
import java.util.List;

/**
 * 16 bytes from global to shared memory past the registers and L1, in the background: there after the
 * {@link CopyWait} of its group, for other threads after a barrier behind that.
 *
 * @param to shared address, aligned to 16
 * @param from global address, aligned to 16
 * @param valid bytes that are read, the rest is zero; null for all
 */
public record CopyAsync(Address to, Address from, Operand valid) implements Instruction {
    /** Bytes of one copy. */
    public static final int BYTES = 16;

    /** @throws IllegalArgumentException if an operand does not fit */
    public CopyAsync {
        Space.SHARED.require("cp.async", to);
        Space.GLOBAL.require("cp.async", from);
        if (valid != null) {
            Instruction.require("cp.async", valid, RegType.B32);
        }
    }

    @Override
    public String opcode() {
        return "cp.async.cg.shared.global";
    }

    @Override
    public List<Reg> writes() {
        return List.of();
    }

    @Override
    public List<Operand> reads() {
        List<Operand> all = new ArrayList<>(List.of(to.base(), from.base()));
        if (valid != null) {
            all.add(valid);
        }
        return all;
    }

    @Override
    public String text() {
        return valid == null
                ? Instruction.text(opcode(), to, from, BYTES)
                : Instruction.text(opcode(), to, from, BYTES, valid);
    }
}
