package io.sage4j.plan;

import io.sage4j.Layout;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.numeric.Accumulator;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.HeavyTail;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TokenMean;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Whether V suits the narrow range that FP16 sums need ({@link HeavyTail}), and what to take if it does not. Looks on the
 * host, for backends that do not look themselves.
 */
public final class HeavyTails {
    /** V of more elements is not looked through: backends that take it are in a hurry, the others refuse it. */
    private static final long MOST_ELEMENTS = Integer.MAX_VALUE;

    private HeavyTails() {}

    /** Whether V is to be looked through for a variant and can be: it is in host memory and has at most 2^31 - 1 elements. */
    public static boolean canLook(Tensor v, Variant variant) {
        return applies(variant) && !v.isOnDevice() && v.size() <= MOST_ELEMENTS;
    }

    /** Whether a variant has another one to fall back to: FP16 sums of E4M3, in the quantized kernel. */
    public static boolean applies(Variant variant) {
        Scheme s = variant.scheme();
        return variant.isQuantized() && s.pv() == PvFormat.E4M3 && s.accumulator() == Accumulator.FP16_FP32;
    }

    /** The variant with FP32 sums of each tile and the full range of V and P; by its own name if it has one. */
    public static Variant fallback(Variant variant) {
        float whole = PvFormat.E4M3.max();
        Scheme wide = variant.scheme().withAccumulator(Accumulator.FP32_FP32, whole, whole);
        return Variant.all().stream()
                .filter(v -> v.rung() == variant.rung() && v.scheme().equals(wide))
                .findFirst()
                .orElseGet(() -> variant.with(wide));
    }

    /**
     * Channels of V, counted over batch and num_kv_heads, that are heavy-tailed for a scheme. A channel with a NaN or an
     * infinity is none: its whole output is NaN by either way.
     *
     * @param v values, {@link #canLook}
     */
    public static long count(Tensor v, Layout layout, AttentionShape shape, Scheme scheme) {
        int heads = Math.multiplyExact(shape.batch(), shape.kvHeads());
        IntStream all = IntStream.range(0, heads);
        return (HostThreads.mayShare(v.data()) ? all.parallel() : all)
                .mapToLong(head -> ofHead(v, layout, shape, scheme, head))
                .sum();
    }

    private static long ofHead(Tensor v, Layout layout, AttentionShape shape, Scheme scheme, int head) {
        boolean headsFirst = layout == Layout.HND;
        int b = head / shape.kvHeads();
        int h = head % shape.kvHeads();
        int tokens = shape.kvLen();
        int dim = shape.headDim();
        double[] mean = new double[dim];
        double[] largest = new double[dim];
        if (scheme.smoothV()) {
            Arrays.setAll(mean, d -> TokenMean.of(t -> at(v, headsFirst, b, h, t, d), 0, tokens));
        }
        for (int t = 0; t < tokens; t++) {
            for (int d = 0; d < dim; d++) {
                largest[d] = Math.max(largest[d], Math.abs(at(v, headsFirst, b, h, t, d) - mean[d]));
            }
        }
        long[] flushed = new long[dim];
        for (int t = 0; t < tokens; t++) {
            for (int d = 0; d < dim; d++) {
                double y = Math.abs(at(v, headsFirst, b, h, t, d) - mean[d]);
                if (y > 0 && y * scheme.vRange() <= HeavyTail.LARGEST_FLUSHED * largest[d]) {
                    flushed[d]++;
                }
            }
        }
        long heavy = 0;
        for (int d = 0; d < dim; d++) {
            heavy += Double.isFinite(largest[d]) && flushed[d] * HeavyTail.ONE_IN > tokens ? 1 : 0;
        }
        return heavy;
    }

    private static float at(Tensor v, boolean headsFirst, int b, int h, int t, int d) {
        return headsFirst ? v.get(b, h, t, d) : v.get(b, t, h, d);
    }
}
