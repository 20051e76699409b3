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

    /** Elements that an array needs to hold the tensor: one more than the largest index. */
    public long span(int batch, int heads, int tokens, int dim) {
        if (batch == 0 || heads == 0 || tokens == 0) {
            return 0;
        }
        return offset + (batch - 1L) * batchStride + (heads - 1L) * headStride + (tokens - 1L) * tokenStride + dim;
    }

    /** The same tensor in an array in which as many other elements come before. */
    TensorView from(int start) {
        return new TensorView(dtype, Math.addExact(offset, start), batchStride, headStride, tokenStride);
    }

    /** Whether the tensor fills an array of this size: no element of the array lies outside it. */
    boolean fills(int arraySize, int batch, int heads, int tokens, int dim) {
        long elements = (long) batch * heads * tokens * dim;
        return elements == arraySize && elements == span(batch, heads, tokens, dim);
    }

    boolean hasNegative() {
        return offset < 0 || batchStride < 0 || headStride < 0 || tokenStride < 0;
    }
}
