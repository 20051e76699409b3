package io.sage4j.ptx;

import java.util.List;

/**
 * A block from global to shared memory by the copy engine, in the background; its bytes count on an {@link Mbarrier}.
 *
 * @param to shared address, aligned to 16
 * @param from global address, aligned to 16
 * @param bytes size, a multiple of 16
 * @param barrier address of the barrier
 */
public record BulkCopy(Address to, Address from, Operand bytes, Address barrier) implements Instruction {
    /** @throws IllegalArgumentException if an operand does not fit */
    public BulkCopy {
        Space.SHARED.require("cp.async.bulk", to);
        Space.GLOBAL.require("cp.async.bulk", from);
        Space.SHARED.require("cp.async.bulk", barrier);
        Instruction.require("cp.async.bulk", bytes, RegType.B32);
    }

    @Override
    public String opcode() {
        return "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes";
    }

    @Override
    public List<Reg> writes() {
        return List.of();
    }

    @Override
    public List<Operand> reads() {
        return List.of(to.base(), from.base(), bytes, barrier.base());
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), to, from, bytes, barrier);
    }

    @Override
    public Requirement requirement() {
        return Requirement.SM_90;
    }
}
