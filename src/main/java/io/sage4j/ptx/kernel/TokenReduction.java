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
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;

/**
 * One number per channel over all tokens of a head, or of each block of them. A CTA takes 32 channels of a head, one warp for each of the
 * {@link Numbers#MEAN_LANES} interleaved partial results, which are then combined by halves: the order of
 * {@link io.sage4j.numeric.TokenMean}. 16 or 32 loads are under way at once.
 *
 * <p>Grid: (batch * heads, paddedDim / 32), and in the third dimension blocks. Shared memory: 1024 bytes.
 */
final class TokenReduction {
    /** Channels of a CTA. */
    static final int CHANNELS = 32;
    /** Threads of a CTA. */
    static final int THREADS = CHANNELS * Numbers.MEAN_LANES;

    /** Loads of a thread under way at once; twice as many where there are half as many CTAs. */
    private static final int UNROLL = 16;

    private static final int FEW_CHANNELS = 64;
    private static final int FLOAT = 4;

    private final KernelBuilder k;
    private final StridedInput input;
    private final Reg lane;
    private final Reg warp;
    private final Reg channel;
    private final Reg outputIndex;
    /** First token of the block; null if there are no blocks. */
    private final Reg start;

    private final Reg tokens;
    private final int unroll;

    /** Places the thread; {@code paddedDim} channels of a head lie side by side in outputs. */
    TokenReduction(KernelBuilder k, StridedInput input, int paddedDim) {
        this(k, input, paddedDim, 0);
    }

    /** The same for blocks of so many tokens, whose results lie behind each other; 0 for one block. */
    TokenReduction(KernelBuilder k, StridedInput input, int paddedDim, int blockTokens) {
        this.k = k;
        this.input = input;
        unroll = paddedDim <= FEW_CHANNELS ? 2 * UNROLL : UNROLL;
        Reg tid = k.read(Special.TID_X);
        lane = k.and(tid, CHANNELS - 1);
        warp = k.shr(tid, 5);
        channel = k.mad(Type.U32, k.read(Special.CTAID_Y), Imm.of(CHANNELS), lane);
        Reg head = k.read(Special.CTAID_X);
        if (blockTokens == 0) {
            start = null;
            tokens = input.tokens();
            outputIndex = k.mad(Type.U32, head, Imm.of(paddedDim), channel);
        } else {
            Reg block = k.read(Special.CTAID_Z);
            start = k.mul(Type.U32, block, Imm.of(blockTokens));
            tokens = k.min(Type.U32, k.sub(Type.U32, input.tokens(), start), Imm.of(blockTokens));
            Reg row = k.mad(Type.U32, head, k.read(Special.NCTAID_Z), block);
            outputIndex = k.mad(Type.U32, row, Imm.of(paddedDim), channel);
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
     * Reduces and hands the result to {@code finish}, in the threads of warp 0.
     *
     * @param operation what joins two results, 0 being its neutral element
     * @param value what an element contributes
     * @param finish receives the result of the thread's channel
     */
    void reduce(Operation operation, UnaryOperator<Reg> value, Consumer<Reg> finish) {
        Reg result = k.move(Type.F32, Imm.of(0f));
        k.when(k.compare(Relation.LT, Type.U32, channel, input.channels()), () -> walk(result, operation, value));
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
        k.when(k.compare(Relation.EQ, Type.U32, warp, Imm.of(0)), () -> finish.accept(result));
    }

    private void walk(Reg result, Operation operation, UnaryOperator<Reg> value) {
        Reg at = input.address(k.read(Special.CTAID_X), start == null ? warp : k.add(Type.U32, start, warp), channel);
        Reg step = k.mul(Type.U64, input.tokenBytes(), Imm.of((long) Numbers.MEAN_LANES));
        Reg row = k.move(Type.U32, warp);
        Reg reachable = k.convert(Conversion.S64_FROM_S32, tokens);
        k.loop(() -> fits(row, (unroll - 1) * Numbers.MEAN_LANES, reachable), () -> {
            List<Reg> loaded = new ArrayList<>();
            for (int n = 0; n < unroll; n++) {
                loaded.add(input.load(Address.of(at)));
                k.set(at, Operation.ADD, Type.U64, at, step);
            }
            loaded.forEach(x -> k.set(result, operation, Type.F32, result, value.apply(x)));
            k.set(row, Operation.ADD, Type.U32, row, Imm.of(unroll * Numbers.MEAN_LANES));
        });
        k.loop(() -> fits(row, 0, reachable), () -> {
            k.set(result, operation, Type.F32, result, value.apply(input.load(Address.of(at))));
            k.set(at, Operation.ADD, Type.U64, at, step);
            k.set(row, Operation.ADD, Type.U32, row, Imm.of(Numbers.MEAN_LANES));
        });
    }

    private Reg fits(Reg row, int further, Reg tokens) {
        Reg last = k.add(Type.U64, k.convert(Conversion.U64_FROM_U32, row), Imm.of((long) further));
        return k.compare(Relation.LT, Type.S64, last, tokens);
    }
}
