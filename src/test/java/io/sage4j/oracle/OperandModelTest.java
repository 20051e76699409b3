package io.sage4j.oracle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Fp8;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.QkFormat;
import io.sage4j.numeric.Rung;
import io.sage4j.numeric.ScaleGroups;
import io.sage4j.numeric.Scheme;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Means, codes, scales, delta-s and counts of the model, against what quantization must satisfy. */
class OperandModelTest {
    private static final long SEED = 11;
    private static final AttentionShape SHAPE = new AttentionShape(2, 4, 2, 150, 203, 24);
    private static final Scheme FP8 = Variant.INT8_FP8_F16ACC.scheme();
    private static final Scheme INT4 = Variant.of("int4-fp8").scheme();

    private static AttentionInputs random() {
        return RandomInputs.normal(SHAPE, SEED)
                .biasK(5f)
                .biasQ(2f)
                .biasV(3f)
                .unevenTokens(1f)
                .rounded(DType.FLOAT16);
    }

    private static QuantizedOperands operands(AttentionInputs in, Scheme scheme) {
        return VariantModel.run(in, Rung.QUANTIZED, scheme).operands();
    }

    private static double mean(float[] x, int base, int rows, int dim) {
        double sum = 0;
        for (int row = 0; row < rows; row++) {
            sum += x[base + row * dim];
        }
        return sum / rows;
    }

