package io.sage4j.ptx;

/**
 * A kernel parameter.
 *
 * @param name unique in the kernel
 * @param of U32, S32, U64, S64 or F32
 */
public record Param(String name, Type of) implements Operand {
    @Override
    public RegType type() {
        return of.reg();
    }

    @Override
    public String toString() {
        return name;
    }
}
