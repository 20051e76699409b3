package io.sage4j.ptx.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.Scheme;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.PtxModule;
import io.sage4j.ptx.Ptxas;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The Hopper kernel's code: what the assembler says of it, and how many matrix instructions it has. */
class WgmmaAttentionCodeTest {
    private static final String FP32_SUMS = "int8-fp8-sm90";
    private static final String FP16_SUMS = "int8-fp8-sm90-f16acc";
    /** Bytes that 64 channels with FP32 sums spill, three warpgroups of 160 registers: known, and not to grow. */
    private static final int KNOWN_SPILL = 240;

    private static WgmmaAttentionSpec spec(String variant, int dim, boolean causal, boolean lse) {
        return new WgmmaAttentionSpec(Variant.of(variant).scheme(), dim, causal, lse, DType.FLOAT16, true);
    }

    static Stream<Arguments> all() {
        List<Arguments> all = new ArrayList<>();
        for (String variant : List.of(FP32_SUMS, FP16_SUMS)) {
            for (int dim : new int[] {64, 128}) {
                for (int n = 0; n < 4; n++) {
                    all.add(Arguments.of(variant, dim, n % 2 == 1, n / 2 == 1));
                }
            }
        }
        return all.stream();
    }

    @ParameterizedTest
    @MethodSource("all")
    void assemblesWithoutSpillsAndWithoutSerializedProducts(String variant, int dim, boolean causal, boolean lse) {
        WgmmaAttentionSpec spec = spec(variant, dim, causal, lse);
        Kernel kernel = WgmmaAttention.kernel(spec);
        Ptxas.Report report = Ptxas.assemble(PtxModule.of(Arch.SM_90A, kernel));
        // C7510 to C7514: the assembler waits for each product, or takes setmaxnreg for nothing.
        assertThat(report.log()).doesNotContain("C75");
        boolean spills = dim == 64 && variant.equals(FP32_SUMS);
        assertThat(report.spilled()).as(report.log()).isLessThanOrEqualTo(spills ? KNOWN_SPILL : 0);
        // The register file has 65536; setmaxnreg shares them out anew, and all must find theirs.
        assertThat(report.registers() * spec.threads()).isLessThanOrEqualTo(65536);
        int shared = spec.consumers() * spec.consumerRegisters() + spec.producerRegisters();
        assertThat(shared).isLessThanOrEqualTo(report.registers() * (spec.consumers() + 1));
        assertThat(kernel.sharedBytes()).isLessThanOrEqualTo(Arch.SM_90A.maxSharedBytes());
    }

    @ParameterizedTest
    @CsvSource({"64, f32, 72, int8-fp8-sm90", "128, f32, 136, int8-fp8-sm90", "128, f16, 136, int8-fp8-sm90-f16acc"})
    void theProgramHasTheMatrixInstructionsThatTheAlgorithmNeeds(int dim, String sums, int n, String variant) {
        Map<String, Integer> mix =
                WgmmaAttention.kernel(spec(variant, dim, true, true)).mix();
        // Q K^T comes before the loop and in it, P V in it and behind it; a step is 32 deep.
        assertThat(mix).containsEntry("wgmma.mma_async.sync.aligned.m64n128k32.s32.s8.s8", 2 * dim / 32);
        assertThat(mix)
                .containsEntry("wgmma.mma_async.sync.aligned.m64n" + n + "k32." + sums + ".e4m3.e4m3", 2 * 128 / 32);
        // 64 scores a thread, and the factor of each of its two rows.
        assertThat(mix).containsEntry("ex2.approx.ftz.f32", 2 * (64 + 2));
    }

    @ParameterizedTest
    @CsvSource({
        "int4-fp8, 128, INT8 Q and K without smooth Q",
        "int8-fp8, 128, has tiles",
        "int8-fp8-sm90, 96, 64 or 128",
    })
    void whatItCannotDoIsRefused(String variant, int dim, String reason) {
        assertThatThrownBy(() -> spec(variant, dim, false, false)).hasMessageContaining(reason);
    }

    @Test
    void otherTypesThanHalvesAreRefused() {
        Scheme scheme = Variant.of(FP32_SUMS).scheme();
        assertThatThrownBy(() -> new WgmmaAttentionSpec(scheme, 128, false, false, DType.FLOAT32, true))
                .hasMessageContaining("float16 or bfloat16");
    }

    @ParameterizedTest
    @CsvSource({"sm_80", "sm_89", "sm_90", "sm_100a", "sm_120a"})
    void onlyHopperTakesIt(String arch) {
        Kernel kernel = WgmmaAttention.kernel(spec(FP32_SUMS, 128, false, false));
        assertThatThrownBy(() -> PtxModule.of(Arch.of(arch), kernel))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("sm_90");
    }
}
