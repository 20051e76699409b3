package io.sage4j.ptx;

import java.util.ArrayList;
import java.util.List;

/** One PTX instruction. Immutable; a wrong operand class is refused when it is made. */
public sealed interface Instruction
        permits Arithmetic,
                AtomicAdd,
                BulkCopy,
                Compare,
                Convert,
                CopyAsync,
                Load,
                LoadAcquire,
                LoadMatrix,
                Mbarrier,
                MbarrierTry,
                Mma,
                Move,
                NamedBarrier,
                NoRegisters,
                Pack,
                Select,
                Shuffle,
                Store,
                StoreMatrix,
                Unpack,
                Vote,
                Wgmma {

    /** Opcode with its modifiers, as counted by {@link Kernel#mix()}. */
    String opcode();

    /** Registers written. */
    List<Reg> writes();

    /** Operands read, bases of addresses included. */
    List<Operand> reads();

    /** PTX text, without guard. */
    String text();

    /** What it needs. */
    default Requirement requirement() {
        return Requirement.BASE;
    }

    /** {@code opcode a, b, c;}. */
    static String text(String opcode, Object... operands) {
        List<String> texts = new ArrayList<>();
        for (Object operand : operands) {
            texts.add(operand.toString());
        }
        return texts.isEmpty() ? opcode + ";" : opcode + " " + String.join(", ", texts) + ";";
    }

    /** {@code {a, b}}, or {@code a} alone. */
    static String vector(List<? extends Operand> operands) {
        if (operands.size() == 1) {
            return operands.get(0).toString();
        }
        return "{" + String.join(", ", operands.stream().map(Object::toString).toList()) + "}";
    }

    /** @throws IllegalArgumentException if the operand is of another class */
    static void require(String opcode, Operand operand, RegType expected) {
        if (operand.type() != expected) {
            throw new IllegalArgumentException(
                    opcode + ": operand " + operand + " is " + operand.type() + ", expected " + expected);
        }
    }

    /** @throws IllegalArgumentException if the operand cannot stand where the type is expected */
    static void require(String opcode, Operand operand, Type expected) {
        if (!expected.accepts(operand.type())) {
            throw new IllegalArgumentException(
                    opcode + ": operand " + operand + " is " + operand.type() + ", expected " + expected);
        }
    }

    /** @throws IllegalArgumentException if there are not so many operands, or one is of another class */
    static void requireAll(String opcode, List<? extends Operand> operands, int count, RegType expected) {
        if (operands.size() != count) {
            throw new IllegalArgumentException(
                    opcode + ": " + operands.size() + " operands " + operands + ", expected " + count);
        }
        operands.forEach(o -> require(opcode, o, expected));
    }
}
