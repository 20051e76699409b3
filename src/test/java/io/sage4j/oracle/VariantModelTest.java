package io.sage4j.oracle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.Accumulator;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.Rung;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;
import io.sage4j.plan.MaskView;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The model against exact attention: how accurate each variant is, and which choice helps against which data. */
class VariantModelTest {
    private static final long SEED = 3;
    private static final AttentionShape SHAPE = new AttentionShape(1, 2, 2, 512, 512, 64);
    private static final Scheme FP8 = Variant.INT8_FP8_F16ACC.scheme();
    private static final Scheme INT4 = Variant.of("int4-fp8").scheme();

    private static Metrics metrics(AttentionInputs in, Variant variant) {
        return Metrics.of(
                ExactAttention.of(in).o(),
                VariantModel.run(in, variant.rung(), variant.scheme()).o());
    }

    private static double error(AttentionInputs in, Scheme scheme) {
        Metrics metrics = Metrics.of(
                ExactAttention.of(in).o(),
                VariantModel.run(in, Rung.QUANTIZED, scheme).o());
        assertThat(metrics.nonFiniteAgree()).as("%s", metrics).isTrue();
        return metrics.relativeL1();
    }

    /**
     * Normal V averages out, which is the hardest case for relative errors; with a V bias they are as in the papers.
     */
    @ParameterizedTest
    @CsvSource({
        "naive,                0.9999999, 2e-6,  2e-6",
        "tiled,                0.9999999, 2e-6,  2e-6",
        "flash,                0.9999999, 2e-6,  2e-6",
        "int8-fp16,            0.9999,    0.012, 0.006",
        "int8-fp16-f16acc,     0.9999,    0.012, 0.006",
        "int8-fp16-f16f32,     0.9999,    0.012, 0.006",
        "int8-fp8,             0.9992,    0.04,  0.0186",
        "int8-fp8-f32,         0.9992,    0.04,  0.0186",
        "int8-fp8-f16acc,      0.9992,    0.04,  0.0186",
        "int8-fp8-f16acc-p224, 0.9992,    0.04,  0.0186",
        "int8-fp8-f16acc-p112, 0.9992,    0.04,  0.0186",
        "int8-e5m2,            0.997,     0.08,  0.035",
        "int8-fp8-sm90,        0.9992,    0.04,  0.0186",
        "int8-fp8-sm90-fast,   0.9991,    0.0424, 0.0197",
        "int8-fp8-sm90-f16acc, 0.9992,    0.04,  0.0186",
        "int8-fp16-sm90,       0.9999,    0.012, 0.006",
        "int8-int8,            0.9996,    0.025, 0.014",
        "int8-int8-token,      0.9996,    0.025, 0.014",
        "sage1,                0.9999,    0.014, 0.007",
        "int4-fp8,             0.98,      0.21,  0.09",
        "int4-fp8-f16acc,      0.98,      0.21,  0.09",
        "mma-fp16,             0.9999,    0.012, 0.006",
        "mma-fp8,              0.9992,    0.04,  0.0186"
    })
    void accuracyOnNormalData(String name, double cosine, double relativeL1, double relativeL1WithBiasedV) {
        RandomInputs data = RandomInputs.normal(SHAPE, SEED);
        Metrics centred = metrics(data.rounded(DType.FLOAT16), Variant.of(name));
        assertThat(centred.isWithin(cosine, relativeL1))
                .as("seed %d: %s", SEED, centred)
                .isTrue();
        Metrics biased = metrics(data.biasV(0.5f).rounded(DType.FLOAT16), Variant.of(name));
        assertThat(biased.isWithin(cosine, relativeL1WithBiasedV))
                .as("seed %d: %s", SEED, biased)
                .isTrue();
    }

    @Test
    void theTableAboveHasEveryVariant() throws NoSuchMethodException {
        CsvSource table = getClass()
                .getDeclaredMethod("accuracyOnNormalData", String.class, double.class, double.class, double.class)
                .getAnnotation(CsvSource.class);
        assertThat(table.value()).hasSameSizeAs(Variant.all());
    }

