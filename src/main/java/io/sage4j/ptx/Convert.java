package io.sage4j.ptx;

import java.util.List;

/**
 * A conversion.
 *
 * @param conversion which
 * @param to result
 * @param from operands
 */
public record Convert(Conversion conversion, Reg to, List<Operand> from) implements Instruction {
    /** @throws IllegalArgumentException if an operand does not fit */
    public Convert {
        from = List.copyOf(from);
        Instruction.require(conversion.opcode(), to, conversion.to());
        if (from.size() != conversion.from().size()) {
            throw new IllegalArgumentException(conversion.opcode() + ": " + from.size() + " operands, expected "
                    + conversion.from().size());
        }
        for (int n = 0; n < from.size(); n++) {
            Instruction.require(
                    conversion.opcode(), from.get(n), conversion.from().get(n));
        }
    }

    @Override
    public String opcode() {
        return conversion.opcode();
    }

    @Override
    public List<Reg> writes() {
        return List.of(to);
    }

    @Override
    public List<Operand> reads() {
        return from;
    }

    @Override
    public String text() {
        return opcode() + " " + to + ", "
                + String.join(", ", from.stream().map(Object::toString).toList()) + ";";
    }

    @Override
    public Requirement requirement() {
        return conversion.requirement();
    }
}
