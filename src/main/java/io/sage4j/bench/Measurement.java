package io.sage4j.bench;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.sage4j.AttentionResult;
import io.sage4j.Sage;
import io.sage4j.oracle.Metrics;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.DoubleStream;

/**
 * One variant on one shape: how fast, and how near to exact attention.
 *
 * @param input what Q, K and V were
 * @param variant name
 * @param scheme numeric scheme in words
 * @param shape q of [batch, heads, tokens, head_dim]
 * @param kvShape k and v likewise
 * @param dtype element type of the inputs and the output
 * @param causal none, top-left or bottom-right
 * @param elsewhere backend that ran, where {@code auto} took another one than the record's; null if it did not
 * @param warmupRuns runs before those that were timed
 * @param times times of the whole call
 * @param stepMedianMs median time of each step on the device, in milliseconds
 * @param accuracy distance from exact attention, per part of the input
 * @param hostMicros median time of the calling thread until a call that does not wait has returned, in microseconds, per way
 *     to start it; null where calls wait
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record Measurement(
        String input,
        String variant,
        String scheme,
        List<Long> shape,
        List<Long> kvShape,
        String dtype,
        String causal,
        Elsewhere elsewhere,
        int warmupRuns,
        Times times,
        Map<String, Double> stepMedianMs,
        List<Accuracy> accuracy,
        Map<String, Double> hostMicros) {
    /**
     * Distance of an output from exact attention.
     *
     * @param part which part of the input, such as {@code layer0}
     * @param rows rows of the output that were compared
     * @param sampled whether these are not all
     * @param metrics the distance
     */
    public record Accuracy(String part, long rows, boolean sampled, Metrics metrics) {}

    /**
     * Another backend than the record's.
     *
     * @param backend backend that ran
     * @param reason why not the record's
     */
    public record Elsewhere(String backend, String reason) {
        /** Null if the result is from the backend that the record of this Sage names. */
        static Elsewhere of(AttentionResult result, Sage sage) {
            return result.backend().equals(sage.backend())
                    ? null
                    : new Elsewhere(result.backend(), result.backendReason());
        }
    }

    /** Smallest cosine similarity over the parts. */
    public double worstCosine() {
        return metrics(Metrics::cosine).min().orElse(Double.NaN);
    }

    /** Mean cosine similarity over the parts. */
    public double meanCosine() {
        return metrics(Metrics::cosine).average().orElse(Double.NaN);
    }

    /** Largest relative L1 error over the parts. */
    public double worstRelativeL1() {
        return metrics(Metrics::relativeL1).max().orElse(Double.NaN);
    }

    /** Mean relative L1 error over the parts. */
    public double meanRelativeL1() {
        return metrics(Metrics::relativeL1).average().orElse(Double.NaN);
    }

    /** Largest root mean squared error over the parts. */
    public double worstRmse() {
        return metrics(Metrics::rmse).max().orElse(Double.NaN);
    }

    private DoubleStream metrics(ToDoubleFunction<Metrics> which) {
        return accuracy.stream().mapToDouble(a -> which.applyAsDouble(a.metrics()));
    }

    /** Operations of exact attention per second, in units of 10^9: 4 x batch x heads x visible pairs x head_dim. */
    public double gigaOps() {
        long tokens = shape.get(2);
        long keys = kvShape.get(2);
        double pairs =
                switch (causal) {
                    case "none" -> (double) tokens * keys;
                    case "top-left" -> pairsBelow(tokens, keys, 0);
                    default -> pairsBelow(tokens, keys, keys - tokens);
                };
        return 4.0 * shape.get(0) * shape.get(1) * pairs * shape.get(3) / (times.medianMs() * 1e6);
    }

    /** Number of (query, key) pairs with {@code key <= query + diagonal}. */
    private static double pairsBelow(long tokens, long keys, long diagonal) {
        double pairs = 0;
        for (long i = 0; i < tokens; i++) {
            pairs += Math.clamp(i + diagonal + 1, 0L, keys);
        }
        return pairs;
    }
}