    @Test
    void twoKeysByHand() {
        // Scores 2 and -2. FP8 V: codes 448 and 224. P: 2^8.807 -> 448, 447.89 * e^-4 = 8.20 -> 8.
        AttentionInputs in = AttentionInputs.of(
                        new AttentionShape(1, 1, 1, 1, 2, 1), new float[] {2}, new float[] {1, -1}, new float[] {1, 0.5f
                        })
                .withSmScale(1f);
        double p = Math.pow(2, 8.807);
        double expected = (448 * 448 + 8 * 224) / (p * (1 + Math.exp(-4))) / 448;
        ModelResult fp8 = VariantModel.run(in, Rung.QUANTIZED, Variant.INT8_FP8.scheme());
        assertThat(fp8.o()[0]).isCloseTo((float) expected, within(1e-5f));
        assertThat(fp8.lse()[0]).isCloseTo((float) Math.log(Math.exp(2) + Math.exp(-2)), within(1e-5f));
        // INT8: P 126.93 -> 127 and 2.32 -> 2; V codes 127 and 64 (63.5 to even).
        double q = Math.pow(2, 6.988);
        ModelResult int8 = VariantModel.run(
                in, Rung.QUANTIZED, Variant.of("int8-int8-token").scheme());
        assertThat(int8.o()[0])
                .isCloseTo((float) ((127 * 127 + 2 * 64) / (q * (1 + Math.exp(-4))) / 127), within(1e-5f));
    }

    @Test
    void codesStraightFromTheExponentByHand() {
        // Keys 0 to 15 have scores 0 in base 2 but for key 9, which has -1.5 octaves, and key 12, which has -20.
        float[] k = new float[16];
        k[9] = -1.5f;
        k[12] = -20f;
        float[] v = new float[16];
        v[0] = 1f;
        v[9] = 1f;
        AttentionInputs in = AttentionInputs.of(new AttentionShape(1, 1, 1, 1, 16, 1), new float[] {1}, k, v)
                .withSmScale((float) Math.log(2));
        Scheme scheme = Variant.of("int8-fp8-sm90-fast").scheme().withSmoothK(false);
        ModelResult fast = VariantModel.run(in, Rung.QUANTIZED, scheme);
        // Exponents of the others: 8.807. Rounded: 447.9 to 448. Coded: 8 * 8.807 + 55.58 = 126.04, code 126, 448 too.
        // Key 9's score: K's scale is its group's (keys 8, 9 of each 8 with 0, 1: 1.5 / 127), so -1.5 is exact; its
        // code
        // 8 * 7.307 + 55.58 = 114.04 is 114: 2^7 * (1 + 2/8) = 160, where rounding would make 158.3 160 as well.
        // Key 12: 8 * -11.193 + 55.58 < 0 is code 0.
        double sum = 14 * 448 + 160;
        assertThat(fast.o()[0]).isCloseTo((float) ((448 + 160) / sum), within(1e-5f));
        assertThat(fast.lse()[0]).isCloseTo((float) (Math.log(sum) - 8.807 * Math.log(2)), within(1e-4f));
    }

    @Test
    void halfOfTheCodesBendAndTheOthersRound() {
        // 0.3 octaves below the first key, exponent 8.507: 363.8 rounds to 352, code 123; its place among the codes is
        // 8 * 8.507 + 55.58 = 123.64, code 124, which is 384.
        float[] k = new float[16];
        for (int j = 1; j < 16; j++) {
            k[j] = -0.3f;
        }
        float[] v = new float[16];
        v[1] = 1f;
        v[8] = 0.5f;
        AttentionInputs in = AttentionInputs.of(new AttentionShape(1, 1, 1, 1, 16, 1), new float[] {1}, k, v)
                .withSmScale((float) Math.log(2));
        Scheme scheme = Variant.of("int8-fp8-sm90-fast").scheme().withSmoothK(false);
        double sum = 448 + 7 * 352 + 8 * 384;
        assertThat(VariantModel.run(in, Rung.QUANTIZED, scheme).o()[0])
                .isCloseTo((float) ((352 + 384 * 0.5) / sum), within(1e-5f));
    }

    @Test
    void finerScaleGroupsAreMoreAccurateOnUnevenTokens() {
        AttentionInputs in = RandomInputs.normal(SHAPE, SEED).unevenTokens(1.5f).rounded(DType.FLOAT16);
        List<Double> errors = new ArrayList<>();
        for (Granularity granularity : new Granularity[] {
            Granularity.PER_TOKEN,
            Granularity.PER_THREAD,
            Granularity.PER_WARP,
            Granularity.PER_BLOCK,
            Granularity.PER_TENSOR
        }) {
            errors.add(error(in, Variant.INT8_FP16.scheme().withGranularity(granularity)));
        }
        assertThat(errors).as("seed %d", SEED).isSorted();
        assertThat(errors.get(3)).as("per block against per thread").isGreaterThan(1.3 * errors.get(1));
    }

