package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;

/**
 * What smooth K took from every score of a row, {@code (sum_d q * kMean) * sm_scale}, channels ascending (docs/numerics.md,
 * 6): {@link MmaAttention}'s {@code correction}. A thread takes a row. Only wanted with the log-sum-exp.
 *
 * <p>Grid: (qoLen / 128 rounded up, batch * qHeads) CTAs of 128 threads. Registers: at most 40. Parameters: the seven of
 * {@link StridedInput} for Q, {@code mean} (U64, FP32 [batch * kvHeads][paddedDim]), {@code group_size} (U32, query heads of
 * a key/value head), {@code sm_scale} (F32), {@code correction} (U64, FP32 [batch * qHeads][qoLen]).
 *
 * <p>Of packed sequences: grid (rows of the table, qHeads); {@code mean} is [sequences * kvHeads][paddedDim], {@code correction} [qHeads][qoLen] of
 * one sequence behind that of another; behind the parameters {@code kv_heads} (U32) and those of {@link SequenceTable}.
 */
public final class LseCorrection {
    /** Threads of a CTA, and rows. */
    public static final int THREADS = 128;

    private static final int FLOAT = 4;
    private static final int HALF = 2;

    private LseCorrection() {}

    /** The kernel for an element type and a number of channels in the mean. */
    public static Kernel kernel(DType type, int paddedDim) {
        KernelBuilder k = new KernelBuilder("sage_lse_correction", THREADS);
        StridedInput input = new StridedInput(k, type);
        Reg mean = k.param("mean", Type.U64);
        Reg groupSize = k.param("group_size", Type.U32);
        Reg scale = k.param("sm_scale", Type.F32);
        Reg correction = k.param("correction", Type.U64);
        Reg row = k.mad(Type.U32, k.read(Special.CTAID_X), Imm.of(THREADS), k.read(Special.TID_X));
        Reg head = k.read(Special.CTAID_Y);
        k.when(k.compare(Relation.LT, Type.U32, row, input.tokens()), () -> {
            // Heads of all batches are groups one after the other, so the key/value head is the group.
            Reg kvHead = k.div(Type.U32, head, groupSize);
            Reg sum = sum(k, input, mean, paddedDim, head, row, kvHead);
            Reg index = k.mad(Type.U32, head, input.tokens(), row);
            Address to = Address.of(k.index(correction, index, FLOAT));
            k.store(Space.GLOBAL, Type.F32, to, k.mul(Type.F32, sum, scale));
        });
        return k.build();
    }

    /**
     * The one for packed sequences.
     *
     * @param rows rows of a tile of the table
     */
    public static Kernel ofSequences(DType type, int paddedDim, int rows) {
        KernelBuilder k = new KernelBuilder("sage_lse_correction", THREADS);
        StridedInput all = new StridedInput(k, type);
        Reg mean = k.param("mean", Type.U64);
        Reg groupSize = k.param("group_size", Type.U32);
        Reg scale = k.param("sm_scale", Type.F32);
        Reg correction = k.param("correction", Type.U64);
        Reg kvHeads = k.param("kv_heads", Type.U32);
        SequenceTable table = new SequenceTable(k, null);
        Reg head = k.read(Special.CTAID_Y);
        WgmmaParams.Work work = table.work(head, k.read(Special.CTAID_X));
        SequenceTable.Sequence sequence = work.sequence();
        StridedInput input = all.part(sequence.start(), sequence.qoLen());
        Reg kvHead = k.mad(Type.U32, sequence.number(), kvHeads, k.div(Type.U32, head, groupSize));
        Reg before = k.index(correction, sequence.start(), FLOAT);
        Reg ofSequence = k.mad64(
                all.heads(),
                k.sub(Type.U64, before, correction),
                k.index(correction, k.mul(Type.U32, head, sequence.qoLen()), FLOAT));
        Reg first = k.mul(Type.U32, work.qTile(), Imm.of(rows));
        Reg end = k.min(Type.U32, k.add(first, rows), sequence.qoLen());
        k.range(k.add(Type.U32, first, k.read(Special.TID_X)), end, THREADS, row -> {
            Reg sum = sum(k, input, mean, paddedDim, head, row, kvHead);
            Address to = Address.of(k.index(ofSequence, row, FLOAT));
            k.store(Space.GLOBAL, Type.F32, to, k.mul(Type.F32, sum, scale));
        });
        return k.build();
    }

    private static Reg sum(
            KernelBuilder k, StridedInput input, Reg mean, int paddedDim, Reg head, Reg row, Reg kvHead) {
        Reg q = input.address(head, row, k.move(Type.U32, Imm.of(0)));
        Reg of = k.index(mean, k.mul(Type.U32, kvHead, Imm.of(paddedDim)), FLOAT);
        Reg sum = k.move(Type.F32, Imm.of(0f));
        k.range(Imm.of(0), input.channels(), 1, d -> {
            Reg x = input.load(Address.of(q));
            Reg product = k.mul(Type.F32, x, k.loadReadOnly(Type.F32, Address.of(of)));
            k.set(sum, Operation.ADD, Type.F32, sum, product);
            k.set(q, Operation.ADD, Type.U64, q, Imm.of((long) HALF));
            k.set(of, Operation.ADD, Type.U64, of, Imm.of((long) FLOAT));
        });
        return sum;
    }
}
