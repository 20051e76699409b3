package io.sage4j.ptx;

import java.util.List;

/**
 * Lane-wise arithmetic.
 *
 * @param operation what is computed
 * @param type in which type
 * @param to result
 * @param from operands
 */
public record Arithmetic(Operation operation, Type type, Reg to, List<Operand> from) implements Instruction {
    /** @throws IllegalArgumentException if the operation does not exist for the type, or an operand does not fit */
    public Arithmetic {
        from = List.copyOf(from);
        if (!operation.has(type)) {
            throw new IllegalArgumentException(operation + " does not exist for " + type);
        }
        String opcode = operation.opcode(type);
        if (from.size() != operation.operands()) {
            throw new IllegalArgumentException(
                    opcode + ": " + from.size() + " operands, expected " + operation.operands());
        }
        Instruction.require(opcode, to, operation.result(type));
        for (int n = 0; n < from.size(); n++) {
            Operand operand = from.get(n);
            boolean widened = operand instanceof Imm && operation.operand(type, n) == RegType.B64;
            Instruction.require(opcode, operand, widened ? operand.type() : operation.operand(type, n));
        }
    }

    @Override
    public String opcode() {
        return operation.opcode(type);
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
    public Requirement requirement() {
        return type == Type.U16X2 ? Requirement.SM_90 : Requirement.BASE;
    }

    @Override
    public String text() {
        return opcode() + " " + to + ", "
                + String.join(", ", from.stream().map(Object::toString).toList()) + ";";
    }
}