    @Test
    void oneOutlierTokenHurtsCoarseGroupsMost() {
        AttentionInputs in =
                RandomInputs.normal(SHAPE, SEED).outlierKey(100, 100f).rounded(DType.FLOAT16);
        double token = error(in, Variant.INT8_FP16.scheme().withGranularity(Granularity.PER_TOKEN));
        double thread = error(in, Variant.INT8_FP16.scheme());
        double block = error(in, Variant.INT8_FP16.scheme().withGranularity(Granularity.PER_BLOCK));
        double tensor = error(in, Variant.INT8_FP16.scheme().withGranularity(Granularity.PER_TENSOR));
        assertThat(List.of(token, thread, block, tensor)).as("seed %d", SEED).isSorted();
    }

    @Test
    void smoothKRemovesAChannelBiasOfK() {
        AttentionInputs in = HardData.K_CHANNEL_BIAS.inputs(SHAPE, SEED, DType.FLOAT16);
        for (Scheme scheme : new Scheme[] {FP8, Variant.INT8_FP16.scheme(), INT4}) {
            assertThat(error(in, scheme.withSmoothK(false))).as("seed %d", SEED).isGreaterThan(3 * error(in, scheme));
        }
    }

    @Test
    void smoothQRemovesAChannelBiasOfQ() {
        AttentionInputs in =
                RandomInputs.normal(SHAPE, SEED).biasQ(5f).biasK(5f).rounded(DType.FLOAT16);
        assertThat(error(in, INT4.withSmoothQ(false))).as("seed %d", SEED).isGreaterThan(1.5 * error(in, INT4));
        assertThat(error(in, FP8.withSmoothQ(false)))
                .as("seed %d", SEED)
                .isGreaterThan(error(in, FP8.withSmoothQ(true)));
    }

    /** Shifts on their grid move an INT4 output by a tenth of its error, and the error by less than a hundredth of itself. */
    @ParameterizedTest
    @CsvSource({"0", "2", "4"})
    void shiftsOnTheirGridCostNoAccuracy(float bias) {
        AttentionInputs in =
                RandomInputs.normal(SHAPE, SEED).biasQ(bias).biasK(bias).rounded(DType.FLOAT16);
        float[] onGrid =
                VariantModel.runWithoutLse(in, Rung.QUANTIZED, INT4, false).o();
        double error = error(in, INT4);
        assertThat(Metrics.of(ExactAttention.of(in).o(), onGrid).relativeL1()).isBetween(0.99 * error, 1.01 * error);
        assertThat(Metrics.of(VariantModel.run(in, Rung.QUANTIZED, INT4).o(), onGrid)
                        .relativeL1())
                .isBetween(0.01 * error, 0.2 * error);
    }

    @Test
    void smoothVRemovesAChannelBiasOfV() {
        AttentionInputs in = RandomInputs.normal(SHAPE, SEED).biasV(8f).rounded(DType.FLOAT16);
        for (Scheme scheme : new Scheme[] {FP8, Variant.of("int8-fp16-f16acc").scheme()}) {
            assertThat(error(in, scheme)).as("seed %d", SEED).isGreaterThan(2 * error(in, scheme.withSmoothV(true)));
        }
    }

    @Test
    void aRunningHalfSumLosesWhatATwoLevelSumKeeps() {
        AttentionShape shape = new AttentionShape(1, 1, 1, 128, 4096, 32);
        AttentionInputs in = RandomInputs.normal(shape, SEED).biasV(4f).rounded(DType.FLOAT16);
        Scheme scheme = Variant.INT8_FP16.scheme();
        double running = error(in, scheme.withAccumulator(Accumulator.FP16, 1f, 1f));
        double twoLevel = error(in, scheme.withAccumulator(Accumulator.FP16_FP32, 1f, 1f));
        double fp32 = error(in, scheme);
        assertThat(running).as("seed %d", SEED).isGreaterThan(2 * twoLevel);
        assertThat(twoLevel).as("seed %d", SEED).isLessThan(1.5 * fp32);
    }

    @Test
    void halfSumsOfFp8AreAsGoodAsFp32Ones() {
        AttentionInputs in = RandomInputs.normal(SHAPE, SEED).biasV(0.5f).rounded(DType.FLOAT16);
        assertThat(error(in, FP8)).isCloseTo(error(in, Variant.INT8_FP8.scheme()), within(5e-4));
    }

