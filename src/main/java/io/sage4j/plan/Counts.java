package io.sage4j.plan;

import io.sage4j.numeric.AttentionShape;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * What the kernels of a run counted.
 *
 * @param nonFinite NaN and infinite elements of Q, K and V
 * @param saturated elements of V beyond the range of FP16, where V is FP16
 * @param vFlushed elements of V that are not zero but were quantized to zero
 * @param vTotal elements of V
 */
public record Counts(long nonFinite, long saturated, long vFlushed, long vTotal) {
    /** Sum of the counts from {@code first} on. */
    static long sum(IntArray counts, int first) {
        long sum = 0;
        for (int i = first; i < counts.getSize(); i++) {
            sum += counts.get(i);
        }
        return sum;
    }

    static long elementsOfV(AttentionShape shape) {
        return (long) shape.batch() * shape.kvHeads() * shape.kvLen() * shape.headDim();
    }
}
