package io.sage4j.oracle;

import io.sage4j.numeric.AttentionShape;
import io.sage4j.plan.AttentionProblem;
import java.util.Objects;

/**
 * One attention call in plain arrays, as the oracle and the tests see it.
 *
 * @param shape sizes
 * @param q [batch, qHeads, qoLen, headDim], contiguous, already rounded to the input type
 * @param k [batch, kvHeads, kvLen, headDim], likewise
 * @param v [batch, kvHeads, kvLen, headDim], likewise
 * @param diagonal query i sees the keys j with {@code j <= i + diagonal}; {@link AttentionProblem#NOT_CAUSAL} for all
 * @param smScale factor of the scores before the softmax, natural units
 * @param mask bool or additive mask, {@link ScoreMask#NONE} for none
 */
public record AttentionInputs(
        AttentionShape shape, float[] q, float[] k, float[] v, int diagonal, float smScale, ScoreMask mask) {

    /** @throws IllegalArgumentException naming the array whose length does not fit the shape */
    public AttentionInputs {
        Objects.requireNonNull(shape, "shape");
        Objects.requireNonNull(mask, "mask");
        requireLength("q", q, shape.qHeads(), shape.qoLen(), shape);
        requireLength("k", k, shape.kvHeads(), shape.kvLen(), shape);
        requireLength("v", v, shape.kvHeads(), shape.kvLen(), shape);
    }

    private static void requireLength(String name, float[] array, int heads, int rows, AttentionShape shape) {
        long expected = (long) shape.batch() * heads * rows * shape.headDim();
        if (array.length != expected) {
            throw new IllegalArgumentException(name + " has " + array.length + " elements, expected " + expected);
        }
    }

    /** A call that is not causal, has no mask, and scales by {@code 1 / sqrt(headDim)}. */
    public static AttentionInputs of(AttentionShape shape, float[] q, float[] k, float[] v) {
        return new AttentionInputs(
                shape, q, k, v, AttentionProblem.NOT_CAUSAL, (float) (1 / Math.sqrt(shape.headDim())), ScoreMask.NONE);
    }

    /** This call with another causal diagonal. */
    public AttentionInputs withDiagonal(int changed) {
        return new AttentionInputs(shape, q, k, v, changed, smScale, mask);
    }

    /** This call with another score factor. */
    public AttentionInputs withSmScale(float changed) {
        return new AttentionInputs(shape, q, k, v, diagonal, changed, mask);
    }

    /** This call with another mask. */
    public AttentionInputs withMask(ScoreMask changed) {
        return new AttentionInputs(shape, q, k, v, diagonal, smScale, changed);
    }

    /** Whether key {@code j} takes no part in row {@code i}, by the diagonal or by the mask. */
    public boolean hides(int b, int h, int i, int j) {
        return j > (long) i + diagonal || mask.hides(b, h, i, j);
    }

    /** Number of leading keys that the diagonal leaves to row {@code i}. */
    public int keysBelowDiagonal(int i) {
        return (int) Math.max(0, Math.min(shape.kvLen(), (long) i + diagonal + 1));
    }

    /** Index in {@code q} (and in an output) of channel 0 of a query row. */
    public int qRow(int b, int h, int i) {
        return ((b * shape.qHeads() + h) * shape.qoLen() + i) * shape.headDim();
    }

    /** Index in {@code k} and {@code v} of channel 0 of a key row. */
    public int kvRow(int b, int kvHead, int j) {
        return ((b * shape.kvHeads() + kvHead) * shape.kvLen() + j) * shape.headDim();
    }
}
