package io.sage4j.bench;

import io.sage4j.AttentionResult;
import io.sage4j.AttentionSpec;
import io.sage4j.DType;
import io.sage4j.Sage;
import io.sage4j.SageException;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.numeric.BFloat16;
import io.sage4j.oracle.Metrics;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * Times one variant on normally distributed numbers: warm-up, then at least 20 timed runs of the whole call, and a
 * check of the last output against exact attention, on sampled rows where the shape is large.
 *
 * @param variant what is timed
 * @param batch batch entries
 * @param heads heads of q, k and v
 * @param tokens tokens of q, k and v
 * @param headDim channels of a head
 * @param dtype element type
 * @param causal which keys a query sees
 * @param runs timed runs, at least {@link #LEAST_RUNS}
 */
public record AttentionBench(
        Variant variant,
        long batch,
        long heads,
        long tokens,
        long headDim,
        DType dtype,
        AttentionSpec.Causal causal,
        int runs) {
    /** Fewest timed runs: the median of fewer says little. */
    public static final int LEAST_RUNS = 20;

    private static final int LEAST_WARMUP = 3;
    private static final int MOST_WARMUP = 100;
    private static final long WARMUP_NANOS = 1_000_000_000;
    private static final long SEED = 42;
    /** Below this the output is not a rough version of the right one, it is wrong; no variant comes near it. */
    static final double LEAST_COSINE = 0.9;

    /** @throws SageException if there are too few runs */
    public AttentionBench {
        if (runs < LEAST_RUNS) {
            throw new SageException("runs is " + runs + ", expected at least " + LEAST_RUNS);
        }
    }

    /** Told of the work as it goes on. */
    @FunctionalInterface
    public interface Listener {
        /** A timed run is over. */
        void ran();
    }

    /**
     * Runs it.
     *
     * @throws SageException if the call fails, or its output is wrong: a figure of a wrong output is worth nothing
     */
    public Measurement run(Sage sage, Listener listener) {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(SEED);
        Tensor q = normal(random);
        Tensor k = normal(random);
        Tensor v = normal(random);
        Tensor out = Tensor.allocate(dtype, q.shape());
        AttentionSpec spec =
                AttentionSpec.builder().variant(variant).causal(causal).build();
        int warmup = 0;
        for (long start = System.nanoTime();
                warmup < LEAST_WARMUP || warmup < MOST_WARMUP && System.nanoTime() - start < WARMUP_NANOS;
                warmup++) {
            sage.attend(q, k, v, spec, out);
        }
        List<AttentionResult> results = new ArrayList<>();
        for (int run = 0; run < runs; run++) {
            results.add(sage.attend(q, k, v, spec, out));
            listener.ran();
        }
        Reference reference = Reference.of(q, k, v, spec, Reference.DEFAULT_BUDGET);
        Metrics metrics = reference.measure(out);
        if (!metrics.isWithin(LEAST_COSINE, Double.MAX_VALUE)) {
            throw new SageException(
                    "the output of " + variant.name() + " on " + sage.backend() + " is wrong: " + metrics);
        }
        long[] nanos = results.stream().mapToLong(AttentionResult::totalNanos).toArray();
        return new Measurement(
                "normal(0, 1), seed " + SEED,
                variant.name(),
                Notation.of(variant.scheme()),
                List.of(batch, heads, tokens, headDim),
                List.of(batch, heads, tokens, headDim),
                dtype.toString(),
                Notation.of(causal),
                Measurement.Elsewhere.of(results.getLast(), sage),
                warmup,
                Times.of(nanos),
                stepMedians(results),
                List.of(new Measurement.Accuracy("all", reference.rows(), reference.isSampled(), metrics)),
                null);
    }

    private Tensor normal(RandomGenerator random) {
        Tensor tensor = Tensor.allocate(dtype, batch, heads, tokens, headDim);
        MemorySegment data = tensor.data();
        for (long i = 0; i < tensor.size(); i++) {
            float value = (float) random.nextGaussian();
            switch (dtype) {
                case FLOAT32 -> data.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
                case FLOAT16 -> data.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(value));
                case BFLOAT16 -> data.setAtIndex(ValueLayout.JAVA_SHORT, i, BFloat16.encode(value));
                default -> throw new SageException("dtype is " + dtype + ", expected float32, float16 or bfloat16");
            }
        }
        return tensor;
    }

    /** Median time of each step over some runs of the same call, in milliseconds. */
    public static Map<String, Double> stepMedians(List<AttentionResult> results) {
        Map<String, List<Long>> nanos = new LinkedHashMap<>();
        for (AttentionResult result : results) {
            result.steps().forEach(s -> nanos.computeIfAbsent(s.name(), n -> new ArrayList<>())
                    .add(s.nanos()));
        }
        Map<String, Double> medians = new LinkedHashMap<>();
        nanos.forEach((step, all) -> medians.put(
                step,
                Times.of(all.stream().mapToLong(Long::longValue).toArray()).medianMs()));
        return medians;
    }
}
