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
 * <p>Grid: (batch * heads, paddedDim / 32) CTAs of 256 threads. Shared memory: 1024 bytes. Registers: at most 40, 56 up to 64 channels.
 * Parameters: the seven of {@link StridedInput}, with smooth V {@code mean} (U64), then {@code scale} and {@code
 * inverse} (U64): all FP32 [batch * heads][paddedDim].
 */
public final class ChannelScale {
    private ChannelScale() {}

    /** The kernel; {@code smooth} subtracts the mean first. */
    public static Kernel kernel(DType type, int paddedDim, boolean smooth, float vRange) {
        KernelBuilder k = new KernelBuilder("sage_channel_scale", TokenReduction.THREADS);
        StridedInput input = new StridedInput(k, type);
        Reg mean = smooth ? k.param("mean", Type.U64) : null;
        Reg scale = k.param("scale", Type.U64);
        Reg inverse = k.param("inverse", Type.U64);
        TokenReduction tokens = new TokenReduction(k, input, paddedDim);
        Reg shift = smooth ? k.loadReadOnly(Type.F32, tokens.at(mean)) : null;
        tokens.reduce(
                Operation.MAX_NAN,
                x -> k.get(Operation.ABS, Type.F32, smooth ? k.sub(Type.F32, x, shift) : x),
                amax -> {
                    SymmetricScale of = SymmetricScale.of(k, amax, vRange);
                    k.store(Space.GLOBAL, Type.F32, tokens.at(scale), of.scale());
                    k.store(Space.GLOBAL, Type.F32, tokens.at(inverse), of.inverse());
                });
        return k.build();
    }
}
