package io.sage4j.ptx.kernel;

import io.sage4j.numeric.Numbers;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;

/**
 * Where a Hopper kernel writes: {@code out} (U64), {@code out_batch}, {@code out_head}, {@code out_token} (U64, in elements of
 * 2 bytes); with lse {@code lse} and {@code correction} (U64, FP32 [batch * qHeads][qoLen], the second one added to the first,
 * 0 for none).
 */
final class OutputTarget {
    private static final int FLOAT = 4;
    private static final int HALF = 2;

    private final KernelBuilder k;
    private final Reg out;
    private final Reg outBatch;
    private final Reg outHead;
    private final Reg outToken;
    private final Reg lse;
    private final Reg correction;

    /** Declares the parameters. */
    OutputTarget(KernelBuilder k, boolean withLse) {
        this.k = k;
        out = k.param("out", Type.U64);
        outBatch = k.param("out_batch", Type.U64);
        outHead = k.param("out_head", Type.U64);
        outToken = k.param("out_token", Type.U64);
        lse = withLse ? k.param("lse", Type.U64) : null;
        correction = withLse ? k.param("correction", Type.U64) : null;
    }

    /**
     * Element of a channel of a head's first row.
     *
     * @param head query head, counted over the batch
     * @param queryHeads heads of a batch entry
     */
    Reg element(Reg head, Reg queryHeads, Reg channel) {
        Reg batch = k.div(Type.U32, head, queryHeads);
        Reg inBatch = k.sub(Type.U32, head, k.mul(Type.U32, batch, queryHeads));
        Reg start = k.mad64(inBatch, outHead, k.convert(Conversion.U64_FROM_U32, channel));
        return k.mad64(batch, outBatch, start);
    }

    /** The same of the head of a sequence whose first row is {@code start}. */
    Reg elementOf(Reg head, Reg start, Reg channel) {
        return k.mad64(start, outToken, k.mad64(head, outHead, k.convert(Conversion.U64_FROM_U32, channel)));
    }

    /** Address of that channel of a row. */
    Reg address(Reg element, Reg row) {
        Reg bytes = k.mul(Type.U64, k.mad64(row, outToken, element), Imm.of((long) HALF));
        return k.add(Type.U64, out, bytes);
    }

    /** Bytes of so many rows. */
    Reg rows(int count) {
        return k.mul(Type.U64, outToken, Imm.of((long) HALF * count));
    }

    /**
     * Where the log-sum-exp of all rows of all heads is.
     *
     * @param sums address of the first one
     * @param correction address of what is added to it, meaningless where there is no correction
     */
    record Lse(Reg sums, Reg correction) {}

    /** That of a call. */
    Lse lse() {
        return new Lse(lse, correction);
    }

    /** That of a sequence whose first row is {@code start}: sums at an address of their own, corrections behind those of the rows before. */
    Lse lseOf(Reg sums, Reg start, Reg heads) {
        Reg before = k.mul(
                Type.U64,
                k.convert(Conversion.U64_FROM_U32, start),
                k.convert(Conversion.U64_FROM_U32, k.mul(Type.U32, heads, Imm.of(FLOAT))));
        return new Lse(sums, k.add(Type.U64, correction, before));
    }

    /** Address of the sums of a sequence, where the parameter {@code lse} is an array of them. */
    Reg sumsOf(Reg sequence) {
        return k.loadReadOnly(Type.U64, Address.of(k.index(lse, sequence, Long.BYTES)));
    }

    /** Whether there is a log-sum-exp. */
    boolean hasLse() {
        return lse != null;
    }

    /**
     * Writes the log-sum-exp of a row in the lanes where {@code writes} holds.
     *
     * @param max of the scores, times log2 e
     * @param sum of P
     * @param pOffset what the exponents of P have more than {@code score - max}
     */
    void lse(Lse of, Reg head, Reg qoLen, Reg row, Reg writes, Reg max, Reg sum, float pOffset) {
        Reg rangeOff = k.add(Type.F32, k.get(Operation.LG2, Type.F32, sum), Imm.of(-pOffset));
        Reg natural = k.mul(Type.F32, k.add(Type.F32, max, rangeOff), Imm.of(Numbers.LN2));
        Reg index = k.mad64(head, k.convert(Conversion.U64_FROM_U32, qoLen), k.convert(Conversion.U64_FROM_U32, row));
        Reg offset = k.mul(Type.U64, index, Imm.of((long) FLOAT));
        Reg shift = k.move(Type.F32, Imm.of(0f));
        Reg corrected = k.and(writes, k.compare(Relation.NE, Type.U64, correction, Imm.of(0L)));
        Reg from = k.add(Type.U64, of.correction(), offset);
        k.guarded(corrected, () -> k.set(shift, Type.F32, k.loadReadOnly(Type.F32, Address.of(from))));
        Reg empty = k.compare(Relation.EQ, Type.F32, sum, Imm.of(0f));
        Reg value = k.select(Type.F32, empty, Imm.of(Float.NEGATIVE_INFINITY), k.add(Type.F32, natural, shift));
        Reg to = k.add(Type.U64, of.sums(), offset);
        k.guarded(writes, () -> k.store(Space.GLOBAL, Type.F32, Address.of(to), value));
    }
}