    @Test
    void meansAreOverTheTokensOfAHeadAndOverTheValidRowsOfAQBlock() {
        AttentionInputs in = random();
        QuantizedOperands out = operands(in, INT4.withSmoothV(true));
        assertThat(out.kMean()).hasSize(2 * 2 * 24);
        assertThat(out.qMean()).hasSize(2 * 4 * 2 * 24);
        for (int n = 0; n < out.kMean().length; n++) {
            int base = n / 24 * 203 * 24 + n % 24;
            assertThat(out.kMean()[n])
                    .as("seed %d", SEED)
                    .isCloseTo((float) mean(in.k(), base, 203, 24), within(2e-5f));
            assertThat(out.vMean()[n])
                    .as("seed %d", SEED)
                    .isCloseTo((float) mean(in.v(), base, 203, 24), within(2e-5f));
        }
        for (int head = 0; head < 8; head++) {
            for (int d = 0; d < 24; d++) {
                int base = head * 150 * 24 + d;
                assertThat(out.qMean()[head * 2 * 24 + d])
                        .as("seed %d", SEED)
                        .isCloseTo((float) mean(in.q(), base, 128, 24), within(2e-5f));
                assertThat(out.qMean()[(head * 2 + 1) * 24 + d])
                        .as("seed %d", SEED)
                        .isCloseTo((float) mean(in.q(), base + 128 * 24, 22, 24), within(2e-5f));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void codesUseTheWholeRangeOfTheirGroupAndAreNearest(Granularity granularity) {
        AttentionInputs in = random();
        for (Scheme scheme :
                new Scheme[] {FP8.withSmoothK(false), INT4.withSmoothK(false).withSmoothQ(false)}) {
            QuantizedOperands out = operands(in, scheme.withGranularity(granularity));
            int limit = scheme.qk() == QkFormat.INT4 ? 7 : 127;
            checkCodes(in.q(), 150, out.qCodes(), out.qScales(), out.qGroups(), 8, limit);
            checkCodes(in.k(), 203, out.kCodes(), out.kScales(), out.kGroups(), 4, limit);
        }
    }

    private static void checkCodes(
            float[] y, int rows, byte[] codes, float[] scales, ScaleGroups groups, int heads, int limit) {
        int perHead = scales.length / heads;
        int[] largest = new int[scales.length];
        for (int n = 0; n < y.length; n++) {
            int row = n / 24 % rows;
            int scale = n / 24 / rows * perHead + groups.index(row);
            largest[scale] = Math.max(largest[scale], Math.abs(codes[n]));
            assertThat(Math.abs(codes[n] * (double) scales[scale] - y[n]))
                    .as("seed %d row %d", SEED, row)
                    .isLessThanOrEqualTo(scales[scale] * 0.5001);
        }
        for (int head = 0; head < heads; head++) {
            for (int row = 0; row < rows; row++) {
                assertThat(largest[head * perHead + groups.index(row)])
                        .as("seed %d", SEED)
                        .isEqualTo(limit);
            }
        }
    }

    @Test
    void aGroupOfPaddingOnlyHasTheScaleOfZeros() {
        AttentionShape shape = new AttentionShape(1, 1, 1, 3, 3, 4);
        QuantizedOperands out = operands(RandomInputs.normal(shape, SEED).rounded(DType.FLOAT16), FP8);
        assertThat(out.qScales()).hasSize(32);
        assertThat(out.qScales()[2]).isGreaterThan(1e-6f);
        assertThat(out.qScales()[3]).isEqualTo(0x1p-100f / 127);
        assertThat(out.kScales()).hasSize(4);
        assertThat(out.kScales()[2]).isEqualTo(0x1p-100f / 127);
    }

    @Test
    void deltaSIsWhatSmoothQTakesFromTheScores() {
        AttentionInputs in = random();
        QuantizedOperands out = operands(in, INT4);
        for (int[] at : new int[][] {{0, 0, 0, 0}, {0, 3, 127, 202}, {1, 1, 128, 17}, {1, 2, 149, 64}}) {
            int head = at[0] * 4 + at[1];
            int block = at[2] / 128;
            double whole = 0;
            double centred = 0;
            for (int d = 0; d < 24; d++) {
                int kvHead = at[0] * 2 + at[1] / 2;
                double q = in.q()[in.qRow(at[0], at[1], at[2]) + d];
                double k = (double) in.k()[in.kvRow(at[0], at[1] / 2, at[3]) + d] - out.kMean()[kvHead * 24 + d];
                whole += q * k;
                centred += (q - out.qMean()[(head * 2 + block) * 24 + d]) * k;
            }
            assertThat(out.deltaS()[(head * 2 + block) * 203 + at[3]])
                    .as("seed %d", SEED)
                    .isCloseTo((float) (whole - centred), within(2e-3f));
        }
    }

    @Test
    void vIsScaledPerChannelToItsRange() {
        AttentionInputs in = random();
        for (float range : new float[] {448f, 2.25f}) {
            QuantizedOperands out = operands(
                    in,
                    Variant.INT8_FP8
                            .scheme()
                            .withAccumulator(Variant.INT8_FP8.scheme().accumulator(), 448f, range));
            for (int channel = 0; channel < 4 * 24; channel++) {
                float largest = 0;
                for (int j = 0; j < 203; j++) {
                    int at = (channel / 24 * 203 + j) * 24 + channel % 24;
                    float value = out.vValues()[at];
                    largest = Math.max(largest, Math.abs(value));
                    assertThat(value).isEqualTo(Fp8.E4M3.decode((byte) out.vCodes()[at]));
                    double exact = in.v()[at] / (double) out.vScales()[channel];
                    // Half a step: 2^-4 of a normal value, 2^-10 of a subnormal one.
                    assertThat(Math.abs(value - exact))
                            .as("seed %d value %s", SEED, exact)
                            .isLessThanOrEqualTo(Math.max(Math.abs(exact) * 0.0625001, 0x1.0001p-10));
                }
                assertThat(largest).as("seed %d", SEED).isEqualTo(range);
            }
        }
    }

    @Test
    void halfVHasNoScaleAndSaturates() {
        AttentionShape shape = new AttentionShape(1, 1, 1, 1, 4, 1);
        AttentionInputs in = AttentionInputs.of(
                shape, new float[1], new float[4], new float[] {1.0001f, 70000f, Float.NEGATIVE_INFINITY, 1e-9f});
        ModelResult result = VariantModel.run(in, Rung.QUANTIZED, Variant.INT8_FP16.scheme());
        assertThat(result.operands().vScales()).isEmpty();
        assertThat(result.operands().vValues()).containsExactly(1f, 65504f, -65504f, 0f);
        assertThat(result.counts()).isEqualTo(new NumericCounts(1, 2, 1, 4));
    }

    @Test
    void aHeavyTailedChannelIsFlushedMoreInASmallRange() {
        AttentionInputs in = RandomInputs.normal(SHAPE, SEED).heavyTailedV().rounded(DType.FLOAT32);
        NumericCounts wide =
                VariantModel.run(in, Rung.QUANTIZED, Variant.INT8_FP8.scheme()).counts();
        NumericCounts narrow = VariantModel.run(in, Rung.QUANTIZED, FP8).counts();
        assertThat(narrow.vTotal()).isEqualTo(2 * 2 * 203 * 24);
        assertThat(narrow.vFlushed()).isGreaterThan(2 * wide.vFlushed());
        long expected = 0;
        QuantizedOperands out = operands(in, FP8);
        for (int n = 0; n < in.v().length; n++) {
            // Below half of the smallest subnormal of E4M3, 2^-9.
            float scaled = Math.abs(in.v()[n] / out.vScales()[n / (203 * 24) * 24 + n % 24]);
            expected += in.v()[n] != 0 && scaled <= 0x1p-10f ? 1 : 0;
        }
        assertThat(narrow.vFlushed()).isCloseTo(expected, within(2L));
    }

    @Test
    void nonFiniteElementsAreCounted() {
        AttentionInputs in = RandomInputs.normal(SHAPE, SEED)
                .putQ(0, 0, 0, 0, Float.NaN)
                .putK(1, 1, 7, 3, Float.POSITIVE_INFINITY)
                .putV(1, 0, 9, 2, Float.NEGATIVE_INFINITY)
                .putV(1, 0, 9, 3, Float.NaN)
                .rounded(DType.FLOAT32);
        for (Variant variant : Variant.all()) {
            NumericCounts counts =
                    VariantModel.run(in, variant.rung(), variant.scheme()).counts();
            assertThat(counts.nonFinite()).as(variant.name()).isEqualTo(4);
            assertThat(counts.vTotal()).as(variant.name()).isEqualTo(2 * 2 * 203 * 24);
        }
    }

    @Test
    void aPoisonedChannelIsNotCountedAsFlushed() {
        AttentionShape shape = new AttentionShape(1, 1, 1, 1, 4, 2);
        AttentionInputs in = AttentionInputs.of(
                shape, new float[2], new float[8], new float[] {1, 1, Float.NaN, 1e-9f, 2, 0, 3, -1e-9f});
        for (Variant variant : new Variant[] {Variant.INT8_FP8, Variant.of("int8-int8")}) {
            assertThat(VariantModel.run(in, Rung.QUANTIZED, variant.scheme()).counts())
                    .isEqualTo(new NumericCounts(1, 0, 2, 8));
        }
    }
}
