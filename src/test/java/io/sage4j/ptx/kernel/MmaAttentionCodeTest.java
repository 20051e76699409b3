package io.sage4j.ptx.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.Accumulator;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.QkFormat;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.MmaShape;
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

/** The attention kernel's code: what the assembler says of it, and how many matrix instructions it has. */
class MmaAttentionCodeTest {
    private static final List<String> VARIANTS =
            List.of("int8-fp8", "int8-fp8-f16acc", "int8-fp8-f32", "int8-fp16", "int8-fp16-f16acc", "int8-fp16-f16f32");
    private static final List<Arch> FP16 = List.of(Arch.SM_80, Arch.SM_86, Arch.SM_89, Arch.SM_90A, Arch.SM_120A);
    /** FP8 mma.sync is native here; sm_90 and sm_100 emulate it in many more registers, and have wgmma for it. */
    private static final List<Arch> FP8 = List.of(Arch.SM_89, Arch.SM_120A);

    private static MmaAttentionSpec spec(Scheme scheme, int dim, boolean causal) {
        return spec(scheme, dim, causal, Arch.SM_89);
    }

    private static MmaAttentionSpec spec(Scheme scheme, int dim, boolean causal, Arch arch) {
        return spec(scheme, dim, causal, arch, true);
    }

    private static MmaAttentionSpec spec(Scheme scheme, int dim, boolean causal, Arch arch, boolean lse) {
        return new MmaAttentionSpec(
                scheme, dim, MmaTarget.of(arch, scheme, dim, lse), causal, lse, false, DType.FLOAT16, true);
    }

    /** Every variant with 64 and 128 channels; target, mask, granularity, V mean and the other widths take turns. */
    static Stream<Arguments> sample() {
        List<Arguments> sample = new ArrayList<>();
        int turn = 0;
        for (String variant : VARIANTS) {
            for (int dim : new int[] {64, 128, turn % 2 == 0 ? 32 : 96}) {
                boolean fp8 = Variant.of(variant).scheme().pv() == PvFormat.E4M3;
                List<Arch> archs = fp8 ? FP8 : FP16;
                sample.add(
                        Arguments.of(variant, dim, turn / 2 % 2 == 0, archs.get(turn % archs.size()), turn % 4 == 3));
                turn++;
            }
        }
        return sample.stream();
    }

    @ParameterizedTest
    @MethodSource("sample")
    void assemblesWithinItsRegistersWithoutSpills(String variant, int dim, boolean causal, Arch arch, boolean smoothV) {
        Scheme scheme = Variant.of(variant).scheme().withSmoothV(smoothV);
        Scheme changed = smoothV ? scheme.withGranularity(Granularity.PER_WARP) : scheme;
        check(spec(changed, dim, causal, arch, true), arch);
        check(spec(changed, dim, causal, arch, false), arch);
    }

    @ParameterizedTest
    @CsvSource({
        "int4-fp8, SM_89, 64",
        "int4-fp8, SM_89, 96",
        "int4-fp8-f16acc, SM_89, 96",
        "int4-fp8, SM_89, 32",
        "int4-fp8, SM_120A, 128",
        "int4-fp8-f16acc, SM_89, 128",
        "int4-fp8-f16acc, SM_120A, 64",
        "int8-fp16, SM_80, 256",
        "int8-fp16, SM_120A, 160",
        "int8-fp16-f16f32, SM_89, 256",
        "int8-fp16, SM_89, 224",
        "int8-fp16-f16acc, SM_86, 192",
        "int8-fp8-f16acc, SM_89, 192",
        "int8-fp8, SM_120A, 160"
    })
    void int4AndWideHeadsAssembleWithoutSpills(String variant, Arch arch, int dim) {
        check(spec(Variant.of(variant).scheme(), dim, dim % 128 == 0, arch, true), arch);
        check(spec(Variant.of(variant).scheme(), dim, dim % 128 == 0, arch, false), arch);
    }

