package io.sage4j.ptx;

import java.util.List;

/** What loads and stores have in common. */
final class Memory {
    private static final int MAX_BYTES = 16;

    private Memory() {}

    static String vector(int size) {
        return size == 1 ? "" : ".v" + size;
    }

    static void requireVector(String opcode, Type type, List<? extends Operand> values) {
        int size = values.size();
        if (size != 1 && size != 2 && size != 4 || size * type.bytes() > MAX_BYTES) {
            throw new IllegalArgumentException(opcode + ": no vector of " + size + " " + type);
        }
        values.forEach(v -> Instruction.require(opcode, v, type));
    }
}
