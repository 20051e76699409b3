package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.numeric.HeavyTail;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;

/**
 * Channels of V that are too heavy-tailed for the narrow range of FP16 sums ({@link HeavyTail}), counted on the GPU so that
 * the host need not wait: what {@link #sum} writes decides the range of V's codes and which of two attention kernels runs
 * ({@link Watch}).
 */
public final class HeavyChannels {
    /** Threads of {@link #sum}. */
    private static final int THREADS = 256;

    private static final int WORD = 4;
    private static final int WARP = 32;

    private HeavyChannels() {}

    /**
     * Counts the heavy-tailed ones of 32 channels of a head: more than {@link HeavyTail#MOST_FLUSHED} of whose tokens, as
     * {@link QuantizeV} scales them, become a code of zero without being zero.
     *
     * <p>Grid: (batch * heads, paddedDim / 32) CTAs of 256 threads. Shared memory: 1024 bytes. Parameters: the seven of
     * {@link StridedInput}, with smooth V {@code mean} (U64), then {@code inverse} (U64) of the narrow range, as {@link
     * ChannelScale} writes it, and {@code counts} (U64): U32 [batch * heads][paddedDim / 32].
     */
    public static Kernel count(DType type, int paddedDim, boolean smooth) {
        KernelBuilder k = new KernelBuilder("sage_heavy_channels", TokenReduction.THREADS);
        StridedInput input = new StridedInput(k, type);
        Reg mean = smooth ? k.param("mean", Type.U64) : null;
        Reg inverse = k.param("inverse", Type.U64);
        Reg counts = k.param("counts", Type.U64);
        TokenReduction tokens = new TokenReduction(k, input, paddedDim);
        Reg shift = smooth ? k.loadReadOnly(Type.F32, tokens.at(mean)) : null;
        Reg factor = k.loadReadOnly(Type.F32, tokens.at(inverse));
        tokens.reduce(
                Operation.ADD,
                x -> {
                    Reg y = k.get(Operation.ABS, Type.F32, smooth ? k.sub(Type.F32, x, shift) : x);
                    Reg small = k.compare(
                            Relation.LE, Type.F32, k.mul(Type.F32, y, factor), Imm.of(HeavyTail.LARGEST_FLUSHED));
                    Reg some = k.compare(Relation.GT, Type.F32, y, Imm.of(0f));
                    return k.select(Type.F32, k.and(small, some), Imm.of(1f), Imm.of(0f));
                },
                flushed -> {
                    Reg all = k.convert(Conversion.F32_FROM_U32, tokens.tokens());
                    Reg heavy =
                            k.compare(Relation.GT, Type.F32, k.mul(Type.F32, flushed, Imm.of(HeavyTail.ONE_IN)), all);
                    Reg count = k.select(Type.U32, heavy, Imm.of(1), Imm.of(0));
                    for (int mask = 1; mask < WARP; mask *= 2) {
                        k.set(count, Operation.ADD, Type.U32, count, k.shuffleXor(count, mask));
                    }
                    Reg cta = k.mad(
                            Type.U32,
                            k.read(Special.CTAID_X),
                            Imm.of(paddedDim / TokenReduction.CHANNELS),
                            k.read(Special.CTAID_Y));
                    k.store(Space.GLOBAL, Type.U32, Address.of(k.index(counts, cta, WORD)), count);
                });
        return k.build();
    }

    /**
     * Adds the counts up.
     *
     * <p>Grid: one CTA of 256 threads. Shared memory: 1024 bytes. Parameters: {@code counts} (U64), {@code size} (U32), how
     * many they are, and {@code heavy} (U64), one U32.
     */
    public static Kernel sum() {
        KernelBuilder k = new KernelBuilder("sage_heavy_sum", THREADS);
        Reg counts = k.param("counts", Type.U64);
        Reg size = k.param("size", Type.U32);
        Reg heavy = k.param("heavy", Type.U64);
        Reg tid = k.read(Special.TID_X);
        Reg sum = k.move(Type.U32, Imm.of(0));
        Reg at = k.move(Type.U32, tid);
        k.loop(() -> k.compare(Relation.LT, Type.U32, at, size), () -> {
            Reg count = k.load(Space.GLOBAL, Type.U32, Address.of(k.index(counts, at, WORD)));
            k.set(sum, Operation.ADD, Type.U32, sum, count);
            k.set(at, Operation.ADD, Type.U32, at, Imm.of(THREADS));
        });
        Reg mine = k.mad(Type.U32, tid, Imm.of(WORD), k.read(k.shared("partial", THREADS * WORD, WORD, false)));
        k.store(Space.SHARED, Type.U32, Address.of(mine), sum);
        for (int half = THREADS / 2; half > 0; half /= 2) {
            int distance = half * WORD;
            k.barrier();
            k.when(k.compare(Relation.LT, Type.U32, tid, Imm.of(half)), () -> {
                Reg other = k.load(Space.SHARED, Type.U32, Address.of(mine).plus(distance));
                k.set(sum, Operation.ADD, Type.U32, sum, other);
                k.store(Space.SHARED, Type.U32, Address.of(mine), sum);
            });
        }
        k.when(
                k.compare(Relation.EQ, Type.U32, tid, Imm.of(0)),
                () -> k.store(Space.GLOBAL, Type.U32, Address.of(heavy), sum));
        return k.build();
    }
}
