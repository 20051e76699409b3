package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.AttentionSpec;
import io.sage4j.DType;
import io.sage4j.Sage;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Float16;
import io.sage4j.numeric.Rung;
import io.sage4j.oracle.AttentionInputs;
import io.sage4j.oracle.ExactAttention;
import io.sage4j.oracle.Metrics;
import io.sage4j.oracle.ModelResult;
import io.sage4j.oracle.RandomInputs;
import io.sage4j.oracle.VariantModel;
import java.lang.foreign.ValueLayout;
import java.util.Locale;
import java.util.Random;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * How far the native Hopper kernels are from exact attention, on long sequences: no farther than the scheme that they
 * implement, which is upstream's (SageAttention2 on sm_90: Q by 16 rows and K by 128 keys per thread, E4M3 P and V, FP32 sums of
 * 128 keys), worked out by the model; and without a bias where V has a mean. Needs a GPU, as {@link CudaBackendTest}.
 */
class CudaAccuracyTest {
    /** A kernel's relative L1 over the model's. */
    private static final double OVER_MODEL = 1.02;
    /** Mean signed error over mean |O|. */
    private static final double BIAS = 3e-3;

    /** The fast variant's relative L1 over that of the exact exponentials. */
    private static final double OVER_EXACT = 1.06;

    private static Sage sage;

    private final long seed = new Random().nextLong();

    @BeforeAll
    static void open() {
        NativeGpu.orSkip();
        sage = Sage.open(Backends.CUDA);
    }

    @AfterAll
    static void close() {
        if (sage != null) {
            sage.close();
        }
    }

    private enum Data {
        NORMAL(r -> r),
        V_WITH_MEAN(r -> r.meanV(1, 2.5f)),
        /** Channels of K far from zero, tokens of all sizes, one towering key. */
        OUTLIERS(r -> r.biasK(10f).unevenTokens(0.7f).outlierKey(77, 20f));

        private final UnaryOperator<RandomInputs> change;

        Data(UnaryOperator<RandomInputs> change) {
            this.change = change;
        }

        AttentionInputs inputs(AttentionShape shape, long seed) {
            return change.apply(RandomInputs.normal(shape, seed)).rounded(DType.FLOAT16);
        }
    }

    private static Tensor tensor(float[] values, int heads, int tokens, int dim) {
        Tensor t = Tensor.allocate(DType.FLOAT16, 1, heads, tokens, dim);
        for (int n = 0; n < values.length; n++) {
            t.data().setAtIndex(ValueLayout.JAVA_SHORT, n, Float16.encode(values[n]));
        }
        return t;
    }

    private static float[] kernel(AttentionInputs in, String variant) {
        AttentionShape s = in.shape();
        AttentionSpec spec = AttentionSpec.builder()
                .variant(Variant.of(variant))
                .watchV(false)
                .build();
        return sage.attend(
                        tensor(in.q(), s.qHeads(), s.qoLen(), s.headDim()),
                        tensor(in.k(), s.kvHeads(), s.kvLen(), s.headDim()),
                        tensor(in.v(), s.kvHeads(), s.kvLen(), s.headDim()),
                        spec)
                .output()
                .toFloatArray();
    }

    private static double bias(Metrics metrics, double[] exact) {
        double sum = 0;
        for (double x : exact) {
            sum += Math.abs(x);
        }
        return metrics.bias() / (sum / exact.length);
    }

    private void print(String variant, Data data, AttentionShape s, Metrics kernel, double other, double bias) {
        System.out.printf(
                Locale.ROOT,
                "CudaAccuracyTest seed %d %s %s qo_len %d kv_len %d head_dim %d: L1 %.5f beside %.5f, cosine %.6f, bias %+.5f%n",
                seed,
                variant,
                data,
                s.qoLen(),
                s.kvLen(),
                s.headDim(),
                kernel.relativeL1(),
                other,
                kernel.cosine(),
                bias);
    }

    @ParameterizedTest
    @CsvSource({
        "128, NORMAL",
        "64, NORMAL",
        "128, V_WITH_MEAN",
        "64, V_WITH_MEAN",
        "128, OUTLIERS",
        "64, OUTLIERS",
    })
    void noFartherFromExactAttentionThanTheScheme(int dim, Data data) {
        AttentionInputs in = data.inputs(new AttentionShape(1, 2, 2, 256, 4096, dim), seed);
        double[] exact = ExactAttention.of(in).o();
        double exactExponentials = 0;
        for (String variant :
                new String[] {"int8-fp8-sm90", "int8-fp8-sm90-f16acc", "int8-fp16-sm90", "int8-fp8-sm90-fast"}) {
            Metrics found = Metrics.of(exact, kernel(in, variant));
            float[] scheme = VariantModel.run(
                            in, Rung.QUANTIZED, Variant.of(variant).scheme())
                    .o();
            Metrics model = Metrics.of(exact, ModelResult.rounded(scheme, DType.FLOAT16));
            print(variant, data, in.shape(), found, model.relativeL1(), bias(found, exact));
            assertThat(found.nonFiniteAgree()).isTrue();
            if (data == Data.V_WITH_MEAN) {
                assertThat(Math.abs(bias(found, exact)))
                        .as("seed %d %s", seed, variant)
                        .isLessThanOrEqualTo(BIAS);
            }
            boolean fast = variant.equals("int8-fp8-sm90-fast");
            if (variant.equals("int8-fp8-sm90")) {
                exactExponentials = found.relativeL1();
            }
            assertThat(found.relativeL1())
                    .as("seed %d %s %s", seed, variant, data)
                    .isLessThanOrEqualTo(fast ? OVER_EXACT * exactExponentials : OVER_MODEL * model.relativeL1());
        }
    }

    @ParameterizedTest
    @CsvSource({"128", "64"})
    void longSequencesWithAMeanInVHaveNoBias(int dim) {
        AttentionInputs in = Data.V_WITH_MEAN.inputs(new AttentionShape(1, 2, 2, 192, 32768, dim), seed);
        double[] exact = ExactAttention.of(in).o();
        for (String variant :
                new String[] {"int8-fp8-sm90", "int8-fp8-sm90-f16acc", "int8-fp16-sm90", "int8-fp8-sm90-fast"}) {
            Metrics found = Metrics.of(exact, kernel(in, variant));
            print(variant, Data.V_WITH_MEAN, in.shape(), found, Double.NaN, bias(found, exact));
            assertThat(Math.abs(bias(found, exact)))
                    .as("seed %d %s", seed, variant)
                    .isLessThanOrEqualTo(BIAS);
        }
    }
}
