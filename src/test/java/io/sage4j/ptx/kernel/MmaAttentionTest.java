package io.sage4j.ptx.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.QkFormat;
import io.sage4j.numeric.Rung;
import io.sage4j.numeric.Scheme;
import io.sage4j.oracle.AttentionInputs;
import io.sage4j.oracle.HardData;
import io.sage4j.oracle.ModelResult;
import io.sage4j.oracle.RandomInputs;
import io.sage4j.oracle.ScoreMask;
import io.sage4j.oracle.VariantModel;
import io.sage4j.plan.AttentionProblem;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.MmaShape;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The attention kernel, behind the native quantizers, in the interpreter against the model.
 *
 * <p>Bound of an output element, relative to the largest one of its row: one rounding of the output, plus 2^-9. Scores
 * agree to a few ulp, so a p within a few ulp of the middle between two codes may round the other way: one step of E4M3
 * is 2^-4 of that p, of FP16 2^-11, and a sum of 64 and more keeps a small part of it; FP16 sums may differ by one
 * rounding, 2^-11, a tile. The natural-log lse agrees to 2^-20 of one plus its magnitude.
 *
 * <p>Without lse, scores that start from 1.5 * 2^23 shift exponents by up to 1.5 score scales, so that now and then a P of
 * E4M3 does round the other way: one row in 16 may be off by half a step of E4M3, as if one key had half of its weight.
 */
class MmaAttentionTest {
    private static final SimulatedAttention.Memory PLAIN = new SimulatedAttention.Memory(DType.FLOAT16, false, 0);

    private static final double LSE_BOUND = 0x1p-20;
    /**
     * With smooth Q, a sum of head_dim products that the kernel rounds once and the model twice; and its tests' Q and K have
     * biases, so that the correction cancels most of a large maximum.
     */
    private static final double BIASED_LSE_BOUND = 0x1p-17;

    private static double bound(DType type) {
        return 0x1p-9 + (type == DType.FLOAT16 ? 0x1p-11 : 0x1p-8);
    }

    private static SimulatedAttention check(AttentionInputs in, Scheme scheme, SimulatedAttention.Memory memory) {
        return check(in, scheme, memory, Arch.SM_89);
    }

    private static SimulatedAttention check(
            AttentionInputs in, Scheme scheme, SimulatedAttention.Memory memory, Arch arch) {
        ModelResult model = VariantModel.run(in, Rung.QUANTIZED, scheme);
        SimulatedAttention run =
                new SimulatedAttention(in, scheme, memory, arch).quantize().attend();
        checkOutput(run, model, 0);
        double worstLse = 0;
        for (int row = 0; row < model.lse().length; row++) {
            float lse = run.lse.getAtIndex(ValueLayout.JAVA_FLOAT, row);
            if (Float.isFinite(model.lse()[row])) {
                worstLse = Math.max(worstLse, Math.abs(lse - model.lse()[row]) / (1 + Math.abs(model.lse()[row])));
            } else {
                assertThat(lse).as("lse of row %d", row).isEqualTo(Float.valueOf(model.lse()[row]));
            }
        }
        assertThat(worstLse)
                .as("error of the lse")
                .isLessThan(scheme.smoothQ() || scheme.qk() == QkFormat.INT4 ? BIASED_LSE_BOUND : LSE_BOUND);
        run.attend(false);
        // Without lse the kernel may be another one: O is divided by the sum of P as it was rounded.
        boolean mayRoundTheOtherWay = scheme.pv() == PvFormat.E4M3 && scheme.qk() == QkFormat.INT8;
        checkOutput(
                run,
                VariantModel.runWithoutLse(in, Rung.QUANTIZED, scheme, run.roundedSum),
                mayRoundTheOtherWay ? model.lse().length / 16 : 0);
        return run;
    }

