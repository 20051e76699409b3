package io.sage4j.bench;

import io.sage4j.DType;
import io.sage4j.Sage;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.numeric.Accumulator;
import io.sage4j.numeric.Scheme;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.function.DoubleSupplier;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * SageAttention2++'s table of accuracy by the ranges of P and V (its table 2): (448, 448) with FP32 sums, and (448, 2.25),
 * (224, 4.5), (112, 9) with FP16 sums over 64 keys, on real activations, on normally distributed numbers, and on numbers
 * whose sums sit at the bound of FP16: equal scores, so that every P is the largest, and equal V.
 */
public final class RangesBench {
    private static final long SEED = 20;
    private static final int HEADS = 4;
    private static final int TOKENS = 1024;
    private static final int HEAD_DIM = 128;
    private static final float LARGE = 3f;
    private static final float[][] RANGES = {{448f, 448f}, {448f, 2.25f}, {224f, 4.5f}, {112f, 9f}};

    private RangesBench() {}

    /** Steps that {@link #run} tells of. */
    public static int steps(ActivationsBench activations) {
        return RANGES.length * (activations.layers() + 2);
    }

    /** The ranges as variants of SageAttention2 and SageAttention2++ (8+8). */
    static List<Variant> variants() {
        List<Variant> variants = new ArrayList<>();
        for (float[] range : RANGES) {
            Scheme scheme = Variant.INT8_FP8_F16ACC.scheme();
            boolean half = range[1] < range[0];
            Accumulator sums = half ? Accumulator.FP16_FP32 : Accumulator.FP32_FP32;
            variants.add(new Variant(
                    "P " + Notation.of(range[0]) + ", V " + Notation.of(range[1]),
                    half ? "FP16 sums over 64 keys" : "FP32 sums over 64 keys",
                    Variant.INT8_FP8_F16ACC.rung(),
                    scheme.withAccumulator(sums, range[0], range[1])));
        }
        return variants;
    }

    /**
     * Measures all ranges on all inputs.
     *
     * @param listener told after each call
     */
    public static List<Measurement> run(Sage sage, ActivationsBench activations, AttentionBench.Listener listener) {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(SEED);
        Tensor q = normal(random);
        Tensor k = normal(random);
        Tensor v = normal(random);
        Tensor zero = Tensor.allocate(DType.FLOAT16, 1, HEADS, TOKENS, HEAD_DIM);
        Tensor bound = filled(() -> LARGE);
        List<Measurement> found = new ArrayList<>();
        for (Variant variant : variants()) {
            found.add(activations.run(sage, variant, listener));
            found.add(activations.runOn(sage, variant, "normal(0, 1), seed " + SEED, q, k, v, listener));
            found.add(activations.runOn(sage, variant, "at the bound of FP16 sums", zero, k, bound, listener));
        }
        return found;
    }

    private static Tensor normal(RandomGenerator random) {
        return filled(random::nextGaussian);
    }

    private static Tensor filled(DoubleSupplier value) {
        Tensor tensor = Tensor.allocate(DType.FLOAT16, 1, HEADS, TOKENS, HEAD_DIM);
        for (long n = 0; n < tensor.size(); n++) {
            short bits = Float.floatToFloat16((float) value.getAsDouble());
            tensor.data().setAtIndex(ValueLayout.JAVA_SHORT, n, bits);
        }
        return tensor;
    }
}
