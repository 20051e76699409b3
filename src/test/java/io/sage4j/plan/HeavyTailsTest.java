package io.sage4j.plan;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.AttentionResult;
import io.sage4j.AttentionSpec;
import io.sage4j.DType;
import io.sage4j.Layout;
import io.sage4j.Sage;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.backend.Backends;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.HeavyTail;
import io.sage4j.numeric.Rung;
import io.sage4j.numeric.Scheme;
import io.sage4j.oracle.AttentionInputs;
import io.sage4j.oracle.ExactAttention;
import io.sage4j.oracle.Metrics;
import io.sage4j.oracle.RandomInputs;
import io.sage4j.oracle.VariantModel;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HeavyTailsTest {
    private static final long SEED = System.nanoTime();
    private static final Scheme NARROW = Variant.INT8_FP8_F16ACC.scheme();

    /** One channel with magnitudes of a power of a normal number: the higher, the heavier the tail. */
    private static float[] tail(int tokens, double power, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] v = new float[tokens];
        for (int t = 0; t < tokens; t++) {
            double x = random.nextGaussian();
            v[t] = (float) (Math.signum(x) * Math.pow(Math.abs(x), power));
        }
        return v;
    }

    @ParameterizedTest
    @CsvSource({"1, false", "1.5, false", "2, false", "2.5, true", "3, true", "4, false", "5, true", "7, false"})
    void aChannelIsHeavyWhereTheModelFlushesMoreThanTheLimit(double power, boolean smoothV) {
        Scheme scheme = NARROW.withSmoothV(smoothV);
        int heavy = 0;
        for (int n = 0; n < 8; n++) {
            int tokens = 150 + 77 * n;
            AttentionShape shape = new AttentionShape(1, 1, 1, 1, tokens, 1);
            float[] v = tail(tokens, power, SEED + n);
            AttentionInputs in = AttentionInputs.of(shape, new float[1], new float[tokens], v);
            long flushed = VariantModel.run(in, Rung.QUANTIZED, scheme).counts().vFlushed();
            long limit = (long) (HeavyTail.MOST_FLUSHED * tokens);
            Tensor values = Tensor.of(v, 1, 1, tokens, 1);
            long count = HeavyTails.count(values, Layout.HND, shape, scheme);
            // The scale is rounded there, not here: at the limit itself either answer is right.
            if (Math.abs(flushed - limit) > 1) {
                assertThat(count).as("seed %d, power %s", SEED + n, power).isEqualTo(flushed > limit ? 1 : 0);
            }
            heavy += (int) count;
        }
        if (power <= 1) {
            assertThat(heavy).isZero();
        }
        // With its mean taken off, what was small no longer is.
        if (power >= 5 && !smoothV) {
            assertThat(heavy).isEqualTo(8);
        }
    }

    @Test
    void layoutsAndStridesAreFollowed() {
        AttentionShape shape = new AttentionShape(2, 2, 2, 1, 90, 3);
        float[] v = new float[2 * 2 * 90 * 3];
        for (int head = 0; head < 4; head++) {
            for (int d = 0; d < 3; d++) {
                float[] channel = tail(90, head == 2 && d == 1 ? 9 : 1, SEED + head * 3 + d);
                for (int t = 0; t < 90; t++) {
                    v[(head * 90 + t) * 3 + d] = channel[t];
                }
            }
        }
        Tensor heads = Tensor.of(v, 2, 2, 90, 3);
        assertThat(HeavyTails.count(heads, Layout.HND, shape, NARROW)).isOne();
        assertThat(HeavyTails.count(heads.transpose(1, 2), Layout.NHD, shape, NARROW))
                .isOne();
    }

    @Test
    void nonFiniteAndConstantChannelsAreNone() {
        int tokens = 100;
        AttentionShape shape = new AttentionShape(1, 1, 1, 1, tokens, 4);
        float[] v = new float[4 * tokens];
        for (int t = 0; t < tokens; t++) {
            v[4 * t] = t == 7 ? Float.NaN : 1e-9f * t;
            v[4 * t + 1] = t == 9 ? Float.NEGATIVE_INFINITY : 1e-9f * t;
            v[4 * t + 2] = 3f;
        }
        assertThat(HeavyTails.count(Tensor.of(v, 1, 1, tokens, 4), Layout.HND, shape, NARROW))
                .isZero();
    }

    @Test
    void theFallbackIsTheVariantWithFp32SumsByItsOwnName() {
        assertThat(HeavyTails.fallback(Variant.INT8_FP8_F16ACC)).isEqualTo(Variant.INT8_FP8);
        assertThat(HeavyTails.fallback(Variant.of("int8-fp8-sm90-f16acc"))).isEqualTo(Variant.of("int8-fp8-sm90"));
        assertThat(HeavyTails.fallback(Variant.of("int4-fp8-f16acc"))).isEqualTo(Variant.of("int4-fp8"));
        for (String none : new String[] {"int8-fp8", "int8-fp16", "int8-fp8-f32", "flash", "int8-int8"}) {
            assertThat(HeavyTails.applies(Variant.of(none))).as(none).isFalse();
        }
    }

    @Test
    void aCallWithHeavyTailsRunsWithFp32SumsAndSaysSo() {
        AttentionShape shape = new AttentionShape(1, 2, 2, 40, 300, 16);
        AttentionInputs in =
                RandomInputs.normal(shape, SEED).scaleQ(0.1f).heavyTailedV().rounded(DType.FLOAT32);
        Tensor q = Tensor.of(in.q(), 1, 2, 40, 16);
        Tensor k = Tensor.of(in.k(), 1, 2, 300, 16);
        Tensor v = Tensor.of(in.v(), 1, 2, 300, 16);
        try (Sage sage = Sage.open(Backends.javaKernels())) {
            AttentionResult watched = sage.attend(q, k, v);
            AttentionResult asked =
                    sage.attend(q, k, v, AttentionSpec.builder().watchV(false).build());
            assertThat(watched.variant()).isEqualTo(Variant.INT8_FP8);
            assertThat(watched.report().heavyVChannels()).isBetween(1L, 32L);
            assertThat(asked.variant()).isEqualTo(Variant.INT8_FP8_F16ACC);
            assertThat(asked.report().heavyVChannels()).isEqualTo(-1);
            assertThat(watched.report().flushedVFraction())
                    .isLessThan(asked.report().flushedVFraction() / 2);
            double[] exact = ExactAttention.of(in).o();
            assertThat(Metrics.of(exact, watched.output().toFloatArray()).relativeL1())
                    .isLessThan(0.1);
            AttentionResult direct = sage.attend(
                    q, k, v, AttentionSpec.builder().variant(Variant.INT8_FP8).build());
            assertThat(watched.output().toFloatArray())
                    .containsExactly(direct.output().toFloatArray());
        }
    }

    @Test
    void ordinaryDataKeepsItsVariant() {
        AttentionShape shape = new AttentionShape(1, 1, 1, 10, 200, 16);
        AttentionInputs in = RandomInputs.normal(shape, SEED).rounded(DType.FLOAT32);
        try (Sage sage = Sage.open(Backends.javaKernels())) {
            AttentionResult result = sage.attend(
                    Tensor.of(in.q(), 1, 1, 10, 16),
                    Tensor.of(in.k(), 1, 1, 200, 16),
                    Tensor.of(in.v(), 1, 1, 200, 16));
            assertThat(result.variant()).isEqualTo(Variant.INT8_FP8_F16ACC);
            assertThat(result.report().heavyVChannels()).isZero();
        }
    }

    /** Memory of a confined arena is for its own thread: no other looks. */
    @Test
    void looksAtMemoryOfOneThread() {
        int heads = 64;
        try (Arena arena = Arena.ofConfined()) {
            float[] v = tail(heads * 300, 3, SEED);
            Tensor heap = Tensor.of(v, 1, heads, 300, 1);
            Tensor confined = Tensor.of(arena.allocateFrom(ValueLayout.JAVA_FLOAT, v), DType.FLOAT32, 1, heads, 300, 1);
            AttentionShape shape = new AttentionShape(1, heads, heads, 1, 300, 1);
            assertThat(HeavyTails.count(confined, Layout.HND, shape, NARROW))
                    .isEqualTo(HeavyTails.count(heap, Layout.HND, shape, NARROW))
                    .isPositive();
        }
    }
}