    /** All rows but {@code others} within the bound, and those within that of a P that rounded the other way. */
    private static void checkOutput(SimulatedAttention run, ModelResult model, int others) {
        DType type = run.memory().type();
        float[] out = run.output();
        float[] expected = ModelResult.rounded(model.o(), type);
        int dim = out.length / model.lse().length;
        double[] errors = new double[model.lse().length];
        for (int row = 0; row < errors.length; row++) {
            double largest = 0;
            double error = 0;
            for (int d = row * dim; d < (row + 1) * dim; d++) {
                if (Float.isFinite(expected[d])) {
                    largest = Math.max(largest, Math.abs(expected[d]));
                    error = Math.max(error, Math.abs(expected[d] - (double) out[d]));
                } else {
                    assertThat(out[d]).isEqualTo(Float.valueOf(expected[d]));
                }
            }
            errors[row] = error / Math.max(largest, 1e-30);
        }
        Arrays.sort(errors);
        assertThat(errors[errors.length - 1])
                .as("error relative to the row")
                .isLessThan(others > 0 ? 0x1p-5 : bound(type));
        assertThat(errors[errors.length - 1 - others]).as("error of most rows").isLessThan(bound(type));
        assertThat(run.overwrittenPadding()).isZero();
    }

    @ParameterizedTest
    @CsvSource({
        "int8-fp8, 64, 130, 70", "int8-fp8-f16acc, 128, 65, 129", "int8-fp8-f32, 64, 33, 192",
        "int8-fp16, 64, 130, 70", "int8-fp16-f16acc, 128, 65, 129", "int8-fp16-f16f32, 64, 33, 192",
        "int8-fp8, 96, 40, 100", "int8-fp16, 32, 40, 100", "int8-fp8-f16acc-p224, 128, 1, 64"
    })
    void isTheModel(String variant, int dim, int qoLen, int kvLen) {
        AttentionInputs in = RandomInputs.normal(new AttentionShape(1, 2, 1, qoLen, kvLen, dim), dim + kvLen)
                .biasK(3f)
                .rounded(DType.FLOAT16);
        Scheme scheme = Variant.of(variant).scheme();
        try (SimulatedAttention run = check(in, scheme, PLAIN)) {
            assertThat(run.attention.bankConflictsByLine()).isEmpty();
            // 2 heads; a tile is 128 x 64 x D multiplications, a matrix instruction 16 x 8 x 32.
            long tiles = 2L * Math.ceilDiv(qoLen, 128) * Math.ceilDiv(kvLen, 64);
            assertThat(run.attention.executed())
                    .containsEntry(MmaShape.S8.opcode(), tiles * 128 * 64 * dim / (16 * 8 * MmaShape.S8.k()));
        }
    }

    /** Tiles of 128 rows by 64 keys, of one head, with a key that a row sees. */
    private static long tiles(AttentionInputs in) {
        long tiles = 0;
        for (int first = 0; first < in.shape().qoLen(); first += 128) {
            int lastRow = Math.min(first + 128, in.shape().qoLen()) - 1;
            tiles += Math.ceilDiv(in.keysBelowDiagonal(lastRow), 64);
        }
        return tiles;
    }

