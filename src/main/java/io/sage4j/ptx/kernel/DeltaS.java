package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.numeric.TileShape;
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
import java.util.ArrayList;
import java.util.List;

/**
 * What smooth Q took from the scores (docs/numerics.md, 3), times the score factor: {@code ds[block][j] = (sum_d
 * qMean[block][d] * (k[j][d] - kMean[d])) * score_scale}, d ascending. {@link MmaAttention} adds it.
 *
 * <p>A thread takes a key: its channels stay in registers for all Q blocks of a query head, two of which are under way at
 * once. A fifth of the instructions are loads, all lanes the same address, the others multiply and add (rounded once,
 * where the model rounds twice). Blocks that a causal mask hides the keys from are left out.
 *
 * <p>Grid: (padded keys / 128 rounded up, batch * kvHeads, group size) CTAs of 128 threads. Registers: at most 255.
 * Parameters: the seven of {@link StridedInput} for K; with smooth K {@code mean} (U64, FP32 [batch *
 * kvHeads][paddedDim]); {@code q_mean} (U64, FP32 [batch * qHeads][qBlocks][paddedDim]); {@code delta_s} (U64, FP32 [batch
 * * qHeads][qBlocks][padded keys], 0 for padding); {@code q_blocks} (U32), {@code padded_keys} (U32, a multiple of 64),
 * {@code diagonal} (S32, kvLen - 1 or more without a mask), {@code score_scale} (F32).
 */
public final class DeltaS {
    /** Threads of a CTA, and keys. */
    public static final int THREADS = 128;

    /** Largest number of channels. */
    public static final int MAX_DIM = 128;

    private static final int MIN_BLOCKS = 2;
    private static final int UNDER_WAY = 2;
    private static final int VECTOR = 4;
    private static final int FLOAT = 4;

    private DeltaS() {}

    /**
     * The kernel.
     *
     * @param type element type of K
     * @param paddedDim channels of the means, a multiple of 32 up to 128
     * @param smoothK whether K's mean is subtracted
     * @param aligned whether K's pointer, strides and channels allow loads of 4 elements, without a tail
     */
    public static Kernel kernel(DType type, int paddedDim, boolean smoothK, boolean aligned) {
        KernelBuilder k = new KernelBuilder("sage_delta_s", THREADS).minBlocks(MIN_BLOCKS);
        StridedInput input = new StridedInput(k, type);
        Reg mean = smoothK ? k.param("mean", Type.U64) : null;
        Reg qMean = k.param("q_mean", Type.U64);
        Reg deltaS = k.param("delta_s", Type.U64);
        Reg qBlocks = k.param("q_blocks", Type.U32);
        Reg paddedKeys = k.param("padded_keys", Type.U32);
        Reg diagonal = k.param("diagonal", Type.S32);
        Reg scoreScale = k.param("score_scale", Type.F32);
        Reg firstKey = k.mul(Type.U32, k.read(Special.CTAID_X), Imm.of(THREADS));
        Reg key = k.add(Type.U32, firstKey, k.read(Special.TID_X));
        Reg kvHead = k.read(Special.CTAID_Y);
        List<Reg> row = channels(k, input, aligned, paddedDim, kvHead, key);
        Reg inside = k.compare(Relation.LT, Type.U32, key, input.tokens());
        if (smoothK) {
            Reg at = k.index(mean, k.mul(Type.U32, kvHead, Imm.of(paddedDim)), FLOAT);
            for (int d = 0; d < paddedDim; d++) {
                Reg shift = k.loadReadOnly(Type.F32, Address.of(at).plus(d * FLOAT));
                Reg centred = k.sub(Type.F32, row.get(d), shift);
                k.set(row.get(d), Type.F32, k.select(Type.F32, inside, centred, Imm.of(0f)));
            }
        }
        Reg head = k.mad(Type.U32, kvHead, k.read(Special.NCTAID_Z), k.read(Special.CTAID_Z));
        Reg firstBlock = k.mul(Type.U32, head, qBlocks);
        Reg lastBlock = k.sub(Type.U32, qBlocks, Imm.of(1));
        Reg start = k.max(Type.S32, k.sub(Type.S32, firstKey, diagonal), Imm.of(0));
        int shift = Integer.numberOfTrailingZeros(TileShape.MMA_SYNC.blockQ());
        Reg stored = k.compare(Relation.LT, Type.U32, key, paddedKeys);
        k.range(k.shr(start, shift), qBlocks, UNDER_WAY, block -> {
            List<Reg> blocks = new ArrayList<>();
            List<Address> means = new ArrayList<>();
            List<Reg> sums = new ArrayList<>();
            for (int n = 0; n < UNDER_WAY; n++) {
                // Past the last block the last one is computed and stored again.
                Reg mine = k.add(Type.U32, firstBlock, k.min(Type.U32, k.add(block, n), lastBlock));
                blocks.add(mine);
                means.add(Address.of(k.index(qMean, mine, paddedDim * FLOAT)));
                sums.add(k.move(Type.F32, Imm.of(0f)));
            }
            for (int d = 0; d < paddedDim; d += VECTOR) {
                for (int n = 0; n < UNDER_WAY; n++) {
                    List<Reg> m = k.loadVector(
                            Space.GLOBAL, Type.F32, VECTOR, means.get(n).plus(d * FLOAT), true);
                    for (int e = 0; e < VECTOR; e++) {
                        k.set(sums.get(n), Operation.FMA, Type.F32, m.get(e), row.get(d + e), sums.get(n));
                    }
                }
            }
            for (int n = 0; n < UNDER_WAY; n++) {
                Reg before = k.get(Operation.MUL_WIDE, Type.U32, blocks.get(n), paddedKeys);
                Reg at = k.index(k.add(Type.U64, deltaS, k.mul(Type.U64, before, Imm.of((long) FLOAT))), key, FLOAT);
                Reg scaled = k.mul(Type.F32, sums.get(n), scoreScale);
                k.guarded(stored, () -> k.store(Space.GLOBAL, Type.F32, Address.of(at), scaled));
            }
        });
        return k.build();
    }

    /** The key's channels, zero outside of the tensor. */
    private static List<Reg> channels(
            KernelBuilder k, StridedInput input, boolean aligned, int paddedDim, Reg kvHead, Reg key) {
        List<Reg> row = new ArrayList<>();
        for (int d = 0; d < paddedDim; d++) {
            row.add(k.move(Type.F32, Imm.of(0f)));
        }
        k.when(k.compare(Relation.LT, Type.U32, key, input.tokens()), () -> {
            Address at = Address.of(input.address(kvHead, key, k.move(Type.U32, Imm.of(0))));
            int step = aligned ? VECTOR : 1;
            for (int d = 0; d < paddedDim; d += step) {
                int first = d;
                Runnable load = () -> {
                    List<Reg> loaded = input.loadVector(step, at.plus(2 * first));
                    for (int e = 0; e < step; e++) {
                        k.set(row.get(first + e), Type.F32, loaded.get(e));
                    }
                };
                if (aligned) {
                    load.run();
                } else {
                    k.guarded(k.compare(Relation.GT, Type.U32, input.channels(), Imm.of(d)), load);
                }
            }
        });
        return row;
    }
}
