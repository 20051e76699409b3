package io.sage4j.ptx.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.QkFormat;
import io.sage4j.numeric.ScaleGroups;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.PtxModule;
import io.sage4j.ptx.Ptxas;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the assembler says of the quantizers. */
class QuantizersCodeTest {
    private static void check(Arch arch, Kernel kernel, int registers) {
        Ptxas.Report report = Ptxas.assemble(PtxModule.of(arch, kernel));
        assertThat(report.spilled()).as(report.log()).isZero();
        assertThat(report.registers()).as(report.log()).isLessThanOrEqualTo(registers);
    }

    @ParameterizedTest
    @CsvSource({"PER_THREAD, SM_80, FLOAT16", "PER_WARP, SM_89, BFLOAT16", "PER_BLOCK, SM_120A, FLOAT16"})
    void quantizeQk(Granularity granularity, Arch arch, DType type) {
        ScaleGroups q = ScaleGroups.ofQ(granularity, TileShape.MMA_SYNC, 0);
        check(arch, QuantizeQk.kernel(type, q, 128, false, true), 128);
        ScaleGroups k = ScaleGroups.ofK(granularity, TileShape.MMA_SYNC, 0);
        check(arch, QuantizeQk.kernel(type, k, 128, true, false), 128);
    }

    @ParameterizedTest
    @CsvSource({
        "SM_89, FLOAT16, 64",
        "SM_86, BFLOAT16, 128",
        "SM_120A, FLOAT16, 128",
        "SM_90A, BFLOAT16, 96",
        "SM_80, FLOAT16, 96"
    })
    void int4AndSmoothQ(Arch arch, DType type, int dim) {
        QkCode code = QkCode.of(QkFormat.INT4, arch);
        ScaleGroups q = ScaleGroups.ofQ(Granularity.PER_THREAD, TileShape.MMA_SYNC, 0);
        check(
                arch,
                QuantizeQk.kernel(type, QkTarget.mma(q, code), dim, QuantizeQk.Centre.BLOCK, QuantizeQk.Loads.ALIGNED),
                128);
        ScaleGroups k = ScaleGroups.ofK(Granularity.PER_THREAD, TileShape.MMA_SYNC, 0);
        check(
                arch,
                QuantizeQk.kernel(type, QkTarget.mma(k, code), dim, QuantizeQk.Centre.HEAD, QuantizeQk.Loads.WIDE),
                128);
        check(arch, KMean.ofBlocks(type, dim), 64);
        check(arch, DeltaS.kernel(type, dim, true, true), 255);
        check(arch, DeltaS.kernel(type, dim, false, false), 255);
    }

    @Test
    void wideHeads() {
        ScaleGroups q = ScaleGroups.ofQ(Granularity.PER_THREAD, TileShape.MMA_SYNC, 0);
        check(Arch.SM_80, QuantizeQk.kernel(DType.FLOAT16, q, 256, false, true), 255);
        check(Arch.SM_89, QuantizeQk.kernel(DType.BFLOAT16, q, 224, true, false), 255);
        check(Arch.SM_80, QuantizeV.kernel(DType.FLOAT16, 256, PvFormat.FP16, true), 255);
        assertThatThrownBy(() -> QuantizeQk.kernel(DType.FLOAT16, QkTarget.mma(q, QkCode.INT4), 80, false, true))
                .hasMessageContaining("80 channels");
    }

    @ParameterizedTest
    @CsvSource({"E4M3, SM_89", "FP16, SM_80"})
    void quantizeV(PvFormat format, Arch arch) {
        check(arch, QuantizeV.kernel(DType.BFLOAT16, 128, format, true), 128);
    }

    @ParameterizedTest
    @CsvSource({
        "PER_THREAD, FLOAT16, 64", "PER_THREAD, BFLOAT16, 128",
        "PER_WARP, BFLOAT16, 64", "PER_WARP, FLOAT16, 128",
        "PER_BLOCK, FLOAT16, 64", "PER_BLOCK, BFLOAT16, 128"
    })
    void quantizeQkForWgmma(Granularity granularity, DType type, int dim) {
        for (QuantizeQk.Loads loads : QuantizeQk.Loads.values()) {
            QkTarget q = QkTarget.wgmmaQ(granularity);
            check(Arch.SM_90A, QuantizeQk.kernel(type, q, dim, QuantizeQk.Centre.NONE, loads), 128);
            QkTarget k = QkTarget.wgmmaK(granularity);
            check(Arch.SM_90A, QuantizeQk.kernel(type, k, dim, QuantizeQk.Centre.HEAD, loads), 128);
        }
    }

    @ParameterizedTest
    @CsvSource({"E4M3, 64, FLOAT16", "E4M3, 128, BFLOAT16", "FP16, 64, BFLOAT16", "FP16, 128, FLOAT16"})
    void quantizeVForWgmma(PvFormat format, int dim, DType type) {
        check(Arch.SM_90A, QuantizeV.kernel(type, dim, VTarget.wgmma(format), false, true), 128);
        check(Arch.SM_90A, QuantizeV.kernel(type, dim, VTarget.wgmma(format), true, false), 128);
    }