    /** INT4 native (packed) and widened, with smooth Q, also with INT8, in both granularities and with a mask. */
    @ParameterizedTest
    @CsvSource({
        "int4-fp8, SM_89, 64, 130, 70, false", "int4-fp8-f16acc, SM_89, 128, 65, 129, false",
        "int4-fp8-f16acc, SM_120, 96, 200, 100, true", "int4-fp8, SM_89, 40, 33, 66, true",
        "int4-fp8, SM_90A, 128, 20, 64, false", "int4-fp8-f16acc, SM_89, 100, 300, 260, true",
        "int4-fp8, SM_89, 96, 130, 70, false", "int4-fp8-f16acc, SM_89, 72, 33, 130, true",
        "int4-fp8-f16acc, SM_89, 32, 70, 140, false", "int4-fp8, SM_89, 90, 20, 64, true"
    })
    void int4WithSmoothQ(String variant, Arch arch, int dim, int qoLen, int kvLen, boolean causal) {
        AttentionInputs in = RandomInputs.normal(new AttentionShape(2, 4, 2, qoLen, kvLen, dim), dim + kvLen)
                .biasK(3f)
                .biasQ(2f)
                .rounded(DType.FLOAT16);
        AttentionInputs asked = causal ? in.withDiagonal(kvLen - qoLen + 3) : in;
        Scheme scheme = Variant.of(variant).scheme();
        try (SimulatedAttention run = check(asked, scheme, PLAIN, arch)) {
            boolean packed = arch == Arch.SM_89;
            // 128 x 64 x D products a tile; what packed rows have beyond a multiple of 64 in one instruction of half
            // that depth.
            long n8Tiles = 2 * 4 * tiles(asked) * 128 * 64 / (16 * 8);
            int padded = Math.ceilDiv(dim, 32) * 32;
            Map<String, Long> executed = run.attention.executed();
            assertThat(executed.getOrDefault(MmaShape.S8.opcode(), 0L)).isEqualTo(packed ? 0 : n8Tiles * (padded / 32));
            assertThat(executed.getOrDefault(MmaShape.S4.opcode(), 0L)).isEqualTo(packed ? n8Tiles * (padded / 64) : 0);
            assertThat(executed.getOrDefault(MmaShape.S4_HALF.opcode(), 0L))
                    .isEqualTo(packed ? n8Tiles * (padded / 32 % 2) : 0);
            assertThat(run.attention.bankConflictsByLine()).isEmpty();
        }
        check(asked, scheme.withGranularity(Granularity.PER_BLOCK).withSmoothK(false), PLAIN, arch)
                .close();
        check(asked, Variant.INT8_FP16.scheme().withSmoothQ(true), PLAIN, arch).close();
        check(asked, scheme.withSmoothQ(false), PLAIN, arch).close();
    }

    @ParameterizedTest
    @CsvSource({
        "int8-fp16, SM_80, 256, 70, 200, true", "int8-fp16, SM_89, 256, 70, 200, true",
        "int8-fp16-f16f32, SM_89, 200, 33, 130, false", "int8-fp16, SM_120, 160, 33, 130, true",
        "int8-fp16-f16acc, SM_86, 192, 1, 65, false", "int8-fp8-f16acc, SM_89, 192, 20, 130, true",
        "int8-fp16, SM_89, 224, 130, 64, false"
    })
    void wideHeads(String variant, Arch arch, int dim, int qoLen, int kvLen, boolean causal) {
        AttentionInputs in = RandomInputs.normal(new AttentionShape(1, 2, 1, qoLen, kvLen, dim), dim)
                .biasK(3f)
                .rounded(DType.FLOAT16);
        AttentionInputs asked = causal ? in.withDiagonal(kvLen - qoLen) : in;
        try (SimulatedAttention run = check(
                asked, Variant.of(variant).scheme(), new SimulatedAttention.Memory(DType.FLOAT16, true, 0), arch)) {
            assertThat(run.attention.bankConflictsByLine()).isEmpty();
        }
    }

    /** The largest sums that INT8 codes can have stay exact: 256 products of 127 and 127, of either sign. */
    @Test
    void largestSumsAreExact() {
        AttentionShape shape = new AttentionShape(1, 1, 1, 16, 64, 256);
        float[] q = new float[16 * 256];
        float[] k = new float[64 * 256];
        float[] v = RandomInputs.normal(shape, 3).rounded(DType.FLOAT16).v();
        for (int n = 0; n < q.length; n++) {
            q[n] = n / 256 % 2 == 0 ? 1f : -1f;
        }
        for (int n = 0; n < k.length; n++) {
            k[n] = n / 256 % 3 == 0 ? 1f : n / 256 % 3 == 1 ? -1f : 0f;
        }
        AttentionInputs in = new AttentionInputs(shape, q, k, v, AttentionProblem.NOT_CAUSAL, 1f / 64, ScoreMask.NONE);
        check(in, Variant.INT8_FP16.scheme().withSmoothK(false), PLAIN, Arch.SM_80)
                .close();
    }

