package io.sage4j.backend;

import io.sage4j.Layout;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;

/**
 * One checked call: shapes, types and strides fit each other.
 *
 * @param shape sizes
 * @param variant how to compute it
 * @param watchV whether the backend has to look V through for tails too heavy for FP16 sums, and to take FP32 sums then;
 *     only where it {@link AttentionBackend#watchesV} and the variant has FP16 sums
 * @param layout order of the dimensions of q, k, v and out
 * @param diagonal query i sees key j if {@code j <= i + diagonal}
 * @param smScale factor of the scores
 * @param q queries
 * @param k keys
 * @param v values
 * @param mask [batch, qHeads, qoLen, kvLen] with sizes of 1 where it broadcasts; null for none
 * @param out where the output goes
 * @param lse where the log-sum-exp goes, FP32 [batch, qHeads, qoLen, 1]; null for nowhere
 */
public record AttentionRequest(
        AttentionShape shape,
        Variant variant,
        boolean watchV,
        Layout layout,
        int diagonal,
        float smScale,
        Tensor q,
        Tensor k,
        Tensor v,
        Tensor mask,
        Tensor out,
        Tensor lse) {}
