package io.sage4j.ptx;

/**
 * A memory operand.
 *
 * @param base register, shared array or parameter
 * @param offset bytes added to it
 */
public record Address(Operand base, int offset) {
    /** @throws IllegalArgumentException if the base is none */
    public Address {
        if (base instanceof Imm || base instanceof Special || base.type() == RegType.PRED) {
            throw new IllegalArgumentException("not a base of an address: " + base);
        }
    }

    /** An address without offset. */
    public static Address of(Operand base) {
        return new Address(base, 0);
    }

    /** This address, {@code bytes} further. */
    public Address plus(int bytes) {
        return new Address(base, offset + bytes);
    }

    @Override
    public String toString() {
        return offset == 0 ? "[" + base + "]" : "[" + base + (offset < 0 ? "" : "+") + offset + "]";
    }
}
