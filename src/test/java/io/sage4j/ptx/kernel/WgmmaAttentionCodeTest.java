package io.sage4j.ptx.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.PtxModule;
import io.sage4j.ptx.Ptxas;
import io.sage4j.ptx.kernel.WgmmaAttentionSpec.Stores;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The Hopper kernel's code: what the assembler says of it, and how many matrix instructions it has. */
class WgmmaAttentionCodeTest {
    private static final String FP32_SUMS = "int8-fp8-sm90";
    private static final String FP16_SUMS = "int8-fp8-sm90-f16acc";
    private static final String FAST = "int8-fp8-sm90-fast";
    private static final String FP16_PV = "int8-fp16-sm90";

    private static WgmmaAttentionSpec spec(String variant, int dim, boolean causal, boolean lse) {
        return new WgmmaAttentionSpec(Variant.of(variant).scheme(), dim, causal, lse, DType.FLOAT16, Stores.WIDE, true);
    }

    static Stream<Arguments> all() {
        List<Arguments> all = new ArrayList<>();
        for (String variant : List.of(FP32_SUMS, FP16_SUMS, FAST, FP16_PV)) {
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
        assembles(spec(variant, dim, causal, lse));
    }

    @ParameterizedTest
    @CsvSource({
        "int8-fp8-sm90, 64, false, true",
        "int8-fp8-sm90, 64, true, true",
        "int8-fp8-sm90, 64, false, false",
        "int8-fp8-sm90, 128, false, true",
        "int8-fp8-sm90, 128, true, false",
        "int8-fp8-sm90-f16acc, 64, true, true",
        "int8-fp8-sm90-f16acc, 128, false, true",
        "int8-fp8-sm90-fast, 64, false, true",
        "int8-fp8-sm90-fast, 128, true, true",
        "int8-fp16-sm90, 64, true, true",
        "int8-fp16-sm90, 128, true, true",
    })
    void thatOfPartsAndTheirJoinAssembleToo(String variant, int dim, boolean causal, boolean quantizesQ) {
        Scheme scheme = Variant.of(variant).scheme().withSmoothV(causal);
        WgmmaAttentionSpec whole =
                new WgmmaAttentionSpec(scheme, dim, causal, true, DType.BFLOAT16, Stores.PAIRED, quantizesQ);
        assembles(whole.inParts());
        Kernel join = JoinParts.kernel(JoinParts.Spec.of(whole));
        Ptxas.Report report = Ptxas.assemble(PtxModule.of(Arch.SM_90A, join));
        assertThat(report.spilled()).as(report.log()).isZero();
        assertThat(join.mix()).containsEntry("griddepcontrol.wait", 1);
    }

    @ParameterizedTest
    @MethodSource("all")
    void thatOfPackedSequencesAssemblesToo(String variant, int dim, boolean causal, boolean lse) {
        WgmmaAttentionSpec spec = spec(variant, dim, causal, lse);
        assembles(spec.ofSequences());
        // Of 64-bit strides and rows narrower than chunks, with V's means.
        Scheme scheme = Variant.of(variant).scheme().withSmoothV(true);
        Stores stores = causal ? Stores.SINGLE : Stores.PAIRED;
        assembles(new WgmmaAttentionSpec(scheme, dim, causal, lse, DType.BFLOAT16, stores, true).ofSequences());
    }

    /** The loop over key tiles is that of a call: the same matrix instructions, exponentials and shared memory but for what is noted. */
    @ParameterizedTest
    @CsvSource({"int8-fp8-sm90, 64, 192", "int8-fp8-sm90, 128, 64", "int8-fp16-sm90, 128, 64"})
    void packedSequencesChangeOnlyWhatIsBetweenWorkTiles(String variant, int dim, int noted) {
        WgmmaAttentionSpec one = spec(variant, dim, true, false);
        Map<String, Integer> of = WgmmaAttention.kernel(one).mix();
        Map<String, Integer> packed = WgmmaAttention.kernel(one.ofSequences()).mix();
        for (String instruction : of.keySet()) {
            if (instruction.startsWith("wgmma") || instruction.startsWith("ex2")) {
                assertThat(packed).containsEntry(instruction, of.get(instruction));
            }
        }
        assertThat(WgmmaAttention.sharedBytes(one.ofSequences()) - WgmmaAttention.sharedBytes(one))
                .isEqualTo(noted);
    }

    @ParameterizedTest
    @CsvSource({"PARTS, true", "WIDE, false"})
    void packedSequencesNeitherSplitKeysNorComeWithCodesOfQ(Stores stores, boolean quantizesQ) {
        WgmmaAttentionSpec whole = new WgmmaAttentionSpec(
                Variant.of(FP32_SUMS).scheme(), 128, false, false, DType.FLOAT16, stores, quantizesQ);
        assertThatThrownBy(whole::ofSequences).hasMessageContaining("packed sequences quantizes Q");
    }

    /** Two barriers for a stage of K and V where they are filled and emptied together, else four; two for each of two of Q. */
    @ParameterizedTest
    @CsvSource({
        "int8-fp8-sm90, 64, false, 12",
        "int8-fp8-sm90-fast, 128, false, 12",
        "int8-fp16-sm90, 64, false, 12",
        "int8-fp16-sm90, 128, false, 12",
        "int8-fp8-sm90, 64, true, 36",
        "int8-fp8-sm90, 128, true, 20",
    })
    void tilesOfKAndVShareBarriersWhereThereAreStagesEnough(String variant, int dim, boolean parts, int barriers) {
        WgmmaAttentionSpec whole = spec(variant, dim, false, false);
        Kernel kernel = WgmmaAttention.kernel(parts ? whole.inParts() : whole);
        assertThat(kernel.mix()).containsEntry("mbarrier.init.shared::cta.b64", barriers);
    }

    @Test
    void partsLeaveTheLogSumExpToTheJoin() {
        Scheme scheme = Variant.of(FP32_SUMS).scheme();
        assertThatThrownBy(() -> new WgmmaAttentionSpec(scheme, 128, false, true, DType.FLOAT16, Stores.PARTS, true))
                .hasMessageContaining("to the join");
    }

    /** Whatever the plan may ask for beside that: Q as codes, narrower stores, other scales, BF16, smooth V. */
    @ParameterizedTest
    @CsvSource({
        "int8-fp8-sm90, 64, FLOAT16, WIDE, false, PER_THREAD, false",
        "int8-fp8-sm90, 128, FLOAT16, PAIRED, false, PER_THREAD, true",
        "int8-fp8-sm90-f16acc, 64, BFLOAT16, SINGLE, false, PER_WARP, false",
        "int8-fp16-sm90, 128, BFLOAT16, SINGLE, false, PER_BLOCK, true",
        "int8-fp8-sm90, 128, BFLOAT16, WIDE, true, PER_THREAD, true",
        "int8-fp8-sm90, 64, BFLOAT16, PAIRED, true, PER_WARP, true",
        "int8-fp8-sm90-fast, 128, FLOAT16, WIDE, true, PER_BLOCK, true",
        "int8-fp16-sm90, 64, BFLOAT16, SINGLE, true, PER_BLOCK, false",
        "int8-fp16-sm90, 128, BFLOAT16, WIDE, true, PER_WARP, true",
    })
    void allFormsAssembleWithoutSpills(
            String variant,
            int dim,
            DType type,
            Stores stores,
            boolean quantizesQ,
            Granularity granularity,
            boolean smoothV) {
        Scheme scheme =
                Variant.of(variant).scheme().withGranularity(granularity).withSmoothV(smoothV);
        assembles(new WgmmaAttentionSpec(scheme, dim, true, false, type, stores, quantizesQ));
    }

    private static void assembles(WgmmaAttentionSpec spec) {
        Kernel kernel = WgmmaAttention.kernel(spec);
        Ptxas.Report report = Ptxas.assemble(PtxModule.of(Arch.SM_90A, kernel));
        // C7510 to C7514: the assembler waits for each product, or takes setmaxnreg for nothing.
        assertThat(report.log()).doesNotContain("C75");
        assertThat(report.spilled()).as(report.log()).isZero();
        // The register file has 65536; setmaxnreg shares them out anew, and all must find theirs.
        assertThat(report.registers() * spec.threads()).isLessThanOrEqualTo(65536);
        int shared = spec.consumers() * spec.consumerRegisters() + spec.producerRegisters();
        assertThat(shared).isLessThanOrEqualTo(report.registers() * (spec.consumers() + 1));
        assertThat(kernel.sharedBytes()).isLessThanOrEqualTo(Arch.SM_90A.maxSharedBytes());
    }

    @ParameterizedTest
    @CsvSource({
        "64, m64n72k32.f32.e4m3.e4m3, 4, 64, int8-fp8-sm90",
        "128, m64n136k32.f32.e4m3.e4m3, 4, 64, int8-fp8-sm90",
        "128, m64n136k32.f16.e4m3.e4m3, 4, 64, int8-fp8-sm90-f16acc",
        "128, m64n136k32.f32.e4m3.e4m3, 4, 32, int8-fp8-sm90-fast",
        "64, m64n72k16.f32.f16.f16, 8, 64, int8-fp16-sm90",
        "128, m64n136k16.f32.f16.f16, 8, 64, int8-fp16-sm90",
    })
    void theProgramHasTheInstructionsThatTheAlgorithmNeeds(
            int dim, String product, int steps, int exponentials, String variant) {
        Map<String, Integer> mix =
                WgmmaAttention.kernel(spec(variant, dim, true, true)).mix();
        // Q K^T comes before the loop and in it, P V in it and behind it; a step is 32 deep.
        assertThat(mix).containsEntry("wgmma.mma_async.sync.aligned.m64n128k32.s32.s8.s8", 2 * dim / 32);
        assertThat(mix).containsEntry("wgmma.mma_async.sync.aligned." + product, 2 * steps);
        // 64 scores a thread, and the factor of each of its two rows.
        assertThat(mix).containsEntry("ex2.approx.ftz.f32", 2 * (exponentials + 2));
        // What is no exponential is a code: one saturated product.
        assertThat(mix.getOrDefault("fma.rn.sat.f32", 0)).isEqualTo(2 * (64 - exponentials));
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

    @ParameterizedTest
    @ValueSource(strings = {"int8-fp16-f16acc", "int8-fp16-f16f32", "int8-fp8-f32", "int8-e5m2", "int8-int8"})
    void otherSumsAndFormatsAreRefused(String variant) {
        Scheme scheme = Variant.of(variant).scheme().withTiles(TileShape.WGMMA);
        assertThatThrownBy(() -> new WgmmaAttentionSpec(scheme, 128, false, false, DType.FLOAT16, Stores.WIDE, false))
                .hasMessageContaining("in E4M3, summed anew in each tile")
                .hasMessageContaining("not " + scheme.pv() + " in " + scheme.accumulator());
    }

    @Test
    void otherTypesThanHalvesAreRefused() {
        Scheme scheme = Variant.of(FP32_SUMS).scheme();
        assertThatThrownBy(() -> new WgmmaAttentionSpec(scheme, 128, false, false, DType.FLOAT32, Stores.WIDE, false))
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
