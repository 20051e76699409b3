package io.sage4j.ptx;

/**
 * A virtual register.
 *
 * @param type class
 * @param index number within the class
 */
public record Reg(RegType type, int index) implements Operand {
    @Override
    public String toString() {
        return type.prefix() + index;
    }
}
