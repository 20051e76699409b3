package io.sage4j.bench;

import java.util.Arrays;

/**
 * Times of repeated runs.
 *
 * @param runs number of runs
 * @param medianMs median in milliseconds
 * @param minMs shortest
 * @param maxMs longest
 */
public record Times(int runs, double medianMs, double minMs, double maxMs) {
    /** Sums up times in nanoseconds; at least one. */
    public static Times of(long... nanos) {
        long[] sorted = nanos.clone();
        Arrays.sort(sorted);
        int n = sorted.length;
        double median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0;
        return new Times(n, median / 1e6, sorted[0] / 1e6, sorted[n - 1] / 1e6);
    }
}
