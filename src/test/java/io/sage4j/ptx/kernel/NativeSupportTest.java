package io.sage4j.ptx.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import io.sage4j.DType;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;
import io.sage4j.ptx.Arch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What a call without a variant gets on a GPU. */
class NativeSupportTest {
    @ParameterizedTest
    @EnumSource(Arch.class)
    void theDefaultHasAKernelForEveryHeadDim(Arch arch) {
        for (int dim = 32; dim <= 256; dim += 32) {
            Scheme scheme = NativeSupport.of(arch).forDim(dim).recommended().scheme();
            for (boolean lse : new boolean[] {false, true}) {
                int channels = dim;
                assertThatCode(() -> spec(arch, scheme, channels, lse))
                        .as("%s, %d channels", arch, dim)
                        .doesNotThrowAnyException();
            }
        }
    }

    private static Object spec(Arch arch, Scheme scheme, int dim, boolean lse) {
        if (scheme.tiles().equals(TileShape.WGMMA)) {
            return new WgmmaAttentionSpec(
                    scheme, dim <= 64 ? 64 : 128, true, lse, DType.FLOAT16, WgmmaAttentionSpec.Stores.PAIRED, false);
        }
        return new MmaAttentionSpec(
                scheme, dim, MmaTarget.of(arch, scheme, dim, lse), true, lse, false, DType.FLOAT16, true);
    }

    @ParameterizedTest
    @CsvSource({
        "SM_80, 256, int8-fp16", "SM_86, 256, int8-fp16-f16f32", "SM_89, 192, int8-fp8-f16acc", "SM_89, 193, int8-fp16",
        "SM_90A, 128, int8-fp8-sm90", "SM_90A, 129, int8-fp16", "SM_100A, 64, int8-fp16", "SM_120, 64, int8-fp8-f16acc"
    })
    void theVariantEndsWhereItsKernelDoes(Arch arch, int headDim, String variant) {
        assertThat(NativeSupport.of(arch).forDim(headDim).variant()).isEqualTo(variant);
    }

    @Test
    void theReasonNamesTheVariantThatEnds() {
        assertThat(NativeSupport.of(Arch.SM_90A).forDim(160).why()).isEqualTo("int8-fp8-sm90 ends at head_dim 128");
    }
}
