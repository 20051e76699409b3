package io.sage4j.ptx.kernel;

import io.sage4j.Variant;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;
import io.sage4j.numeric.WgmmaLayout;
import io.sage4j.ptx.Arch;

/**
 * What an architecture's tensor cores multiply by {@code mma.sync}, and which variant therefore is the one to take there
 * (docs/mma-kernels.md). PTX has every instruction from the least architecture on; where the tensor cores lack it, the
 * assembler puts many others in its place, so being accepted is not being fast.
 *
 * @param arch target
 * @param int4 whether INT4 is native
 * @param fp8 whether FP8 is native by {@code mma.sync}; sm_90 and sm_100 have it by {@code wgmma} and {@code tcgen05} only
 * @param variant name of the variant to take
 * @param why the reason, for people
 */
public record NativeSupport(Arch arch, boolean int4, boolean fp8, String variant, String why) {
    /** The row of an architecture. */
    public static NativeSupport of(Arch arch) {
        return switch (arch) {
            case SM_80, SM_86 ->
                new NativeSupport(
                        arch,
                        true,
                        false,
                        arch == Arch.SM_80 ? "int8-fp16" : "int8-fp16-f16f32",
                        arch == Arch.SM_80
                                ? "no FP8 tensor cores; FP16 products are summed in FP32 at full rate"
                                : "no FP8 tensor cores; FP16 sums run at twice the rate of FP32 sums");
            case SM_89 ->
                new NativeSupport(
                        arch, true, true, "int8-fp8-f16acc", "FP8 with FP16 sums at twice the rate of FP32 sums");
            case SM_90 ->
                new NativeSupport(
                        arch, false, false, "int8-fp16", "FP8 mma.sync is emulated, and this target has no wgmma");
            case SM_90A ->
                new NativeSupport(arch, false, false, "int8-fp8-sm90", "FP8 by wgmma; FP8 mma.sync is emulated");
            case SM_100A ->
                new NativeSupport(
                        arch, false, false, "int8-fp16", "FP8 mma.sync is emulated, and there is no tcgen05 kernel");
            case SM_120, SM_120A ->
                new NativeSupport(
                        arch, false, true, "int8-fp8-f16acc", "FP8 with FP16 sums at twice the rate of FP32 sums");
        };
    }

    /** The variant to take. */
    public Variant recommended() {
        return Variant.of(variant);
    }

    /**
     * The same for a number of channels: where the variant has no kernel for so many, {@code int8-fp16}, which goes furthest.
     */
    public NativeSupport forDim(int headDim) {
        Scheme scheme = recommended().scheme();
        int most = MmaAttentionSpec.MAX_DIM;
        if (scheme.tiles().equals(TileShape.WGMMA)) {
            most = WgmmaLayout.MAX_DIM;
        } else if (scheme.pv() == PvFormat.E4M3) {
            most = MmaAttentionSpec.MAX_FP8_DIM;
        }
        return headDim <= most
                ? this
                : new NativeSupport(arch, int4, fp8, Variant.INT8_FP16.name(), variant + " ends at head_dim " + most);
    }
}