    /** 96 channels of packed INT4 in every way that its targets have it. */
    @ParameterizedTest
    @CsvSource({"int8-fp16, SM_80", "int8-fp16-f16f32, SM_86", "int8-fp8-f16acc, SM_89", "int8-fp8, SM_89"})
    void packedInt4Of96Channels(String pv, Arch arch) {
        Scheme scheme = int4(Variant.of(pv).scheme());
        for (boolean causal : new boolean[] {false, true}) {
            check(spec(scheme, 96, causal, arch, true), arch);
            check(spec(scheme, 96, causal, arch, false), arch);
        }
    }

    /**
     * With 128 channels the budget is used up: every mask, target and V mean of what has two row tiles a warp there. (On
     * sm_90a, where wgmma is the one to take, one register is too many for FP16.)
     */
    @ParameterizedTest
    @CsvSource({
        "int8-fp8-f16acc, false, 2", "int8-fp8-f16acc, true, 2", "int8-fp8-f32, false, 2", "int8-fp8, false, 1",
        "int4-fp8-f16acc, false, 2", "int8-fp16, false, 2", "int8-fp16, true, 1", "int8-fp16-f16f32, false, 2",
        "int8-fp16-f16acc, false, 2"
    })
    void twoRowTilesTakeAllRegistersAndNoMore(String variant, boolean smoothV, int rowTiles) {
        Scheme scheme = Variant.of(variant).scheme().withSmoothV(smoothV);
        for (Arch arch : scheme.pv() == PvFormat.E4M3 ? FP8 : FP16) {
            for (boolean causal : new boolean[] {false, true}) {
                MmaAttentionSpec spec = spec(scheme, 128, causal, arch, false);
                assertThat(spec.rowTiles()).isEqualTo(rowTiles);
                if (arch == Arch.SM_90A) {
                    Ptxas.Report report = Ptxas.assemble(PtxModule.of(arch, MmaAttention.kernel(spec)));
                    assertThat(report.spilled()).as(report.log()).isLessThanOrEqualTo(3 * Float.BYTES);
                } else {
                    check(spec, arch);
                }
            }
        }
    }

    /** Where tensor cores lack FP8 its codes are multiplied as FP16, in twice as many instructions of half the depth. */
    @ParameterizedTest
    @CsvSource({"int8-fp8-f16acc, F16_F16", "int8-fp8, F16_F32"})
    void fp8IsWidenedWhereItIsNotNative(String variant, MmaShape pv) {
        MmaAttentionSpec spec = spec(Variant.of(variant).scheme(), 64, false, Arch.SM_90A, false);
        assertThat(spec.target().widened()).isTrue();
        Map<String, Integer> mix = MmaAttention.kernel(spec).mix();
        // Two loops of 2 row tiles, 8 n8 tiles of channels and one of ones, 4 steps of keys.
        assertThat(mix).containsEntry(pv.opcode(), 2 * 2 * (8 + 1) * 4);
        assertThat(mix).doesNotContainKeys(MmaShape.E4M3_F16.opcode(), MmaShape.E4M3_F32.opcode());
        // 4 steps of 4 registers of P a row tile, and of 2 of V for each n8 tile.
        assertThat(mix).containsEntry("cvt.rn.f16x2.e4m3x2", 2 * (2 * 16 + 8 * 8));
    }

    private static void check(MmaAttentionSpec spec, Arch arch) {
        Kernel kernel = MmaAttention.kernel(spec);
        Ptxas.Report report = Ptxas.assemble(PtxModule.of(arch, kernel));
        assertThat(report.spilled()).as(report.log()).isZero();
        assertThat(report.registers()).isLessThanOrEqualTo(spec.registerBudget());
        // A multiprocessor has 1 KiB more than its largest CTA, and keeps 1 KiB of each CTA for itself.
        assertThat(spec.minBlocks() * (kernel.sharedBytes() + 1024)).isLessThanOrEqualTo(arch.maxSharedBytes() + 1024);
    }

