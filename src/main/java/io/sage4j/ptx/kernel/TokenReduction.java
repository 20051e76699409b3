package io.sage4j.ptx.kernel;

import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.TokenMean;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;

/**
 * One number per channel over all tokens of a head, or of each block of them, in the order of {@link TokenMean}. A CTA takes 32
 * channels of a head, and a warp, one channel to a lane, the parts of one of the {@link Numbers#MEAN_LANES} lanes; their results
 * are then combined by halves. A block is one part, so there a warp has a block to itself. 32 loads are under way at once.
 *
 * <p>Grid: (batch * heads, paddedDim / 32), and in the third dimension blocks over 8, rounded up. Shared memory: 1024 bytes,
 * none for blocks.
 */
final class TokenReduction {
    /** Channels of a CTA. */
    static final int CHANNELS = 32;
    /** Threads of a CTA. */
    static final int THREADS = CHANNELS * Numbers.MEAN_LANES;

    private static final int SPAN = TokenMean.STRAND_SPAN;
    private static final int STRANDS = SPAN / TokenMean.STRAND_ROWS;
    private static final int FLOAT = 4;

    private final KernelBuilder k;
    private final StridedInput input;
    private final Reg lane;
    private final Reg warp;
    private final Reg channel;
    private final Reg outputIndex;
    private final boolean blocks;
    /** Whether the warp has a block; null if there are no blocks. */
    private final Reg present;
    /** First token of the warp. */
    private final Reg start;

    private final Reg tokens;

    /** Places the thread; {@code paddedDim} channels of a head lie side by side in outputs. */
    TokenReduction(KernelBuilder k, StridedInput input, int paddedDim) {
        this(k, input, paddedDim, false);
    }

    /** The same for blocks of {@link TokenMean#PART} tokens, whose results lie behind each other. */
    TokenReduction(KernelBuilder k, StridedInput input, int paddedDim, boolean blocks) {
        this.k = k;
        this.input = input;
        this.blocks = blocks;
        Reg tid = k.read(Special.TID_X);
        lane = k.and(tid, CHANNELS - 1);
        warp = k.shr(tid, 5);
        channel = k.mad(Type.U32, k.read(Special.CTAID_Y), Imm.of(CHANNELS), lane);
        Reg head = k.read(Special.CTAID_X);
        if (blocks) {
            Reg block = k.mad(Type.U32, k.read(Special.CTAID_Z), Imm.of(Numbers.MEAN_LANES), warp);
            Reg count = k.shr(k.add(input.tokens(), TokenMean.PART - 1), Integer.numberOfTrailingZeros(TokenMean.PART));
            present = k.compare(Relation.LT, Type.U32, block, count);
            start = k.mul(Type.U32, block, Imm.of(TokenMean.PART));
            tokens = k.min(Type.U32, k.sub(Type.U32, input.tokens(), start), Imm.of(TokenMean.PART));
            outputIndex = k.mad(Type.U32, k.mad(Type.U32, head, count, block), Imm.of(paddedDim), channel);
        } else {
            present = null;
            start = k.mul(Type.U32, warp, Imm.of(TokenMean.PART));
            tokens = input.tokens();
            outputIndex = k.mad(Type.U32, head, Imm.of(paddedDim), channel);
        }
    }

    /** Tokens that are reduced. */
    Reg tokens() {
        return tokens;
    }

    /** Address of the thread's channel in an FP32 array [batch * heads][blocks][paddedDim]. */
    Address at(Reg array) {
        return Address.of(k.index(array, outputIndex, FLOAT));
    }

