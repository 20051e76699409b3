package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.TokenMean;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;

/**
 * Mean of K or V over the tokens of a head, or of Q over those of a block, in FP32 (docs/numerics.md, 1), equal to
 * {@link TokenMean} to the bit.
 *
 * <p>Grid: (batch * heads, paddedDim / 32) CTAs of 256 threads. Shared memory: 1024 bytes. Registers: at most 64.
 * Parameters: the seven of {@link StridedInput}, then {@code mean} (U64): FP32 [batch * heads][paddedDim], zero in the
 * padding.
 */
public final class KMean {
    /** Blocks of a CTA. */
    public static final int BLOCKS = Numbers.MEAN_LANES;

    private KMean() {}

    /** The kernel for an element type and a number of channels in the output. */
    public static Kernel kernel(DType type, int paddedDim) {
        return kernel(type, paddedDim, false);
    }

    /**
     * Mean of each block of {@link TokenMean#PART} tokens, the last one shorter; the grid's third dimension is the number of
     * blocks over {@link #BLOCKS}, rounded up, and the mean is FP32 [batch * heads][blocks][paddedDim].
     */
    public static Kernel ofBlocks(DType type, int paddedDim) {
        return kernel(type, paddedDim, true);
    }

    private static Kernel kernel(DType type, int paddedDim, boolean blocks) {
        KernelBuilder k = new KernelBuilder("sage_token_mean", TokenReduction.THREADS);
        StridedInput input = new StridedInput(k, type);
        Reg mean = k.param("mean", Type.U64);
        TokenReduction tokens = new TokenReduction(k, input, paddedDim, blocks);
        tokens.reduce(Operation.ADD, x -> x, sum -> {
            Reg count = k.convert(Conversion.F32_FROM_U32, k.max(Type.U32, tokens.tokens(), Imm.of(1)));
            k.store(Space.GLOBAL, Type.F32, tokens.at(mean), k.div(Type.F32, sum, count));
        });
        return k.build();
    }
}
