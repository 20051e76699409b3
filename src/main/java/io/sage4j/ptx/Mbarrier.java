package io.sage4j.ptx;

import java.util.ArrayList;
import java.util.List;

/**
 * An operation on an 8-byte barrier object in shared memory. A phase of it ends when all expected arrivals have come
 * and all announced bytes are there.
 *
 * @param kind operation
 * @param at address of the object
 * @param value arrivals of each phase, or bytes; null for a plain arrival
 */
public record Mbarrier(Kind kind, Address at, Operand value) implements Instruction {
    /** Operations. */
    public enum Kind {
        /** Makes the object, for {@code value} arrivals a phase. */
        INIT("mbarrier.init.shared::cta.b64"),
        /** Arrives, and announces {@code value} bytes. */
        ARRIVE_EXPECT("mbarrier.arrive.expect_tx.shared::cta.b64"),
        /** Arrives. */
        ARRIVE("mbarrier.arrive.shared::cta.b64");

        private final String opcode;

        Kind(String opcode) {
            this.opcode = opcode;
        }
    }

    /** @throws IllegalArgumentException if an operand does not fit */
    public Mbarrier {
        Space.SHARED.require(kind.opcode, at);
        if ((value == null) != (kind == Kind.ARRIVE)) {
            throw new IllegalArgumentException(kind.opcode + ": value is " + value);
        }
        if (value != null) {
            Instruction.require(kind.opcode, value, RegType.B32);
        }
    }

    @Override
    public String opcode() {
        return kind.opcode;
    }

    @Override
    public List<Reg> writes() {
        return List.of();
    }

    @Override
    public List<Operand> reads() {
        List<Operand> all = new ArrayList<>(List.of(at.base()));
        if (value != null) {
            all.add(value);
        }
        return all;
    }

    @Override
    public String text() {
        return switch (kind) {
            case INIT -> Instruction.text(opcode(), at, value);
            case ARRIVE_EXPECT -> Instruction.text(opcode(), "_", at, value);
            case ARRIVE -> Instruction.text(opcode(), "_", at);
        };
    }

    @Override
    public Requirement requirement() {
        return Requirement.SM_90;
    }
}
