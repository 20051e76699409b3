package io.sage4j.io;

import io.sage4j.SageException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;

/**
 * An array of any rank as files hold it: contiguous, row-major, little endian.
 *
 * @param type element type
 * @param shape sizes of the dimensions; empty for a scalar
 * @param data exactly the elements
 */
public record NdArray(ElementType type, long[] shape, MemorySegment data) {
    /** Most dimensions, as in NumPy. */
    static final int MAX_RANK = 64;

    /** @throws SageException if the data has not the size that type and shape say */
    public NdArray {
        Objects.requireNonNull(type, "type");
        shape = shape.clone();
        long bytes = byteSize("array", type, shape);
        if (data.byteSize() != bytes) {
            throw new SageException("array of shape " + Arrays.toString(shape) + " and type " + type + " needs " + bytes
                    + " bytes, found " + data.byteSize());
        }
    }

    /** Sizes of the dimensions, a copy. */
    @Override
    public long[] shape() {
        return shape.clone();
    }

    /** Number of dimensions. */
    public int rank() {
        return shape.length;
    }

    /** Equal type, shape and bytes. */
    @Override
    public boolean equals(Object other) {
        return other instanceof NdArray that
                && type == that.type
                && Arrays.equals(shape, that.shape)
                && data.mismatch(that.data) < 0;
    }

    @Override
    public int hashCode() {
        return Objects.hash(type, Arrays.hashCode(shape), data.byteSize());
    }

    @Override
    public String toString() {
        return type + Arrays.toString(shape);
    }

    /**
     * Bytes that an array takes.
     *
     * @throws SageException if the shape has a negative size, too many dimensions or more than 2^63 - 1 bytes
     */
    static long byteSize(String what, ElementType type, long... shape) {
        if (shape.length > MAX_RANK) {
            throw new SageException(what + " has " + shape.length + " dimensions, expected at most " + MAX_RANK);
        }
        boolean empty = false;
        for (long size : shape) {
            if (size < 0) {
                throw new SageException(
                        what + " has shape " + Arrays.toString(shape) + ": a size is negative, expected 0 or more");
            }
            empty |= size == 0;
        }
        try {
            long bytes = type.bytes();
            for (long size : shape) {
                bytes = Math.multiplyExact(bytes, empty ? 1 : size);
            }
            return empty ? 0 : bytes;
        } catch (ArithmeticException overflow) {
            throw new SageException(
                    what + " has shape " + Arrays.toString(shape) + ": more than 2^63 - 1 bytes, expected fewer",
                    overflow);
        }
    }

    /** The data where its element type can be read from: itself, or a copy where a file is laid out oddly. */
    static MemorySegment aligned(MemorySegment data, ElementType type) {
        boolean fits = data.isNative() ? data.address() % type.bytes() == 0 : data.maxByteAlignment() >= type.bytes();
        return fits ? data : Arena.ofAuto().allocate(data.byteSize(), 64).copyFrom(data);
    }
}
