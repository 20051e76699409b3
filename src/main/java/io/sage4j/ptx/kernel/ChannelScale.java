package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;

/**
 * Scale of each V channel over the tokens of a head, for FP8 V (docs/numerics.md, 4): {@code amax / vRange}, and what
 * {@link QuantizeV} multiplies with, {@code vRange / amax}. A channel with a NaN or an infinity gets scale NaN.
 *
 * <p>Grid: (batch * heads, paddedDim / 32) CTAs of 256 threads. Shared memory: 1024 bytes. Registers: at most 64.
 * Parameters: the seven of {@link StridedInput}, with smooth V {@code mean} (U64), then {@code scale} and {@code
 * inverse} (U64), for a second range {@code wide_scale} and {@code wide_inverse} (U64) too: all FP32 [batch *
 * heads][paddedDim].
 */
public final class ChannelScale {
    private ChannelScale() {}

    /** The kernel; {@code smooth} subtracts the mean first. */
    public static Kernel kernel(DType type, int paddedDim, boolean smooth, float vRange) {
        return kernel(type, paddedDim, smooth, vRange, 0);
    }

    /** The same for two ranges at once, of which {@link HeavyChannels} decides; 0 for no second one. */
    public static Kernel kernel(DType type, int paddedDim, boolean smooth, float vRange, float wideRange) {
        KernelBuilder k = new KernelBuilder("sage_channel_scale", TokenReduction.THREADS);
        StridedInput input = new StridedInput(k, type);
        Reg mean = smooth ? k.param("mean", Type.U64) : null;
        Reg scale = k.param("scale", Type.U64);
        Reg inverse = k.param("inverse", Type.U64);
        Reg wideScale = wideRange > 0 ? k.param("wide_scale", Type.U64) : null;
        Reg wideInverse = wideRange > 0 ? k.param("wide_inverse", Type.U64) : null;
        TokenReduction tokens = new TokenReduction(k, input, paddedDim);
        Reg shift = smooth ? k.loadReadOnly(Type.F32, tokens.at(mean)) : null;
        tokens.reduce(
                Operation.MAX_NAN,
                x -> k.get(Operation.ABS, Type.F32, smooth ? k.sub(Type.F32, x, shift) : x),
                amax -> {
                    store(k, tokens, SymmetricScale.of(k, amax, vRange), scale, inverse);
                    if (wideRange > 0) {
                        store(k, tokens, SymmetricScale.of(k, amax, wideRange), wideScale, wideInverse);
                    }
                });
        return k.build();
    }

    private static void store(KernelBuilder k, TokenReduction tokens, SymmetricScale of, Reg scale, Reg inverse) {
        k.store(Space.GLOBAL, Type.F32, tokens.at(scale), of.scale());
        k.store(Space.GLOBAL, Type.F32, tokens.at(inverse), of.inverse());
    }
}