    @ParameterizedTest
    @CsvSource({
        "int8-fp8, E4M3_F32, 84", "int8-fp8-f16acc, E4M3_F16, 87", "int8-fp8-f32, E4M3_F32, 84",
        "int8-fp16, F16_F32, 78", "int8-fp16-f16acc, F16_F16, 78", "int8-fp16-f16f32, F16_F16, 78"
    })
    void theLoopHasTheMatrixInstructionsThatTheAlgorithmNeeds(String variant, MmaShape pv, int version) {
        for (int dim : new int[] {32, 64, 96, 128}) {
            MmaAttentionSpec spec = spec(Variant.of(variant).scheme(), dim, true);
            Kernel kernel = MmaAttention.kernel(spec);
            Map<String, Integer> mix = kernel.mix();
            int warpRows = 128 / (spec.threads() / 32);
            // The loop is there twice: for whole tiles and for masked ones. An MMA does 16 x 8 x k multiplications.
            int loops = 2;
            assertThat(mix).containsEntry(MmaShape.S8.opcode(), loops * warpRows * 64 * dim / (16 * 8 * 32));
            assertThat(mix).containsEntry(pv.opcode(), loops * warpRows * 64 * dim / (16 * 8 * pv.k()));
            // A thread has 64 / 4 scores of a row and shares rows with 3 others; one more exponential a row for alpha.
            assertThat(mix).containsEntry("ex2.approx.ftz.f32", loops * warpRows / 8 * (16 + 1));
            assertThat(mix).containsEntry("bar.sync", loops).containsEntry("cp.async.wait_group", loops);
            assertThat(PtxModule.of(Arch.SM_89, kernel).version()).isEqualTo(version);
            // Without the log-sum-exp one more n8 tile, of ones, where that pays; scores are converted only where there
            // is a mask.
            MmaAttentionSpec plain = spec(Variant.of(variant).scheme(), dim, true, Arch.SM_89, false);
            int columns = dim + (plain.addsP() ? 0 : 8);
            assertThat(MmaAttention.kernel(plain).mix())
                    .containsEntry(pv.opcode(), loops * 16 * plain.rowTiles() * 64 * columns / (16 * 8 * pv.k()))
                    .containsEntry("cvt.rn.f32.s32", plain.rowTiles() * 8 * 4);
        }
    }

    private static Scheme int4(Scheme s) {
        return new Scheme(
                QkFormat.INT4,
                s.granularity(),
                s.tiles(),
                true,
                true,
                false,
                s.pv(),
                s.accumulator(),
                s.pRange(),
                s.vRange());
    }

    /** INT4 has half as many QK instructions where it is native, and as many as INT8 where it is widened. */
    @ParameterizedTest
    @CsvSource({"SM_89, S4, 64", "SM_86, S4, 64", "SM_120A, S8, 32", "SM_90A, S8, 32"})
    void int4MultipliesInTheWidestInstructionThatIsNative(Arch arch, MmaShape qk, int depth) {
        for (int dim : new int[] {32, 64, 96, 128}) {
            Scheme scheme = arch == Arch.SM_86
                    ? int4(Variant.INT8_FP16.scheme())
                    : Variant.of("int4-fp8-f16acc").scheme();
            MmaAttentionSpec spec = spec(scheme, dim, false, arch);
            Map<String, Integer> mix = MmaAttention.kernel(spec).mix();
            int warpRows = 128 / (spec.threads() / 32);
            int n8Tiles = 2 * warpRows * 64 / (16 * 8);
            assertThat(mix.getOrDefault(qk.opcode(), 0)).isEqualTo(n8Tiles * (dim / depth));
            // Packed rows of an odd multiple of 32 channels end with one of half the depth.
            assertThat(mix.getOrDefault(MmaShape.S4_HALF.opcode(), 0)).isEqualTo(n8Tiles * (dim % depth / 32));
            // No instruction that takes nibbles apart.
            assertThat(mix).doesNotContainKeys("prmt.b32");
        }
    }

    /** With smooth Q no score is converted and no warp needs an exact loop: in both loops floats are what the MMAs write. */
    @Test
    void shiftedScoresAreFloats() {
        Map<String, Integer> mix = MmaAttention.kernel(
                        spec(Variant.of("int4-fp8-f16acc").scheme(), 96, true, Arch.SM_89, false))
                .mix();
        assertThat(mix).doesNotContainKeys("cvt.rn.f32.s32", "vote.sync.any.pred");
        // Two row tiles, each with 32 scores of a thread that are scaled and shifted at once, in each of two loops.
        assertThat(mix.get("fma.rn.f32")).isGreaterThanOrEqualTo(2 * 2 * 32);
    }

