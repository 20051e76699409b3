package io.sage4j.ptx;

import java.util.List;
import java.util.Locale;

/**
 * A predicate from two numbers. Ordered comparison: false if one is NaN, except {@code NE}, which PTX defines ordered
 * too.
 *
 * @param relation which
 * @param type in which type
 * @param to predicate
 * @param a left
 * @param b right
 */
public record Compare(Relation relation, Type type, Reg to, Operand a, Operand b) implements Instruction {
    /** Relations of two numbers. */
    public enum Relation {
        /** a == b. */
        EQ,
        /** a != b. */
        NE,
        /** a &lt; b. */
        LT,
        /** a &lt;= b. */
        LE,
        /** a &gt; b. */
        GT,
        /** a &gt;= b. */
        GE
    }

    /** @throws IllegalArgumentException if an operand does not fit */
    public Compare {
        Instruction.require("setp", to, RegType.PRED);
        Instruction.require("setp", a, type);
        if (!(b instanceof Imm && type.reg() == RegType.B64)) {
            Instruction.require("setp", b, type);
        }
    }

    @Override
    public String opcode() {
        return "setp." + relation.name().toLowerCase(Locale.ROOT) + "." + type.ptx();
    }

    @Override
    public List<Reg> writes() {
        return List.of(to);
    }

    @Override
    public List<Operand> reads() {
        return List.of(a, b);
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), to, a, b);
    }
}
