package io.sage4j.ptx.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.Scheme;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Mma;
import io.sage4j.ptx.MmaShape;
import io.sage4j.ptx.kernel.KMean;
import io.sage4j.ptx.kernel.MmaAttention;
import io.sage4j.ptx.kernel.MmaAttentionSpec;
import io.sage4j.ptx.kernel.MmaTarget;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The throughput model, held to figures that were worked out by hand from published ones. */
class PredictionTest {
    private static Loop loop(Arch arch, String variant, int dim) {
        Scheme scheme = Variant.of(variant).scheme();
        return Loop.of(MmaAttention.kernel(new MmaAttentionSpec(
                scheme, dim, MmaTarget.of(arch, scheme, dim, false), true, false, false, DType.FLOAT16, true)));
    }

    /** Peak TOPS of the makers' papers: tensor rate * 2 * multiprocessors * clock. */
    @ParameterizedTest
    @CsvSource({
        "RTX_4090, S8, 660.6", "RTX_4090, E4M3_F16, 660.6", "RTX_4090, E4M3_F32, 330.3", "RTX_4090, S4, 1321.2",
        "RTX_5090, E4M3_F16, 838", "RTX_5090, E4M3_F32, 419", "L20, E4M3_F32, 239", "L40S, S8, 733",
        "A100, S8, 624", "A100, F16_F32, 312", "RTX_3090, F16_F16, 142", "RTX_3090, F16_F32, 71"
    })
    void tensorRatesAreThePublishedPeaks(Card card, MmaShape shape, double peak) {
        double tops = card.tensor(shape) * 2.0 * card.multiprocessors() * card.gigahertz() * 1e-3;
        assertThat(tops).isCloseTo(peak, within(0.02 * peak));
    }

    @ParameterizedTest
    @EnumSource(
            value = Card.class,
            names = {"A100", "RTX_3090"})
    void cardsWithoutFp8SaySo(Card card) {
        assertThatThrownBy(() -> card.tensor(MmaShape.E4M3_F16)).hasMessageContaining(card + " has no mma");
        assertThatThrownBy(() -> Prediction.of(card, Variant.INT8_FP8, 128)).hasMessageContaining("needs sm_89");
        assertThatThrownBy(() -> card.rate(Pipe.TENSOR)).hasMessageContaining("depends");
    }

    @Test
    void theLoopIsTheOneWithoutMask() {
        Loop loop = loop(Arch.SM_89, "int8-fp8-f16acc", 128);
        // Twice 16 rows by 64 keys of a warp: 8 n8 tiles of 4 steps, then 16 n8 tiles and the ones of 2.
        assertThat(loop.instructions().stream().filter(i -> i instanceof Mma)).hasSize(2 * (8 * 4 + 17 * 2));
        assertThat(loop.instructions().stream().filter(i -> i.opcode().startsWith("ex2")))
                .hasSize(2 * (2 * 16 + 2));
        assertThat(loop.instructions()).noneMatch(i -> i.opcode().startsWith("selp"));
        assertThat(loop.warps()).isEqualTo(4);
        assertThatThrownBy(() -> Loop.of(KMean.kernel(DType.FLOAT16, 64))).hasMessageContaining("no loop");
    }

    /** Counted in the assembled code, without padding (CUDA 13.0, docs/mma-kernels.md). */
    @ParameterizedTest
    @CsvSource({
        "SM_89, int8-fp8-f16acc, 128, 630",
        "SM_89, int8-fp8-f16acc, 64, 470",
        "SM_89, int8-fp8, 128, 316",
        "SM_89, int4-fp8-f16acc, 128, 715",
        "SM_120A, int8-fp8-f16acc, 128, 627",
        "SM_89, int8-fp16-f16f32, 128, 690",
        "SM_80, int8-fp16, 128, 558",
        "SM_89, int8-fp8, 64, 402",
        "SM_89, int4-fp8, 128, 347"
    })
    void theCountIsNearTheAssemblers(Arch arch, String variant, int dim, int assembled) {
        assertThat((double) loop(arch, variant, dim).others()).isCloseTo(assembled, within(0.04 * assembled));
    }

    /** Upstream's kernel, assembled: 755 instructions beside the matrix ones for 32 rows, 567 at 64 channels. */
    @Test
    void upstreamsCountIsTheAssemblers() {
        Scheme scheme = Variant.INT8_FP8_F16ACC.scheme();
        assertThat(2 * Prediction.upstreamInstructions(scheme, 128)).isCloseTo(755, within(4.0));
        assertThat(2 * Prediction.upstreamInstructions(scheme, 64)).isCloseTo(567, within(4.0));
    }

    @Test
    void pipesOfAnRtx4090() {
        var cycles = Prediction.of(Card.RTX_4090, Variant.INT8_FP8_F16ACC, 128).cycles();
        // 128 * 64 * 128 products twice at 1024 a cycle, and by 8 columns of ones; 128 * 64 exponentials and 128 alphas
        // at 16, twice a row pair.
        assertThat(cycles.get(Pipe.TENSOR)).isEqualTo(2048 + 64);
        assertThat(cycles.get(Pipe.SPECIAL)).isEqualTo((128 * 64 + 128 * 4) / 16.0);
        // Each of 128 * 128 output elements of a tile is widened, and the sum of each row by its four threads.
        assertThat(cycles.get(Pipe.HALF)).isEqualTo((128 * 128 + 128 * 4) / 64.0);
    }

    /** At upstream's own count of instructions the model gives upstream's figure: the wait is calibrated on it. */
    @Test
    void aPredictionScalesUpstreamsFigureByTheInstructions() {
        for (Published p : Published.all()) {
            Prediction prediction = Prediction.of(p.card(), Variant.of(p.variant()), p.headDim());
            assertThat(prediction.upstream()).contains(p.tops());
            assertThat(prediction.predicted().orElseThrow()).isLessThanOrEqualTo(prediction.ceiling());
            if (prediction.instructions() <= prediction.upstreamInstructions()) {
                assertThat(prediction.predicted().orElseThrow())
                        .isGreaterThanOrEqualTo(Math.min(p.tops(), prediction.ceiling()) * 0.999);
            }
        }
        assertThat(Prediction.of(Card.L40S, Variant.INT8_FP8, 128).predicted()).isEmpty();
    }
}