    @ParameterizedTest
    @CsvSource({"SM_80, 2, 131072", "SM_89, 1, 98304", "SM_120A, 1, 98304", "SM_90A, 2, 131072"})
    void wideHeadsTakeTheTilesThatFit(Arch arch, int vStages, int shared) {
        MmaAttentionSpec spec = spec(Variant.INT8_FP16.scheme(), 256, true, arch);
        assertThat(spec.target().vStages()).isEqualTo(vStages);
        assertThat(MmaAttention.sharedBytes(spec)).isEqualTo(shared);
        Map<String, Integer> mix = MmaAttention.kernel(spec).mix();
        assertThat(mix).containsEntry("bar.sync", 2 * (3 - vStages));
    }

    @Test
    void architecturesWithoutTheInstructionAreRefused() {
        assertThatThrownBy(() -> MmaTarget.of(Arch.SM_86, Variant.INT8_FP8.scheme(), 64, false))
                .hasMessageContaining("needs sm_89")
                .hasMessageContaining("int8-fp16-f16f32");
        Scheme wide = Variant.INT8_FP8.scheme();
        assertThatThrownBy(() -> spec(wide, 224, false)).hasMessageContaining("up to 192 with FP8");
        Scheme smooth = Variant.INT8_FP16.scheme().withSmoothQ(true);
        assertThatThrownBy(() -> spec(smooth, 160, false)).hasMessageContaining("up to 128 with smooth Q");
        assertThatThrownBy(() -> new MmaTarget(QkCode.INT8, 3, 2, false)).hasMessageContaining("3 row tiles");
        assertThatThrownBy(() -> QkCode.of(QkFormat.FP32, Arch.SM_80)).hasMessageContaining("not FP32");
        MmaTarget int4 = MmaTarget.of(Arch.SM_89, Variant.of("int4-fp8").scheme(), 64, false);
        assertThatThrownBy(() -> new MmaAttentionSpec(wide, 64, int4, false, false, false, DType.FLOAT16, true))
                .hasMessageContaining("codes are INT4");
        for (Arch arch : Arch.values()) {
            MmaTarget.of(arch, NativeSupport.of(arch).recommended().scheme().withTiles(TileShape.MMA_SYNC), 128, false);
        }
    }

    @ParameterizedTest
    @CsvSource({"64, 24576, 32768", "128, 49152, 65536"})
    void sharedMemoryIsWhatTheDesignSays(int dim, int fp8, int fp16) {
        assertThat(MmaAttention.sharedBytes(spec(Variant.INT8_FP8.scheme(), dim, false)))
                .isEqualTo(fp8);
        assertThat(MmaAttention.sharedBytes(spec(Variant.INT8_FP16.scheme(), dim, false)))
                .isEqualTo(fp16);
    }

    @ParameterizedTest
    @CsvSource({
        "int4-fp8, 80, a multiple of 32 channels",
        "int8-int8, 64, E4M3 or FP16",
        "int8-fp8-sm90, 64, tiles",
        "int8-fp16, 288, more shared memory"
    })
    void whatItCannotDoIsRefused(String variant, int dim, String reason) {
        assertThatThrownBy(() -> spec(Variant.of(variant).scheme(), dim, false))
                .hasMessageContaining(reason.split(",")[0]);
    }

    @Test
    void accumulatorsThatDoNotFitAreRefused() {
        Scheme scheme = Variant.INT8_FP16.scheme().withAccumulator(Accumulator.FP32_FP32, 1f, 1f);
        assertThatThrownBy(() -> spec(scheme, 64, false)).hasMessageContaining("not FP32_FP32");
        Scheme token = Variant.INT8_FP16
                .scheme()
                .withGranularity(Granularity.PER_TOKEN)
                .withTiles(TileShape.MMA_SYNC);
        assertThatThrownBy(() -> spec(token, 64, false)).hasMessageContaining("not PER_TOKEN");
        Scheme fast = Variant.of("int8-fp8-sm90-fast").scheme().withTiles(TileShape.MMA_SYNC);
        assertThatThrownBy(() -> spec(fast, 64, false)).hasMessageContaining("not E4M3_FAST");
    }
}