    /**
     * Every part of a scheme must reach the output; a change that does not show would be a part that is not modelled.
     */
    @Test
    void everyChangeOfTheSchemeChangesTheOutput() {
        Map<String, Scheme> schemes = new LinkedHashMap<>();
        schemes.put("base", FP8);
        for (Granularity granularity : Granularity.values()) {
            if (granularity != FP8.granularity()) {
                schemes.put(granularity.name(), FP8.withGranularity(granularity));
            }
        }
        schemes.put("warp16", FP8.withTiles(TileShape.MMA_SYNC_WARP16));
        schemes.put("no smooth K", FP8.withSmoothK(false));
        schemes.put("smooth Q", FP8.withSmoothQ(true));
        schemes.put("smooth V", FP8.withSmoothV(true));
        schemes.put("p224", FP8.withAccumulator(Accumulator.FP16_FP32, 224f, 4.5f));
        schemes.put("p112", FP8.withAccumulator(Accumulator.FP16_FP32, 112f, 9f));
        schemes.put("fp32 sums of the same codes", FP8.withAccumulator(Accumulator.FP32_FP32, 448f, 2.25f));
        Variant.all().stream()
                .filter(Variant::isQuantized)
                .filter(variant -> variant != Variant.INT8_FP8_F16ACC && !schemes.containsValue(variant.scheme()))
                .forEach(variant -> schemes.put(variant.name(), variant.scheme()));
        AttentionShape shape = new AttentionShape(1, 1, 1, 300, 300, 32);
        AttentionInputs in = RandomInputs.normal(shape, SEED)
                .biasK(1f)
                .biasQ(1f)
                .biasV(1f)
                .heavyTailedV()
                .rounded(DType.FLOAT16);
        List<List<Float>> outputs = new ArrayList<>();
        for (Scheme scheme : schemes.values()) {
            List<Float> values = new ArrayList<>();
            for (float value : VariantModel.run(in, Rung.QUANTIZED, scheme).o()) {
                values.add(value);
            }
            outputs.add(values);
        }
        List<String> names = List.copyOf(schemes.keySet());
        for (int one = 0; one < outputs.size(); one++) {
            for (int two = 0; two < one; two++) {
                assertThat(outputs.get(one).equals(outputs.get(two)))
                        .as("seed %d: %s and %s", SEED, names.get(one), names.get(two))
                        .isFalse();
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "naive",
        "tiled",
        "flash",
        "int8-fp16",
        "int8-fp8-f16acc",
        "int8-fp8-sm90",
        "int4-fp8",
        "int8-int8-token"
    })
    void causalGroupedMaskedAndScaledCallsFollowExactAttention(String name) {
        Variant variant = Variant.of(name);
        AttentionShape shape = new AttentionShape(2, 6, 2, 130, 201, 40);
        AttentionInputs in = RandomInputs.normal(shape, SEED)
                .biasK(3f)
                .biasV(0.5f)
                .rounded(DType.BFLOAT16)
                .withSmScale(0.11f);
        float[] slopes = new float[6 * 201];
        for (int n = 0; n < slopes.length; n++) {
            slopes[n] = -0.02f * (n / 201) * (200 - n % 201);
        }
        ScoreMask alibi = ScoreMask.additive(new MaskView(MaskView.Kind.ADDITIVE, 0, 0, 201, 0, 1), slopes);
        ScoreMask window = (b, h, i, j) -> j < i;
        for (AttentionInputs call : List.of(
                in.withDiagonal(0),
                in.withDiagonal(71),
                in.withMask(alibi),
                in.withMask(window).withDiagonal(71))) {
            ExactAttention.Result exact = ExactAttention.of(call);
            ModelResult model = VariantModel.run(call, variant.rung(), variant.scheme());
            double[] limit = !variant.isQuantized()
                    ? new double[] {0.9999999, 2e-6, 1e-4}
                    : variant == Variant.of("int4-fp8")
                            ? new double[] {0.97, 0.2, 0.7}
                            : new double[] {0.9993, 0.03, 0.03};
            Metrics o = Metrics.of(exact.o(), model.o());
            Metrics lse = Metrics.of(exact.lse(), model.lse());
            assertThat(o.isWithin(limit[0], limit[1]))
                    .as("seed %d: %s", SEED, o)
                    .isTrue();
            assertThat(lse.nonFiniteAgree()).isTrue();
            assertThat(lse.maxAbs()).as("seed %d: lse %s", SEED, lse).isLessThan(limit[2]);
        }
    }

    @Test
    void rungAndSchemeMustFit() {
        AttentionInputs in =
                RandomInputs.normal(new AttentionShape(1, 1, 1, 1, 1, 1), SEED).rounded(DType.FLOAT32);
        assertThatIllegalArgumentException().isThrownBy(() -> VariantModel.run(in, Rung.FLASH, FP8));
        assertThatIllegalArgumentException().isThrownBy(() -> VariantModel.run(in, Rung.QUANTIZED, Scheme.UNQUANTIZED));
    }
}
