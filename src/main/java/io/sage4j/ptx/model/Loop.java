package io.sage4j.ptx.model;

import io.sage4j.ptx.Branch;
import io.sage4j.ptx.CopyAsync;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.Instruction;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.Line;
import io.sage4j.ptx.LoadMatrix;
import io.sage4j.ptx.Mark;
import io.sage4j.ptx.Mma;
import io.sage4j.ptx.Move;
import io.sage4j.ptx.Shuffle;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * The inner loop of a kernel, as one warp runs it: the first loop that multiplies matrices, without a mask.
 *
 * <p>Counted in PTX, an instruction standing for one of the machine's, except: moves of registers and of zero are renaming and
 * cost nothing; integers of 64 bits take two; an address that is a base plus a constant costs nothing. Counts of the assembled
 * code are in docs/mma-kernels.md beside these.
 *
 * @param instructions of a warp
 * @param warps of a CTA
 */
public record Loop(List<Instruction> instructions, int warps) {
    private static final int WARP = 32;
    private static final int MMA_ELEMENTS = 16 * 8;
    private static final int CHUNK = 16;

    /**
     * Finds the loop.
     *
     * @throws IllegalArgumentException if no loop multiplies matrices
     */
    public static Loop of(Kernel kernel) {
        List<Line> lines = kernel.lines();
        for (int start = 0; start < lines.size(); start++) {
            if (lines.get(start).instruction() instanceof Mark mark) {
                int end = backward(lines, start, mark);
                List<Instruction> body = new ArrayList<>();
                for (int n = start; n < end; n++) {
                    body.add(lines.get(n).instruction());
                }
                if (body.stream().anyMatch(i -> i instanceof Mma)) {
                    return new Loop(List.copyOf(body), kernel.maxThreads() / WARP);
                }
            }
        }
        throw new IllegalArgumentException(kernel.name() + " has no loop that multiplies matrices by mma.sync");
    }

    /** Line of the branch back to a mark; the mark's own where there is none. */
    private static int backward(List<Line> lines, int start, Mark mark) {
        for (int n = start + 1; n < lines.size(); n++) {
            if (lines.get(n).instruction() instanceof Branch branch
                    && branch.target().equals(mark.label())) {
                return n;
            }
        }
        return start;
    }

    /** Cycles of a multiprocessor that the CTA's warps take in a round of the loop, pipe by pipe. */
    public Map<Pipe, Double> cycles(Card card) {
        Map<Pipe, Double> cycles = new EnumMap<>(Pipe.class);
        for (Pipe pipe : Pipe.values()) {
            cycles.put(pipe, 0.0);
        }
        for (Instruction i : instructions) {
            int count = count(i);
            if (i instanceof Mma mma) {
                double products = (double) MMA_ELEMENTS * mma.shape().k();
                add(cycles, Pipe.TENSOR, products / card.tensor(mma.shape()));
            } else {
                Pipe pipe = pipe(i);
                if (pipe != null) {
                    double amount = pipe == Pipe.SHARED ? sharedBytes(i) : WARP;
                    add(cycles, pipe, count * amount / card.rate(pipe));
                }
            }
            add(cycles, Pipe.ISSUE, (double) count * WARP / card.rate(Pipe.ISSUE));
        }
        cycles.replaceAll((pipe, one) -> one * warps);
        return cycles;
    }

    /** Instructions of a warp that start, without those of the tensor cores. */
    public int others() {
        return instructions.stream()
                .filter(i -> !(i instanceof Mma))
                .mapToInt(Loop::count)
                .sum();
    }

    private static void add(Map<Pipe, Double> cycles, Pipe pipe, double more) {
        cycles.merge(pipe, more, Double::sum);
    }

    /** The machine's instructions that it stands for. */
    private static int count(Instruction i) {
        String opcode = i.opcode();
        if (i instanceof Move move && move.from() instanceof Imm imm) {
            return imm.bits() == 0 ? 0 : 1;
        }
        if (i instanceof Mark || opcode.startsWith("mov.") || opcode.equals("neg.f32")) {
            return 0;
        }
        return opcode.endsWith("64") || opcode.contains(".wide.") ? 2 : 1;
    }

    /** What it competes for beside being started; null for nothing that counts. */
    private static Pipe pipe(Instruction i) {
        if (i instanceof LoadMatrix || i instanceof CopyAsync || i instanceof Shuffle) {
            return Pipe.SHARED;
        }
        String opcode = i.opcode();
        if (count(i) == 0 || opcode.startsWith("bar") || opcode.startsWith("bra") || opcode.startsWith("cp.async.")) {
            return null;
        }
        if (opcode.startsWith("ld.shared")) {
            return Pipe.SHARED;
        }
        if (opcode.startsWith("ld.")) {
            return null;
        }
        if (opcode.startsWith("ex2") || opcode.startsWith("lg2") || opcode.startsWith("rcp")) {
            return Pipe.SPECIAL;
        }
        if (opcode.endsWith("f16x2") && !opcode.startsWith("cvt") || opcode.equals("cvt.f32.f16")) {
            return Pipe.HALF;
        }
        boolean arithmetic = opcode.startsWith("add")
                || opcode.startsWith("sub")
                || opcode.startsWith("mul.rn")
                || opcode.startsWith("fma");
        return opcode.endsWith(".f32") && arithmetic ? Pipe.FMA : Pipe.ALU;
    }

    /** Bytes of shared memory that a warp moves; a shuffle takes the same path, 4 bytes a lane. */
    private static int sharedBytes(Instruction i) {
        if (i instanceof LoadMatrix load) {
            return load.to().size() * WARP * Float.BYTES;
        }
        if (i instanceof CopyAsync) {
            return WARP * CHUNK;
        }
        return i.writes().size() * WARP * Float.BYTES;
    }
}
