package io.sage4j.plan;

import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.Rung;
import io.sage4j.numeric.Scheme;

/**
 * All that is fixed when a plan is built; two calls with equal problems can share a plan.
 *
 * @param shape sizes
 * @param rung kernel of the ladder
 * @param scheme numeric scheme
 * @param diagonal query i sees the keys j with {@code j <= i + diagonal}; {@link #NOT_CAUSAL} for all
 * @param smScale factor of the scores before the softmax, natural units
 * @param lse whether the log-sum-exp of each row is wanted
 * @param q layout of Q
 * @param k layout of K
 * @param v layout of V
 * @param out layout of the output
 * @param mask layout of the mask
 */
public record AttentionProblem(
        AttentionShape shape,
        Rung rung,
        Scheme scheme,
        int diagonal,
        float smScale,
        boolean lse,
        TensorView q,
        TensorView k,
        TensorView v,
        TensorView out,
        MaskView mask) {
    /** Diagonal of a call that is not causal: every key is visible. */
    public static final int NOT_CAUSAL = Integer.MAX_VALUE / 2;

    /** Where the quantized operands live. */
    public OperandLayout operands() {
        return new OperandLayout(shape, scheme.tiles());
    }
}