    @ParameterizedTest
    @EnumSource(HardData.class)
    void hardDataInInt4(HardData data) {
        AttentionInputs in = data.inputs(new AttentionShape(1, 2, 1, 70, 100, 64), 9, DType.FLOAT16);
        check(in, Variant.of("int4-fp8-f16acc").scheme(), PLAIN).close();
        check(in.withDiagonal(0), Variant.of("int4-fp8").scheme(), PLAIN, Arch.SM_120)
                .close();
    }

    @ParameterizedTest
    @EnumSource(
            value = Granularity.class,
            names = {"PER_THREAD", "PER_WARP", "PER_BLOCK"})
    void everyGranularityWithStridesAndBfloat16(Granularity granularity) {
        AttentionInputs in = RandomInputs.normal(new AttentionShape(2, 4, 2, 37, 66, 40), 5)
                .biasV(2f)
                .rounded(DType.BFLOAT16);
        SimulatedAttention.Memory memory = new SimulatedAttention.Memory(DType.BFLOAT16, true, 3);
        check(in, Variant.INT8_FP8.scheme().withGranularity(granularity).withSmoothV(true), memory)
                .close();
    }

    @ParameterizedTest
    @CsvSource({"200, 200, 0", "70, 200, 130", "200, 70, -130", "64, 129, -3", "5, 300, 0"})
    void causal(int qoLen, int kvLen, int diagonal) {
        AttentionInputs in = RandomInputs.normal(new AttentionShape(1, 1, 1, qoLen, kvLen, 64), qoLen)
                .rounded(DType.FLOAT16)
                .withDiagonal(diagonal);
        check(in, Variant.INT8_FP8_F16ACC.scheme(), PLAIN).close();
        check(in, Variant.INT8_FP16.scheme(), PLAIN).close();
    }

    @ParameterizedTest
    @EnumSource(HardData.class)
    void hardData(HardData data) {
        AttentionInputs in = data.inputs(new AttentionShape(1, 1, 1, 70, 100, 64), 9, DType.FLOAT16);
        check(in, Variant.INT8_FP8_F16ACC.scheme(), PLAIN).close();
        check(in.withDiagonal(0), Variant.INT8_FP8.scheme(), PLAIN).close();
    }

    /**
     * With a small score scale no score is converted; past the limit all are, in the exact loop, and no P rounds the other
     * way: scores of this size would shift P by a tenth if they were floats as they stand.
     */
    @ParameterizedTest
    @CsvSource({
        "int8-fp8-f16acc, 0.125, true",
        "int8-fp16, 0.125, true",
        "int8-fp8-f16acc, 200, false",
        "int8-fp16, 50, false"
    })
    void largeScoreScalesAreExact(String variant, float smScale, boolean small) {
        AttentionInputs in = RandomInputs.normal(new AttentionShape(1, 1, 1, 128, 128, 64), 7)
                .rounded(DType.FLOAT16)
                .withSmScale(smScale);
        Scheme scheme = Variant.of(variant).scheme();
        try (SimulatedAttention run =
                new SimulatedAttention(in, scheme, PLAIN).quantize().attend(false)) {
            // 2 tiles of 4 warps, of 2 row tiles of 8 n8 tiles of 4 scores a lane.
            int conversions = small ? 0 : 2 * 4 * 2 * 8 * 4;
            assertThat(run.attention.executed().getOrDefault("cvt.rn.f32.s32", 0L))
                    .isEqualTo(conversions);
            if (!small) {
                checkOutput(run, VariantModel.runWithoutLse(in, Rung.QUANTIZED, scheme, true), 0);
            }
        }
    }

    @Test
    void noKeysAndOddScores() {
        AttentionInputs none =
                RandomInputs.normal(new AttentionShape(1, 1, 1, 3, 0, 64), 1).rounded(DType.FLOAT16);
        check(none, Variant.INT8_FP8.scheme(), PLAIN).close();
        AttentionInputs some =
                RandomInputs.normal(new AttentionShape(1, 1, 1, 40, 130, 64), 2).rounded(DType.FLOAT16);
        check(some.withSmScale(-0.3f), Variant.INT8_FP8.scheme(), PLAIN).close();
        check(some.withSmScale(0f), Variant.INT8_FP16.scheme(), PLAIN).close();
    }
}