    /** Registers decide how many CTAs a multiprocessor has, and so how many tiles are under way. */
    @ParameterizedTest
    @CsvSource({
        "FLOAT16, 128, int8-fp8-sm90, true, false, 64",
        "FLOAT16, 64, int8-fp8-sm90, true, false, 72",
        "BFLOAT16, 128, int8-fp8-sm90-f16acc, true, false, 64",
        "FLOAT16, 128, int8-fp8-sm90, false, false, 64",
        "BFLOAT16, 64, int8-fp8-sm90, true, true, 72",
        "FLOAT16, 128, int8-fp16-sm90, true, false, 80",
        "BFLOAT16, 64, int8-fp16-sm90, true, false, 80",
        "FLOAT16, 128, int8-fp16-sm90, false, false, 80",
        "BFLOAT16, 128, int8-fp16-sm90, true, true, 80",
    })
    void quantizeKv(DType type, int dim, String variant, boolean smoothK, boolean smoothV, int registers) {
        Scheme scheme = Variant.of(variant).scheme().withSmoothK(smoothK).withSmoothV(smoothV);
        for (Granularity granularity : new Granularity[] {Granularity.PER_THREAD, Granularity.PER_BLOCK}) {
            Scheme s = scheme.withGranularity(granularity);
            Ptxas.Report wide = Ptxas.assemble(
                    PtxModule.of(Arch.SM_90A, QuantizeKv.kernel(QuantizeKv.Spec.of(s, type, dim, true))));
            assertThat(wide.spilled()).as(wide.log()).isZero();
            assertThat(wide.registers()).as(wide.log()).isLessThanOrEqualTo(registers);
            check(Arch.SM_90A, QuantizeKv.kernel(QuantizeKv.Spec.of(s, type, dim, false)), 128);
            QuantizeKv.Spec packed = QuantizeKv.Spec.of(s, type, dim, true).ofSequences();
            Ptxas.Report ofSequences = Ptxas.assemble(PtxModule.of(Arch.SM_90A, QuantizeKv.kernel(packed)));
            // Without smooth K, which no variant is, two registers go to memory and back.
            assertThat(ofSequences.spilled()).as(ofSequences.log()).isLessThanOrEqualTo(smoothK ? 0 : 32);
            assertThat(ofSequences.registers()).as(ofSequences.log()).isLessThanOrEqualTo(registers);
            check(
                    Arch.SM_90A,
                    QuantizeKv.kernel(QuantizeKv.Spec.of(s, type, dim, false).ofSequences()),
                    128);
        }
    }

    @Test
    void layoutsThatWgmmaDoesNotReadAreRefused() {
        assertThatThrownBy(() -> QkTarget.wgmmaQ(Granularity.PER_TOKEN)).hasMessageContaining("not PER_TOKEN");
        assertThatThrownBy(() -> QkTarget.wgmmaK(Granularity.PER_TENSOR)).hasMessageContaining("not PER_TENSOR");
        QkTarget k = QkTarget.wgmmaK(Granularity.PER_THREAD);
        assertThatThrownBy(() -> QuantizeQk.kernel(DType.FLOAT16, k, 96, true, true))
                .hasMessageContaining("96 channels");
        VTarget v = VTarget.wgmma(PvFormat.FP16);
        assertThatThrownBy(() -> QuantizeV.kernel(DType.FLOAT16, 32, v, true, true))
                .hasMessageContaining("only 64 or 128");
        assertThatThrownBy(() -> VTarget.wgmma(PvFormat.E5M2)).hasMessageContaining("E5M2");
        assertThatThrownBy(() -> new VTarget(PvFormat.E4M3, 64, true, true)).hasMessageContaining("128 bytes");
    }

    @Test
    void reductions() {
        check(Arch.SM_86, LseCorrection.kernel(DType.BFLOAT16, 128), 40);
        check(Arch.SM_90A, LseCorrection.ofSequences(DType.BFLOAT16, 128, 128), 40);
        check(Arch.SM_90A, LseCorrection.ofSequences(DType.FLOAT16, 64, 192), 40);
        check(Arch.SM_80, KMean.kernel(DType.FLOAT16, 128), 64);
        check(Arch.SM_90A, ChannelScale.kernel(DType.BFLOAT16, 64, true, 2.25f), 64);
    }

    @Test
    void whatWatchesV() {
        for (Arch arch : new Arch[] {Arch.SM_89, Arch.SM_90A, Arch.SM_120A}) {
            check(arch, ChannelScale.kernel(DType.FLOAT16, 128, false, 2.25f, 448), 64);
            check(arch, HeavyChannels.count(DType.BFLOAT16, 128, true), 64);
            check(arch, HeavyChannels.count(DType.FLOAT16, 64, false), 72);
            check(arch, HeavyChannels.sum(), 32);
            VTarget target = VTarget.mma(PvFormat.E4M3);
            check(arch, QuantizeV.kernel(DType.FLOAT16, 128, target, true, true, true), 128);
        }
    }

    @Test
    void whatTheyCannotDoIsRefused() {
        ScaleGroups token = new ScaleGroups(1, 1, 1, 1);
        assertThatThrownBy(() -> QuantizeQk.kernel(DType.FLOAT16, token, 64, true, true))
                .hasMessageContaining("no native quantizer");
        assertThatThrownBy(() -> QuantizeV.kernel(DType.FLOAT16, 64, PvFormat.INT8, true))
                .hasMessageContaining("INT8");
        assertThatThrownBy(() -> KMean.kernel(DType.FLOAT32, 64)).hasMessageContaining("not float32");
        Kernel fp8 = QuantizeV.kernel(DType.FLOAT16, 64, PvFormat.E4M3, false);
        assertThatThrownBy(() -> PtxModule.of(Arch.SM_86, fp8)).hasMessageContaining("needs sm_89");
    }
}
