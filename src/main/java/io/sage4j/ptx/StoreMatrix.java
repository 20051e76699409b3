package io.sage4j.ptx;

import java.util.ArrayList;
import java.util.List;

/**
 * 4 matrices of 8 rows of 16 bytes into shared memory, the inverse of {@link LoadMatrix}: lane {@code l} gives the address
 * of row {@code l % 8} of matrix {@code l / 8} and holds, of each matrix, bytes {@code 4 * (l % 4)} to {@code + 3} of row
 * {@code l / 4}.
 *
 * @param to address, aligned to 16
 * @param from one register a matrix
 */
public record StoreMatrix(Address to, List<Reg> from) implements Instruction {
    private static final int MATRICES = 4;

    /** @throws IllegalArgumentException if an operand does not fit */
    public StoreMatrix {
        from = List.copyOf(from);
        Instruction.requireAll("stmatrix", from, MATRICES, RegType.B32);
        Space.SHARED.require("stmatrix", to);
    }

    @Override
    public String opcode() {
        return "stmatrix.sync.aligned.m8n8.x4.shared.b16";
    }

    @Override
    public List<Reg> writes() {
        return List.of();
    }

    @Override
    public List<Operand> reads() {
        List<Operand> all = new ArrayList<>(from);
        all.add(to.base());
        return all;
    }

    @Override
    public String text() {
        return Instruction.text(opcode(), to, Instruction.vector(from));
    }

    @Override
    public Requirement requirement() {
        return Requirement.SM_90;
    }
}