    /**
     * Reduces and hands the result to {@code finish}, in the threads of warp 0, or with blocks in those of every warp that has
     * one.
     *
     * @param operation what joins two results, 0 being its neutral element
     * @param value what an element contributes
     * @param finish receives the result of the thread's channel
     */
    void reduce(Operation operation, UnaryOperator<Reg> value, Consumer<Reg> finish) {
        Reg result = k.move(Type.F32, Imm.of(0f));
        Reg inside = k.compare(Relation.LT, Type.U32, channel, input.channels());
        if (blocks) {
            k.when(present, () -> {
                Walk walk = new Walk(result, operation, value);
                k.when(inside, () -> walk.part(k.move(Type.U32, start)));
                finish.accept(result);
            });
            return;
        }
        k.when(inside, () -> {
            Walk walk = new Walk(result, operation, value);
            Reg row = k.move(Type.U32, start);
            k.loop(() -> k.compare(Relation.LT, Type.U32, row, tokens), () -> {
                Reg first = k.move(Type.U32, row);
                walk.part(first);
                k.set(row, Operation.ADD, Type.U32, row, Imm.of(Numbers.MEAN_LANES * TokenMean.PART));
            });
        });
        joinLanes(result, operation);
        k.when(k.compare(Relation.EQ, Type.U32, warp, Imm.of(0)), () -> finish.accept(result));
    }

    private void joinLanes(Reg result, Operation operation) {
        Reg mine = k.mad(
                Type.U32,
                warp,
                Imm.of(CHANNELS * FLOAT),
                k.mad(Type.U32, lane, Imm.of(FLOAT), k.read(k.shared("partial", THREADS * FLOAT, FLOAT, false))));
        k.store(Space.SHARED, Type.F32, Address.of(mine), result);
        for (int half = Numbers.MEAN_LANES / 2; half > 0; half /= 2) {
            int distance = half * CHANNELS * FLOAT;
            k.barrier();
            k.when(k.compare(Relation.LT, Type.U32, warp, Imm.of(half)), () -> {
                Reg other = k.load(Space.SHARED, Type.F32, Address.of(mine).plus(distance));
                k.set(result, operation, Type.F32, result, other);
                k.store(Space.SHARED, Type.F32, Address.of(mine), result);
            });
        }
    }

    /** The rows of a part, 32 at a time. */
    private final class Walk {
        private final Reg result;
        private final Operation operation;
        private final UnaryOperator<Reg> value;
        private final Reg end;

        Walk(Reg result, Operation operation, UnaryOperator<Reg> value) {
            this.result = result;
            this.operation = operation;
            this.value = value;
            end = input.tokens();
        }

        /** Joins the part that starts at {@code row}, which is advanced. */
        void part(Reg row) {
            Reg sum = k.move(Type.F32, Imm.of(0f));
            Reg at = k.move(Type.U64, input.address(k.read(Special.CTAID_X), row, channel));
            Reg step = input.tokenBytes();
            Reg last = k.min(Type.U32, k.add(row, TokenMean.PART), end);
            k.loop(
                    () -> k.compare(Relation.LE, Type.U32, k.add(row, SPAN), last),
                    () -> span(sum, row, at, step, null));
            k.when(k.compare(Relation.LT, Type.U32, row, last), () -> span(sum, row, at, step, last));
            k.set(result, operation, Type.F32, result, sum);
        }

        /** For row {@code n} of the span only where there is one, unless all are there. */
        private void guarded(Reg row, int n, Reg last, Runnable body) {
            if (last == null) {
                body.run();
            } else {
                k.guarded(k.compare(Relation.LT, Type.U32, k.add(row, n), last), body);
            }
        }

        /** 32 rows, or those before {@code last} if it is not null. */
        private void span(Reg sum, Reg row, Reg at, Reg step, Reg last) {
            List<Reg> loaded = new ArrayList<>();
            for (int n = 0; n < SPAN; n++) {
                Reg bits = k.move(Type.B16, Imm.ofBits16(0));
                guarded(row, n, last, () -> k.loadReadOnly(Type.B16, List.of(bits), Address.of(at)));
                loaded.add(bits);
                k.set(at, Operation.ADD, Type.U64, at, step);
            }
            for (int s = 0; s < STRANDS; s++) {
                Reg strand = k.move(Type.F32, Imm.of(0f));
                for (int n = 0; n < TokenMean.STRAND_ROWS; n++) {
                    int place = TokenMean.strandStart(s) + TokenMean.strandRow(n);
                    Reg contributed = value.apply(input.widen(loaded.get(place)));
                    guarded(row, place, last, () -> k.set(strand, operation, Type.F32, strand, contributed));
                }
                k.set(sum, operation, Type.F32, sum, strand);
            }
            k.set(row, Operation.ADD, Type.U32, row, Imm.of(SPAN));
        }
    }
}
