package io.sage4j.plan;

import io.sage4j.DType;
import io.sage4j.SageException;
import io.sage4j.kernel.Convert;
import io.sage4j.kernel.Elements;
import io.sage4j.numeric.AttentionShape;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import uk.ac.manchester.tornado.api.types.arrays.BFloat16Array;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.ShortArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * Allocates the arrays of one plan and counts them. Kernels index with an int and TornadoVM adds the header to it, so an array
 * may hold {@link #LIMIT} elements; more is refused before anything is allocated.
 */
final class PlanArrays {
    /** Most elements of an array. */
    static final int LIMIT = Integer.MAX_VALUE - 64;

    /** Bytes of Q, K and V up to which they share an array: of less, a copy costs the host more than its bytes take. */
    static final long ONE_COPY = 1 << 20;

    /** Counts that an output of the plan's own has room for behind its elements, for the same reason. */
    static final int CARRIED = Convert.ITEMS / Convert.DIGITS;

    /** Parts of an array begin at multiples of so many bytes. */
    private static final int PART = 64;

    private final HostMemory memory;
    private final List<TornadoNativeArray> allocated = new ArrayList<>();
    private long bytes;

    /** Stand-ins for kernel arguments that a variant does not use. */
    final FloatArray noFloats;

    final HalfFloatArray noHalves;
    final ShortArray noShorts;
    final ByteArray noBytes;
    final IntArray noInts;

    PlanArrays(HostMemory memory) {
        this.memory = memory;
        noFloats = floats("stand-in", 1L);
        noHalves = halves("stand-in", 1);
        noShorts = shorts("stand-in", 1);
        noBytes = bytes("stand-in", 1);
        noInts = ints("stand-in", 1L);
    }

    /**
     * A tensor of the caller, as kernels take it: the array of its type, and stand-ins for the others.
     *
     * @param view where its elements lie
     * @param floats FP32 elements
     * @param halves FP16 elements
     * @param bfloats bfloat16 elements
     * @param type element type constant of {@link Elements}
     * @param array the one of the three that holds the elements
     * @param tensor the part of it that is the tensor's, as an array of its own over the same memory; or the array itself
     * @param full whether the tensor fills the array
     */
    record Operand(
            IntArray view,
            FloatArray floats,
            HalfFloatArray halves,
            ShortArray bfloats,
            int type,
            TornadoNativeArray array,
            TornadoNativeArray tensor,
            boolean full) {}

    /** The stand-ins, which never change. */
    Object[] standIns() {
        return new Object[] {noFloats, noHalves, noShorts, noBytes, noInts};
    }

    /** Memory of the arrays allocated so far. */
    long bytes() {
        return bytes;
    }

    /** Arrays allocated so far. */
    List<TornadoNativeArray> allocated() {
        return allocated;
    }

    FloatArray floats(String what, long size) {
        return keep(FloatArray.fromSegmentShallow(allocate(what, size, Float.BYTES)));
    }

    ByteArray bytes(String what, long size) {
        return keep(ByteArray.fromSegmentShallow(allocate(what, size, Byte.BYTES)));
    }

    HalfFloatArray halves(String what, long size) {
        return keep(HalfFloatArray.fromSegmentShallow(allocate(what, size, Short.BYTES)));
    }

    private ShortArray shorts(String what, long size) {
        return keep(ShortArray.fromSegmentShallow(allocate(what, size, Short.BYTES)));
    }

    IntArray ints(String what, long size) {
        return keep(IntArray.fromSegmentShallow(allocate(what, size, Integer.BYTES)));
    }

    private <T extends TornadoNativeArray> T keep(T array) {
        allocated.add(array);
        return array;
    }

    IntArray ints(String what, int... values) {
        IntArray array = ints(what, (long) values.length);
        for (int i = 0; i < values.length; i++) {
            array.set(i, values[i]);
        }
        return array;
    }

    FloatArray floats(String what, float... values) {
        FloatArray array = floats(what, (long) values.length);
        for (int i = 0; i < values.length; i++) {
            array.set(i, values[i]);
        }
        return array;
    }

    /** Memory of an array, which has at least one element, and of the header before it. */
    private MemorySegment allocate(String what, long size, int elementBytes) {
        requireFits(what, size);
        long needed = TornadoNativeArray.ARRAY_HEADER + Math.max(size, 1) * elementBytes;
        bytes += needed;
        return memory.allocate(needed);
    }

    /** @throws SageException if an array of this size is too large for a kernel to index */
    static void requireFits(String what, long size) {
        if (size > LIMIT) {
            throw new SageException(what + " would take " + size + " elements, but a TornadoVM array holds at most "
                    + LIMIT + ": split the batch, the heads or the sequence");
        }
    }

    /**
     * A tensor in an array of its own, or in the caller's.
     *
     * @param what its name, for messages
     * @param bound the caller's array, or null
     */
    Operand operand(
            String what, TensorView view, AttentionShape shape, int heads, int tokens, TornadoNativeArray bound) {
        long span = span(what, view, shape, heads, tokens);
        TornadoNativeArray array =
                bound == null ? allocate(what, view.dtype(), span) : unwrap(what, view.dtype(), bound);
        if (array.getSize() < span) {
            throw new SageException(what + " needs an array of " + span + " elements, got one of " + array.getSize());
        }
        return operand(what, view, shape, heads, tokens, array, array);
    }

    private Operand operand(
            String what,
            TensorView view,
            AttentionShape shape,
            int heads,
            int tokens,
            TornadoNativeArray array,
            TornadoNativeArray tensor) {
        return new Operand(
                ints(what, Arrays.copyOf(view(view, heads, tokens, shape.headDim()), Convert.VIEW_SIZE)),
                array instanceof FloatArray ? (FloatArray) array : noFloats,
                array instanceof HalfFloatArray ? (HalfFloatArray) array : noHalves,
                array instanceof ShortArray ? (ShortArray) array : noShorts,
                Elements.typeOf(view.dtype()),
                array,
                tensor,
                view.fills(tensor.getSize(), shape.batch(), heads, tokens, shape.headDim()));
    }

    /** Elements that a tensor needs, which must be numbers that a kernel can read and find. */
    private static long span(String what, TensorView view, AttentionShape shape, int heads, int tokens) {
        if (!view.dtype().isFloat()) {
            throw new SageException(what + " is " + view.dtype() + ", expected float32, float16 or bfloat16");
        }
        if (view.hasNegative()) {
            throw new SageException(what + " has a negative offset or stride: " + view);
        }
        long span = view.span(shape.batch(), heads, tokens, shape.headDim());
        requireFits(what, span);
        return span;
    }

    /** Q, K and V; in one array if they are small and of one type, and none is the caller's. */
    List<Operand> inputs(AttentionProblem problem, ArrayBindings bindings) {
        AttentionShape shape = problem.shape();
        List<String> names = List.of("q", "k", "v");
        List<TensorView> views = List.of(problem.q(), problem.k(), problem.v());
        int[] heads = {shape.qHeads(), shape.kvHeads(), shape.kvHeads()};
        int[] tokens = {shape.qoLen(), shape.kvLen(), shape.kvLen()};
        DType dtype = problem.q().dtype();
        long[] starts = new long[names.size() + 1];
        boolean together = bindings.q() == null && bindings.k() == null && bindings.v() == null;
        for (int i = 0; i < names.size(); i++) {
            long bytes = span(names.get(i), views.get(i), shape, heads[i], tokens[i]) * dtype.bytes();
            // Before each part there is room for the header of an array.
            long next = Math.ceilDiv(bytes + TornadoNativeArray.ARRAY_HEADER, (long) PART) * PART;
            starts[i + 1] = starts[i] + next / dtype.bytes();
            together &= views.get(i).dtype() == dtype;
        }
        List<TornadoNativeArray> bound = Arrays.asList(bindings.q(), bindings.k(), bindings.v());
        TornadoNativeArray all = together && starts[names.size()] * dtype.bytes() <= ONE_COPY
                ? allocate("q, k and v", dtype, starts[names.size()])
                : null;
        List<Operand> operands = new ArrayList<>();
        for (int i = 0; i < names.size(); i++) {
            operands.add(
                    all == null
                            ? operand(names.get(i), views.get(i), shape, heads[i], tokens[i], bound.get(i))
                            : part(names.get(i), views.get(i), shape, heads[i], tokens[i], all, starts[i]));
        }
        return operands;
    }

    /** The output; one that is small, not FP32 and not the caller's has room for counts behind it. */
    Operand output(AttentionProblem problem, TornadoNativeArray bound) {
        AttentionShape shape = problem.shape();
        TensorView view = problem.out();
        long span = span("output", view, shape, shape.qHeads(), shape.qoLen());
        if (bound != null
                || view.dtype() == DType.FLOAT32
                || span * view.dtype().bytes() > ONE_COPY) {
            return operand("output", view, shape, shape.qHeads(), shape.qoLen(), bound);
        }
        TornadoNativeArray all = allocate("output", view.dtype(), span + CARRIED * Convert.DIGITS);
        return part("output", view, shape, shape.qHeads(), shape.qoLen(), all, 0);
    }

    private Operand part(
            String what,
            TensorView view,
            AttentionShape shape,
            int heads,
            int tokens,
            TornadoNativeArray all,
            long start) {
        long unit = view.dtype().bytes();
        long size = Math.max(view.span(shape.batch(), heads, tokens, shape.headDim()), 1);
        TornadoNativeArray tensor = over(
                view.dtype(),
                all.getSegmentWithHeader().asSlice(start * unit, TornadoNativeArray.ARRAY_HEADER + size * unit));
        return operand(what, view.from(Math.toIntExact(start)), shape, heads, tokens, all, tensor);
    }

    /** The numbers of a view, as {@link Elements} has them. */
    static int[] view(TensorView view, int heads, int tokens, int channels) {
        return new int[] {
            view.offset(), view.batchStride(), view.headStride(), view.tokenStride(), heads, tokens, channels
        };
    }

    private TornadoNativeArray allocate(String what, DType dtype, long size) {
        return keep(over(dtype, allocate(what, size, dtype.bytes())));
    }

    /** An array over memory that begins with its header. */
    private static TornadoNativeArray over(DType dtype, MemorySegment memory) {
        return switch (dtype) {
            case FLOAT32 -> FloatArray.fromSegmentShallow(memory);
            case FLOAT16 -> HalfFloatArray.fromSegmentShallow(memory);
            case BFLOAT16 -> ShortArray.fromSegmentShallow(memory);
            case BOOL -> ByteArray.fromSegmentShallow(memory);
        };
    }

    /** The caller's array as the type that kernels take; a BFloat16Array becomes a ShortArray over the same memory. */
    private TornadoNativeArray unwrap(String what, DType dtype, TornadoNativeArray bound) {
        TornadoNativeArray array = bound;
        if (bound instanceof BFloat16Array && dtype == DType.BFLOAT16) {
            array = ShortArray.fromSegmentShallow(((BFloat16Array) bound).getSegmentWithHeader());
        }
        Class<?> expected =
                switch (dtype) {
                    case FLOAT32 -> FloatArray.class;
                    case FLOAT16 -> HalfFloatArray.class;
                    case BFLOAT16 -> ShortArray.class;
                    case BOOL -> ByteArray.class;
                };
        if (!expected.isInstance(array)) {
            throw new SageException(what + " of type " + dtype + " is in a "
                    + bound.getClass().getSimpleName() + ", expected a " + expected.getSimpleName());
        }
        return array;
    }

    /** Array of a mask: the caller's, or one of the plan's own; the stand-in if there is no mask. */
    TornadoNativeArray mask(MaskView mask, AttentionShape shape, TornadoNativeArray bound) {
        if (mask.kind() == MaskView.Kind.NONE) {
            return noBytes;
        }
        if (mask.hasNegative()) {
            throw new SageException("mask has a negative offset or stride: " + mask);
        }
        DType dtype = mask.kind() == MaskView.Kind.BOOL ? DType.BOOL : DType.FLOAT32;
        long span = mask.span(shape.batch(), shape.qHeads(), shape.qoLen(), shape.kvLen());
        requireFits("mask", span);
        TornadoNativeArray array = bound == null ? allocate("mask", dtype, span) : unwrap("mask", dtype, bound);
        if (array.getSize() < span) {
            throw new SageException("mask needs an array of " + span + " elements, got one of " + array.getSize());
        }
        return array;
    }
}
