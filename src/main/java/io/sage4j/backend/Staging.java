package io.sage4j.backend;

import io.sage4j.DType;
import io.sage4j.Layout;
import io.sage4j.SageException;
import io.sage4j.Tensor;
import io.sage4j.plan.HostThreads;
import io.sage4j.plan.MaskView;
import io.sage4j.plan.TensorView;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * Moves tensors between the caller's memory and the arrays of a plan. A tensor whose elements fill their memory without
 * gaps is copied as one block and keeps its strides; one with gaps is gathered row by row.
 */
final class Staging {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    /** Bytes that one thread copies at a time. */
    private static final long SHARE_BYTES = 1 << 19;

    private Staging() {}

    /** How the plan's kernels are to read or write a tensor. */
    static TensorView view(Tensor t, Layout layout) {
        int heads = size(t, layout.headAxis());
        int tokens = size(t, layout.tokenAxis());
        int dim = size(t, 3);
        if (!isCompact(t) && t.tornadoArray() == null) {
            toInt(t, t.size());
            return TensorView.contiguous(t.dtype(), heads, tokens, dim);
        }
        return new TensorView(t.dtype(), 0, stride(t, 0), stride(t, layout.headAxis()), stride(t, layout.tokenAxis()));
    }

    /** Elements from one batch entry, head and token to the next in what {@link #copyIn} makes of a tensor. */
    static long[] stagedStrides(Tensor t, Layout layout) {
        if (isCompact(t)) {
            return new long[] {t.stride(0), t.stride(layout.headAxis()), t.stride(layout.tokenAxis())};
        }
        long head = t.size(layout.tokenAxis()) * t.size(3);
        return new long[] {t.size(layout.headAxis()) * head, head, t.size(3)};
    }

    /** Bytes of what {@link #copyIn} makes of a tensor. */
    static long stagedBytes(Tensor t) {
        return stagedElements(t) * t.dtype().bytes();
    }

    /** Elements of that, gaps between them included. */
    static long stagedElements(Tensor t) {
        return isCompact(t) ? t.span() : t.size();
    }

    /** How the plan's kernels are to read a mask; sizes of 1 broadcast. */
    static MaskView maskView(Tensor mask) {
        if (mask == null) {
            return MaskView.NONE;
        }
        boolean gather = isMaskConverted(mask) || !isCompact(mask) && mask.tornadoArray() == null;
        int[] strides = new int[Tensor.RANK];
        int contiguous = 1;
        for (int i = Tensor.RANK - 1; i >= 0; i--) {
            int s = gather ? contiguous : stride(mask, i);
            strides[i] = mask.size(i) == 1 ? 0 : s;
            contiguous = toInt(mask, (long) contiguous * Math.max(mask.size(i), 1));
        }
        MaskView.Kind kind = mask.dtype() == DType.BOOL ? MaskView.Kind.BOOL : MaskView.Kind.ADDITIVE;
        return new MaskView(kind, 0, strides[0], strides[1], strides[2], strides[3]);
    }

    /** Whether the plan needs an array of its own for a mask: there is none, or its numbers must be widened. */
    static boolean isMaskConverted(Tensor mask) {
        return mask == null || mask.dtype() != DType.BOOL && mask.dtype() != DType.FLOAT32;
    }

    /** Copies a tensor into an array that {@link #view} describes. */
    static void copyIn(Tensor t, Layout layout, MemorySegment array) {
        copy(t, layout, array, true);
    }

    /** Copies an array that {@link #view} describes into a tensor. */
    static void copyOut(MemorySegment array, Tensor t, Layout layout) {
        copy(t, layout, array, false);
    }

    private static void copy(Tensor t, Layout layout, MemorySegment array, boolean in) {
        MemorySegment data = t.data();
        boolean isShared = HostThreads.mayShare(data) && HostThreads.mayShare(array);
        if (isCompact(t)) {
            long bytes = t.span() * t.dtype().bytes();
            HostThreads.run(bytes, SHARE_BYTES, isShared, (from, to) -> move(data, from, array, from, to - from, in));
            return;
        }
        long row = t.size(3) * t.dtype().bytes();
        long rows = t.size(0) * t.size(1) * t.size(2);
        HostThreads.run(rows, Math.max(1, SHARE_BYTES / Math.max(1, row)), isShared, (from, to) -> {
            for (long r = from; r < to; r++) {
                move(data, rowStart(t, layout, r) * t.dtype().bytes(), array, r * row, row, in);
            }
        });
    }

    /** Element where a row starts, counted head by head, token by token. */
    static long rowStart(Tensor t, Layout layout, long row) {
        long heads = t.size(layout.headAxis());
        long tokens = t.size(layout.tokenAxis());
        return row / tokens / heads * t.stride(0)
                + row / tokens % heads * t.stride(layout.headAxis())
                + row % tokens * t.stride(layout.tokenAxis());
    }

    private static void move(MemorySegment data, long at, MemorySegment array, long staged, long bytes, boolean in) {
        if (in) {
            MemorySegment.copy(data, at, array, staged, bytes);
        } else {
            MemorySegment.copy(array, staged, data, at, bytes);
        }
    }

    /** Copies a mask into an array that {@link #maskView} describes; half-precision numbers are widened to FP32. */
    static void copyMaskIn(Tensor mask, MemorySegment array) {
        if (!isMaskConverted(mask) && isCompact(mask)) {
            MemorySegment.copy(
                    mask.data(), 0, array, 0, mask.span() * mask.dtype().bytes());
            return;
        }
        long next = 0;
        for (long b = 0; b < mask.size(0); b++) {
            for (long h = 0; h < mask.size(1); h++) {
                for (long i = 0; i < mask.size(2); i++) {
                    for (long j = 0; j < mask.size(3); j++) {
                        float value = mask.get(b, h, i, j);
                        if (mask.dtype() == DType.BOOL) {
                            array.set(ValueLayout.JAVA_BYTE, next++, (byte) value);
                        } else {
                            array.set(FLOAT, next++ * Float.BYTES, value);
                        }
                    }
                }
            }
        }
    }

    /** Whether copying the whole span moves no more than the elements: no gaps (broadcast dimensions are fine). */
    static boolean isCompact(Tensor t) {
        return t.span() <= t.size();
    }

    /** Whether elements of the tensor fill all of its span, some perhaps read more than once. */
    static boolean isDense(Tensor t) {
        long[][] axes = IntStream.range(0, Tensor.RANK)
                .filter(i -> t.size(i) > 1 && t.stride(i) > 0)
                .mapToObj(i -> new long[] {t.stride(i), t.size(i)})
                .sorted(Comparator.comparingLong(axis -> axis[0]))
                .toArray(long[][]::new);
        long filled = 1;
        for (long[] axis : axes) {
            if (axis[0] != filled) {
                return false;
            }
            filled *= axis[1];
        }
        return true;
    }

    private static int size(Tensor t, int axis) {
        return toInt(t, t.size(axis));
    }

    private static int stride(Tensor t, int axis) {
        // A stride that is never taken must not make two equal calls look different.
        return t.size(axis) <= 1 ? 0 : toInt(t, t.stride(axis));
    }

    private static int toInt(Tensor t, long value) {
        if (value > Integer.MAX_VALUE) {
            throw new SageException("tensor " + t + " takes " + value
                    + " elements, but a TornadoVM array holds at most 2^31 - 1:" + " split the batch or the heads");
        }
        return (int) value;
    }
}
