package io.sage4j.ptx;

/**
 * A shared-memory array of a kernel; as an operand, its 32-bit shared address.
 *
 * @param name unique in the module
 * @param bytes size; of a dynamic array, the size that a launch must give
 * @param align alignment in bytes
 * @param dynamic whether the launch gives the size ({@code .extern}), needed past 48 KiB
 */
public record SharedArray(String name, int bytes, int align, boolean dynamic) implements Operand {
    /** Most bytes that arrays which are not dynamic may take together. */
    public static final int STATIC_LIMIT = 48 * 1024;

    @Override
    public RegType type() {
        return RegType.B32;
    }

    /** The line that declares it. */
    String declaration() {
        return (dynamic ? ".extern " : "") + ".shared .align " + align + " .b8 " + name
                + (dynamic ? "[];" : "[" + bytes + "];");
    }

    @Override
    public String toString() {
        return name;
    }
}
