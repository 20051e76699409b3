package io.sage4j.oracle;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.QkFormat;
import io.sage4j.plan.AttentionProblem;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every variant over the shapes and the data at the edges. */
class VariantModelEdgeTest {
    private static final long SEED = 77;

    static List<String> variants() {
        return Variant.all().stream().map(Variant::name).toList();
    }

    static Stream<HardData> finiteData() {
        return HardData.allFinite().stream();
    }

    private static ModelResult run(AttentionInputs in, Variant variant) {
        return VariantModel.run(in, variant.rung(), variant.scheme());
    }

    private static AttentionInputs random(int qoLen, int kvLen, int dim) {
        return RandomInputs.normal(new AttentionShape(1, 2, 1, qoLen, kvLen, dim), SEED)
                .biasV(1f)
                .rounded(DType.FLOAT16);
    }

    @ParameterizedTest
    @MethodSource("variants")
    void noKeysGiveZeroRowsAndNoQueriesNothing(String name) {
        ModelResult noKeys = run(random(5, 0, 8), Variant.of(name));
        assertThat(noKeys.o()).hasSize(80).containsOnly(0f);
        assertThat(noKeys.lse()).hasSize(10).containsOnly(Float.NEGATIVE_INFINITY);
        assertThat(noKeys.counts()).isEqualTo(new NumericCounts(0, 0, 0, 0));
        ModelResult noQueries = run(random(0, 5, 8), Variant.of(name));
        assertThat(noQueries.o()).isEmpty();
        assertThat(noQueries.lse()).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("variants")
    void oneKeyGivesItsValueUpToTheRoundingOfV(String name) {
        AttentionInputs in = random(3, 1, 8);
        ModelResult result = run(in, Variant.of(name));
        for (int n = 0; n < result.o().length; n++) {
            float v = in.v()[n % 8];
            assertThat(Math.abs(result.o()[n] - v)).as("seed %d", SEED).isLessThanOrEqualTo(Math.abs(v) * 6e-4f);
        }
    }

    @ParameterizedTest
    @MethodSource("variants")
    void rowsWithoutAVisibleKeyAreZeroAndDoNotDisturbTheOthers(String name) {
        Variant plain = Variant.of(name);
        Variant variant = plain.isQuantized() ? plain.with(plain.scheme().withSmoothV(true)) : plain;
        AttentionInputs in = random(200, 150, 16);
        ModelResult all = run(in, variant);
        ModelResult masked = run(in.withMask((b, h, i, j) -> i % 3 == 1), variant);
        // Bottom-right aligned with fewer keys than queries: the first 50 rows see nothing.
        ModelResult causal = run(in.withDiagonal(-50), variant);
        for (int row = 0; row < 400; row++) {
            boolean hidden = row % 200 % 3 == 1;
            assertThat(masked.lse()[row]).isEqualTo(hidden ? Float.NEGATIVE_INFINITY : all.lse()[row]);
            assertThat(causal.lse()[row] == Float.NEGATIVE_INFINITY).isEqualTo(row % 200 < 50);
            for (int d = 0; d < 16; d++) {
                assertThat(masked.o()[row * 16 + d]).isEqualTo(hidden ? 0f : all.o()[row * 16 + d]);
                assertThat(causal.o()[row * 16 + d] == 0).isEqualTo(row % 200 < 50);
            }
        }
    }

    /** A tile that is masked out for a row changes nothing, wherever it stands. */
    @ParameterizedTest
    @MethodSource("variants")
    void theDiagonalIsTheSameAsABoolMask(String name) {
        Variant variant = Variant.of(name);
        AttentionInputs in = random(140, 300, 16);
        for (int diagonal : new int[] {0, 160, -20}) {
            ModelResult causal = run(in.withDiagonal(diagonal), variant);
            ModelResult masked = run(in.withMask((b, h, i, j) -> j > i + diagonal), variant);
            assertThat(causal.o()).as("seed %d diagonal %d", SEED, diagonal).isEqualTo(masked.o());
            assertThat(causal.lse()).as("seed %d diagonal %d", SEED, diagonal).isEqualTo(masked.lse());
        }
    }

    @ParameterizedTest
    @MethodSource("variants")
    void leadingTilesThatAreMaskedOutLeaveNoTrace(String name) {
        AttentionInputs in = random(140, 300, 16).withMask((b, h, i, j) -> j < 200);
        ModelResult model = run(in, Variant.of(name));
        ExactAttention.Result exact = ExactAttention.of(in);
        Metrics metrics = Metrics.of(exact.o(), model.o());
        assertThat(metrics.isWithin(0.99, 0.1)).as("seed %d: %s", SEED, metrics).isTrue();
        assertThat(Metrics.of(exact.lse(), model.lse()).maxAbs()).isLessThan(0.15);
    }

    @ParameterizedTest
    @MethodSource("finiteData")
    void everyVariantIsFiniteOnHardData(HardData data) {
        AttentionInputs in = data.inputs(new AttentionShape(1, 2, 1, 130, 200, 40), SEED, DType.FLOAT16);
        for (Variant variant : Variant.all()) {
            ModelResult result = run(in, variant);
            for (float value : result.o()) {
                assertThat(value).as("seed %d %s", SEED, variant.name()).isFinite();
            }
            assertThat(result.counts().nonFinite()).isZero();
        }
    }

    @ParameterizedTest
    @EnumSource
    void noKindOfDataMakesAPlausibleNumberFromAnImplausibleOne(HardData data) {
        AttentionInputs in = data.inputs(new AttentionShape(1, 1, 1, 65, 65, 16), SEED, DType.FLOAT16);
        ExactAttention.Result exact = ExactAttention.of(in);
        for (Variant variant : Variant.all()) {
            float[] o = run(in, variant).o();
            for (int n = 0; n < o.length; n++) {
                boolean saturated = variant.scheme().pv().name().equals("FP16") && data == HardData.INFINITY_IN_V;
                if (Double.isNaN(exact.o()[n]) || (!Double.isFinite(exact.o()[n]) && !saturated)) {
                    assertThat(o[n])
                            .as("%s %s element %d", data, variant.name(), n)
                            .isNotFinite();
                }
            }
        }
    }

    @Test
    void zeroAndConstantChannelsOfVComeOutExactly() {
        AttentionShape shape = new AttentionShape(1, 1, 1, 64, 256, 8);
        AttentionInputs in = RandomInputs.normal(shape, SEED)
                .zeroVChannel(3)
                .constantVChannel(4, 8.5f)
                .rounded(DType.FLOAT16);
        for (Variant plain : Variant.all()) {
            Variant variant = plain.isQuantized() ? plain.with(plain.scheme().withSmoothV(true)) : plain;
            float[] zero = run(in, plain).o();
            float[] constant = run(in, variant).o();
            for (int i = 0; i < 64; i++) {
                assertThat(zero[i * 8 + 3]).as(plain.name()).isZero();
                assertThat(Math.abs(constant[i * 8 + 4] - 8.5f))
                        .as(plain.name())
                        .isLessThanOrEqualTo(plain.isQuantized() ? 0f : 2e-5f);
            }
        }
    }

    /** All P equal to the P range and all V to the V range: the case that the overflow bound is about. */
    @ParameterizedTest
    @ValueSource(ints = {64, 128, 192})
    void theOverflowBoundIsReachedAndNotPassed(int kvLen) {
        AttentionInputs in =
                HardData.OVERFLOW_BOUND.inputs(new AttentionShape(1, 1, 1, 1, kvLen, 4), SEED, DType.FLOAT16);
        for (Variant variant : Variant.all()) {
            for (float value : run(in, variant).o()) {
                assertThat(Math.abs(value - 3f)).as(variant.name()).isLessThan(2e-3f);
            }
        }
    }

    /** Equal scores of 10^6 to 10^11 in base 2, where FP32 numbers are up to 8192 apart: P must not leave its range. */
    @ParameterizedTest
    @ValueSource(floats = {100f, 300f, 1000f, 3000f, 1e5f})
    void largeScoresDoNotOverflow(float magnitude) {
        AttentionShape shape = new AttentionShape(1, 1, 1, 1, 64, 64);
        float[] q = new float[64];
        float[] k = new float[64 * 64];
        float[] v = new float[64 * 64];
        Arrays.fill(q, magnitude);
        Arrays.fill(k, magnitude);
        Arrays.fill(v, 3f);
        AttentionInputs in = AttentionInputs.of(shape, q, k, v);
        for (Variant plain : Variant.all()) {
            Variant variant = plain.isQuantized()
                    ? plain.with(plain.scheme().withSmoothK(false).withSmoothQ(false))
                    : plain;
            for (float value : run(in, variant).o()) {
                assertThat(Math.abs(value - 3f)).as(plain.name()).isLessThan(0.05f);
            }
        }
    }

    @Property(tries = 30)
    void shapesOfAllKindsFollowExactAttention(
            @ForAll @IntRange(min = 1, max = 2) int batch,
            @ForAll @IntRange(min = 1, max = 2) int kvHeads,
            @ForAll @IntRange(min = 1, max = 3) int group,
            @ForAll @IntRange(min = 1, max = 140) int qoLen,
            @ForAll @IntRange(min = 1, max = 140) int kvLen,
            @ForAll @IntRange(min = 1, max = 48) int dim,
            @ForAll boolean causal,
            @ForAll long seed) {
        AttentionShape shape = new AttentionShape(batch, kvHeads * group, kvHeads, qoLen, kvLen, dim);
        AttentionInputs in = RandomInputs.normal(shape, seed)
                .biasK(3f)
                .rounded(DType.BFLOAT16)
                .withDiagonal(causal ? kvLen - qoLen : AttentionProblem.NOT_CAUSAL);
        ExactAttention.Result exact = ExactAttention.of(in);
        float largestV = 0;
        for (float value : in.v()) {
            largestV = Math.max(largestV, Math.abs(value));
        }
        for (Variant variant : Variant.all()) {
            ModelResult model = run(in, variant);
            Metrics metrics = Metrics.of(exact.o(), model.o());
            // Against the largest V, since outputs of few keys can cancel: worst cases of the formats of V, P and the
            // scores.
            double limit = !variant.isQuantized() ? 1e-5 : variant.scheme().qk() == QkFormat.INT8 ? 0.2 : 0.7;
            assertThat(metrics.nonFiniteAgree() && metrics.maxAbs() <= limit * largestV)
                    .as("seed %d %s %s", seed, variant.name(), metrics)
                    .isTrue();
            assertThat(Metrics.of(exact.lse(), model.lse()).nonFiniteAgree()).isTrue();
        }
    }

    @Test
    void resultsAreRoundedToTheirType() {
        AttentionInputs in = random(4, 4, 4);
        ModelResult result = run(in, Variant.INT8_FP16);
        assertThat(result.output(DType.FLOAT32)).isEqualTo(result.o());
        assertThat(result.output(DType.FLOAT16)).isEqualTo(ModelResult.rounded(result.o(), DType.FLOAT16));
        assertThat(ModelResult.rounded(new float[] {1 + 0x1p-11f, 1 + 0x1.8p-10f, 65520f}, DType.FLOAT16))
                .containsExactly(1f, 1 + 0x1p-9f, Float.POSITIVE_INFINITY);
        assertThat(ModelResult.rounded(new float[] {1 + 0x1p-8f, 1 + 0x1.8p-7f}, DType.BFLOAT16))
                .containsExactly(1f, 1 + 0x1p-6f);
    }
}
