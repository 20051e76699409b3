package io.sage4j.plan;

import io.sage4j.DType;

/**
 * How a kernel finds element (b, h, n, d) of a tensor in its array:
 * {@code offset + b * batchStride + h * headStride + n * tokenStride + d}.
 *
 * @param dtype element type
 * @param offset index of the first element
 * @param batchStride elements from one batch entry to the next
 * @param headStride elements from one head to the next
 * @param tokenStride elements from one token to the next
 */
public record TensorView(DType dtype, int offset, int batchStride, int headStride, int tokenStride) {
    /** A contiguous [batch, heads, tokens, dim] tensor. */
    public static TensorView contiguous(DType dtype, int heads, int tokens, int dim) {
        return new TensorView(
                dtype,
                0,
                Math.multiplyExact(heads, Math.multiplyExact(tokens, dim)),
                Math.multiplyExact(tokens, dim),
                dim);
    }
}
