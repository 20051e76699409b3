package io.sage4j.ptx;

import java.util.List;

/**
 * 1, 2 or 4 matrices of 8 rows of 16 bytes from shared memory: lane {@code l} gives the address of row {@code l % 8} of
 * matrix {@code l / 8} and receives, of each matrix, bytes {@code 4 * (l % 4)} to {@code + 3} of row {@code l / 4};
 * transposed, 16-bit elements {@code (2 * (l % 4), l / 4)} and {@code (2 * (l % 4) + 1, l / 4)}.
 *
 * @param to one register a matrix
 * @param transposed whether rows and columns of 16-bit elements are exchanged
 * @param from address, aligned to 16
 */
public record LoadMatrix(List<Reg> to, boolean transposed, Address from) implements Instruction {
    /** @throws IllegalArgumentException if an operand does not fit */
    public LoadMatrix {
        to = List.copyOf(to);
        if (to.size() != 1 && to.size() != 2 && to.size() != 4) {
            throw new IllegalArgumentException("ldmatrix: " + to.size() + " matrices, expected 1, 2 or 4");
        }
        Instruction.requireAll("ldmatrix", to, to.size(), RegType.B32);
        Space.SHARED.require("ldmatrix", from);
    }

    @Override
    public String opcode() {
        return "ldmatrix.sync.aligned.m8n8.x" + to.size() + (transposed ? ".trans" : "") + ".shared.b16";
    }

    @Override
    public List<Reg> writes() {
        return to;
    }

    @Override
    public List<Operand> reads() {
        return List.of(from.base());
    }

    @Override
    public String text() {
        return opcode() + " {"
                + String.join(", ", to.stream().map(Object::toString).toList()) + "}, " + from + ";";
    }
}
