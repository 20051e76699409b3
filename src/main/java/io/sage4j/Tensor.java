package io.sage4j;

import io.sage4j.numeric.BFloat16;
import io.sage4j.numeric.Float16;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Objects;
import uk.ac.manchester.tornado.api.types.arrays.BFloat16Array;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.ShortArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * A four-dimensional view of numbers that live somewhere: a Java array, a memory segment, a TornadoVM array, or a GPU's
 * memory. Nothing is copied when a tensor is made; the numbers must stay as they are while a call reads them.
 *
 * <p>Strides count elements and may be anything that stays inside the data (also 0, to broadcast), except that the last
 * dimension is contiguous. Numbers of more than one byte are in native byte order.
 */
public final class Tensor {
    /** Number of dimensions. */
    public static final int RANK = 4;

    private static final int HOST = -1;

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

    private final MemorySegment data;
    private final DType dtype;
    private final long[] shape;
    private final long[] strides;
    private final TornadoNativeArray array;
    /** Number of the GPU, or {@link #HOST}. */
    private final int gpu;

    private final long address;

    private Tensor(MemorySegment data, DType dtype, long[] shape, long[] strides, TornadoNativeArray array) {
        this(SageException.requireArgument(data, "data"), HOST, 0, dtype, shape, strides, array);
    }

    private Tensor(
            MemorySegment data,
            int gpu,
            long address,
            DType dtype,
            long[] shape,
            long[] strides,
            TornadoNativeArray array) {
        this.data = data;
        this.gpu = gpu;
        this.address = address;
        this.dtype = SageException.requireArgument(dtype, "dtype");
        checkShape(shape);
        this.shape = shape.clone();
        this.strides = SageException.requireArgument(strides, "strides").clone();
        this.array = array;
        checkStrides();
    }

    /**
     * A contiguous FP32 tensor over a Java array.
     *
     * @param data exactly as many numbers as the shape holds
     * @param shape four sizes
     * @throws SageException if the shape does not fit the data
     */
    public static Tensor of(float[] data, long... shape) {
        return contiguous(
                MemorySegment.ofArray(SageException.requireArgument(data, "data")), DType.FLOAT32, shape, null);
    }

    /**
     * A contiguous tensor over memory.
     *
     * @param data at least as many bytes as the shape needs
     * @param dtype element type
     * @param shape four sizes
     * @throws SageException if the shape does not fit the data
     */
    public static Tensor of(MemorySegment data, DType dtype, long... shape) {
        return contiguous(
                SageException.requireArgument(data, "data"),
                SageException.requireArgument(dtype, "dtype"),
                shape,
                null);
    }

    /**
     * A strided tensor over memory.
     *
     * @param data the elements; element (0, 0, 0, 0) comes first
     * @param dtype element type
     * @param shape four sizes
     * @param strides elements from one index to the next, per dimension; the last is 1
     * @throws SageException if a stride leaves the data
     */
    public static Tensor of(MemorySegment data, DType dtype, long[] shape, long[] strides) {
        return new Tensor(data, dtype, shape, strides, null);
    }

    /** A contiguous FP32 tensor over a TornadoVM array; the TornadoVM backends but PTX use the array itself. */
    public static Tensor of(FloatArray array, long... shape) {
        return ofArray(array, DType.FLOAT32, shape);
    }

    /** A contiguous FP16 tensor over a TornadoVM array; the TornadoVM backends but PTX use the array itself. */
    public static Tensor of(HalfFloatArray array, long... shape) {
        return ofArray(array, DType.FLOAT16, shape);
    }

    /** A contiguous BF16 tensor over a TornadoVM array; the TornadoVM backends but PTX use the array itself. */
    public static Tensor of(BFloat16Array array, long... shape) {
        return ofArray(array, DType.BFLOAT16, shape);
    }

    /** A contiguous BF16 tensor over a TornadoVM array of its raw bits; the TornadoVM backends but PTX use the array itself. */
    public static Tensor of(ShortArray array, long... shape) {
        return ofArray(array, DType.BFLOAT16, shape);
    }

    /** A contiguous boolean tensor (a mask) over a TornadoVM array of bytes. */
    public static Tensor of(ByteArray array, long... shape) {
        return ofArray(array, DType.BOOL, shape);
    }

    /**
     * A contiguous tensor over memory of GPU 0. See {@link #ofDevice(long, int, DType, long[], long[])}.
     *
     * @param address CUdeviceptr of element (0, 0, 0, 0)
     * @param dtype element type
     * @param shape four sizes
     */
    public static Tensor ofDevice(long address, DType dtype, long... shape) {
        return ofDevice(address, 0, dtype, shape);
    }

    /**
     * A contiguous tensor over a GPU's memory. See {@link #ofDevice(long, int, DType, long[], long[])}.
     *
     * @param address CUdeviceptr of element (0, 0, 0, 0)
     * @param gpu number of the GPU among the driver's
     * @param dtype element type
     * @param shape four sizes
     */
    public static Tensor ofDevice(long address, int gpu, DType dtype, long[] shape) {
        checkShape(shape);
        return ofDevice(address, gpu, dtype, shape, contiguousStrides(shape));
    }

    /**
     * A strided tensor over a GPU's memory, whoever allocated it. Nothing is copied, now or in a call: it is for the backend
     * {@code cuda}. The memory is the caller's, and must not be freed before the work that was started with it is done. A
     * call refuses an address that is no memory of the GPU when it starts; it may not notice memory that was freed. The elements cannot be read here: copy the tensor
     * with {@link Sage#copy}.
     *
     * @param address CUdeviceptr of element (0, 0, 0, 0), a multiple of the element size
     * @param gpu number of the GPU among the driver's
     * @param dtype element type
     * @param shape four sizes
     * @param strides elements from one index to the next, per dimension; the last is 1
     * @throws SageException if they do not fit each other
     */
    public static Tensor ofDevice(long address, int gpu, DType dtype, long[] shape, long[] strides) {
        if (gpu < 0) {
            throw new SageException("GPU is " + gpu + ", expected 0 or more");
        }
        Tensor tensor = new Tensor(null, gpu, address, dtype, shape, strides, null);
        if (address <= 0 || address % dtype.bytes() != 0) {
            throw new SageException("device address is 0x" + Long.toHexString(address)
                    + ", expected a positive multiple of " + dtype.bytes() + " bytes");
        }
        try {
            Math.addExact(address, Math.multiplyExact(tensor.span(), (long) dtype.bytes()));
        } catch (ArithmeticException e) {
            throw new SageException(
                    "shape " + Arrays.toString(shape) + " with strides " + Arrays.toString(strides)
                            + " leaves 64-bit addresses",
                    e);
        }
        return tensor;
    }

    /**
     * A new contiguous tensor of zeros, outside the Java heap; freed when it is no longer reachable.
     *
     * @throws SageException if there is no memory for it
     */
    public static Tensor allocate(DType dtype, long... shape) {
        checkShape(shape);
        long bytes = byteSize(shape, SageException.requireArgument(dtype, "dtype"));
        try {
            return of(Arena.ofAuto().allocate(Math.max(bytes, 1), 64), dtype, shape);
        } catch (OutOfMemoryError e) {
            throw new SageException(
                    "no memory for a tensor " + describe(dtype, shape) + " of " + bytes
                            + " bytes; give Java more (with ./sage4j: SAGE4J_JAVA_OPTS=-Xmx8g) or split the call",
                    e);
        }
    }

    private static Tensor ofArray(TornadoNativeArray array, DType dtype, long[] shape) {
        return contiguous(SageException.requireArgument(array, "array").getSegment(), dtype, shape, array);
    }

    private static Tensor contiguous(MemorySegment data, DType dtype, long[] shape, TornadoNativeArray array) {
        checkShape(shape);
        long needed = byteSize(shape, dtype);
        boolean exact = array != null || data.heapBase().isPresent();
        if (exact ? data.byteSize() != needed : data.byteSize() < needed) {
            throw new SageException("a tensor " + describe(dtype, shape) + " needs " + needed + " bytes, the data has "
                    + data.byteSize());
        }
        return new Tensor(data, dtype, shape, contiguousStrides(shape), array);
    }

    /** Strides of a contiguous tensor. */
    static long[] contiguousStrides(long... shape) {
        long[] strides = new long[shape.length];
        long stride = 1;
        for (int i = shape.length - 1; i >= 0; i--) {
            strides[i] = stride;
            stride *= Math.max(shape[i], 1);
        }
        return strides;
    }

    private static long byteSize(long[] shape, DType dtype) {
        try {
            long n = dtype.bytes();
            for (long s : shape) {
                n = Math.multiplyExact(n, s);
            }
            return n;
        } catch (ArithmeticException e) {
            throw new SageException("shape " + Arrays.toString(shape) + " exceeds 2^63 bytes", e);
        }
    }

    private static void checkShape(long[] shape) {
        if (SageException.requireArgument(shape, "shape").length != RANK) {
            throw new SageException(
                    "a tensor has 4 dimensions, [batch, heads, tokens, head_dim] or [batch, tokens, heads,"
                            + " head_dim]; found " + shape.length + ": " + Arrays.toString(shape));
        }
        for (long s : shape) {
            if (s < 0) {
                throw new SageException("a tensor cannot have a negative size: " + Arrays.toString(shape));
            }
        }
        byteSize(shape, DType.FLOAT32);
    }

    private static int checkAxis(int axis) {
        if (axis < 0 || axis >= RANK) {
            throw new SageException("a tensor has the dimensions 0 to 3, there is no dimension " + axis);
        }
        return axis;
    }

    private void checkStrides() {
        if (strides.length != RANK) {
            throw new SageException(
                    "a tensor has 4 strides, found " + strides.length + ": " + Arrays.toString(strides));
        }
        if (shape[3] > 1 && strides[3] != 1) {
            throw new SageException("the last dimension must be contiguous (stride 1), its stride is " + strides[3]
                    + "; copy the tensor first");
        }
        long last = 0;
        try {
            for (int i = 0; i < RANK; i++) {
                if (strides[i] < 0) {
                    throw new SageException("strides cannot be negative: " + Arrays.toString(strides));
                }
                last = Math.addExact(last, Math.multiplyExact(Math.max(shape[i] - 1, 0), strides[i]));
            }
        } catch (ArithmeticException e) {
            throw new SageException(
                    "shape " + Arrays.toString(shape) + " with strides " + Arrays.toString(strides)
                            + " exceeds 64 bits",
                    e);
        }
        if (isOnDevice()) {
            return;
        }
        long elements = data.byteSize() / dtype.bytes();
        if (size() > 0 && last >= elements) {
            throw new SageException("shape " + Arrays.toString(shape) + " with strides " + Arrays.toString(strides)
                    + " reaches element " + last + ", the data has " + elements);
        }
    }

    /** Element type. */
    public DType dtype() {
        return dtype;
    }

    /** The four sizes. */
    public long[] shape() {
        return shape.clone();
    }

    /** Size of one dimension. */
    public long size(int axis) {
        return shape[checkAxis(axis)];
    }

    /** The four strides in elements. */
    public long[] strides() {
        return strides.clone();
    }

    /** Stride of one dimension in elements. */
    public long stride(int axis) {
        return strides[checkAxis(axis)];
    }

    /** Number of elements. */
    public long size() {
        return shape[0] * shape[1] * shape[2] * shape[3];
    }

    /** Elements from the first to the last one in memory, both included. */
    public long span() {
        if (size() == 0) {
            return 0;
        }
        long last = 0;
        for (int i = 0; i < RANK; i++) {
            last += (shape[i] - 1) * strides[i];
        }
        return last + 1;
    }

    /** Whether the elements follow each other in index order without gaps; so they do where there is none. */
    public boolean isContiguous() {
        if (size() == 0) {
            return true;
        }
        long expected = 1;
        for (int i = RANK - 1; i >= 0; i--) {
            if (shape[i] > 1 && strides[i] != expected) {
                return false;
            }
            expected *= shape[i];
        }
        return true;
    }

    /**
     * The memory; element (0, 0, 0, 0) comes first.
     *
     * @throws SageException if it is a GPU's
     */
    public MemorySegment data() {
        if (isOnDevice()) {
            throw new SageException(this + " cannot be read on the host; copy it with Sage.copy");
        }
        return data;
    }

    /** Whether the elements are in a GPU's memory. */
    public boolean isOnDevice() {
        return gpu != HOST;
    }

    /** Number of the GPU whose memory holds the elements; -1 for host memory. */
    public int gpu() {
        return gpu;
    }

    /**
     * The CUdeviceptr of element (0, 0, 0, 0).
     *
     * @throws SageException if the elements are in host memory
     */
    public long address() {
        if (!isOnDevice()) {
            throw new SageException(this + " is in host memory and has no device address");
        }
        return address;
    }

    /** The TornadoVM array that this tensor wraps; null if it wraps something else. */
    public TornadoNativeArray tornadoArray() {
        return array;
    }

    /**
     * One element, widened exactly to FP32; a boolean gives 0 or 1.
     *
     * @throws IndexOutOfBoundsException if an index is outside its dimension
     */
    public float get(long i0, long i1, long i2, long i3) {
        return element(Objects.checkIndex(i0, shape[0]) * strides[0]
                + Objects.checkIndex(i1, shape[1]) * strides[1]
                + Objects.checkIndex(i2, shape[2]) * strides[2]
                + Objects.checkIndex(i3, shape[3]) * strides[3]);
    }

    private float element(long offset) {
        MemorySegment data = data();
        return switch (dtype) {
            case FLOAT32 -> data.get(FLOAT, offset * 4);
            case FLOAT16 -> Float.float16ToFloat(data.get(SHORT, offset * 2));
            case BFLOAT16 -> BFloat16.decode(data.get(SHORT, offset * 2));
            case BOOL -> data.get(ValueLayout.JAVA_BYTE, offset) == 0 ? 0f : 1f;
        };
    }

    /**
     * All elements in index order, widened exactly to FP32.
     *
     * @throws SageException if there are more than a Java array can hold
     */
    public float[] toFloatArray() {
        if (size() > Integer.MAX_VALUE - 8) {
            throw new SageException("a Java array cannot hold the " + size() + " elements of this tensor; use data()");
        }
        float[] values = new float[(int) size()];
        copyInOrder(of(values, shape));
        return values;
    }

    /** Puts the elements, converted, into a contiguous tensor of the same shape. */
    private void copyInOrder(Tensor made) {
        long next = 0;
        for (long i = 0; i < shape[0]; i++) {
            for (long j = 0; j < shape[1]; j++) {
                for (long k = 0; k < shape[2]; k++) {
                    long row = i * strides[0] + j * strides[1] + k * strides[2];
                    for (long l = 0; l < shape[3]; l++) {
                        made.setElement(next++, element(row + l));
                    }
                }
            }
        }
    }

    /** All elements in index order as bytes, little endian; the tensor's own memory where it is already so. */
    public MemorySegment toSegment() {
        if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
            throw new SageException("sage4j needs a little-endian machine");
        }
        if (isContiguous()) {
            return data().asSlice(0, size() * dtype.bytes());
        }
        Tensor copy = allocate(dtype, shape);
        copy.copyFrom(this);
        return copy.data.asSlice(0, size() * dtype.bytes());
    }

    /**
     * The elements as another floating-point type in a new contiguous tensor, rounded to nearest even; this tensor where it
     * has the type already. To FP16, what is beyond 65504 becomes infinite; NaN stays NaN, and a boolean becomes 0 or 1.
     *
     * @param type FP32, FP16 or BF16
     * @throws SageException if it is none of them, there is no memory, or the elements are in a GPU's memory
     */
    public Tensor to(DType type) {
        if (!SageException.requireArgument(type, "type").isFloat()) {
            throw new SageException("cannot make " + type + " of " + this + ", expected one of " + DType.floats());
        }
        data();
        if (type == dtype) {
            return this;
        }
        Tensor made = allocate(type, shape);
        copyInOrder(made);
        return made;
    }

    private void setElement(long offset, float value) {
        switch (dtype) {
            case FLOAT32 -> data.set(FLOAT, offset * 4, value);
            case FLOAT16 -> data.set(SHORT, offset * 2, Float16.encode(value));
            case BFLOAT16 -> data.set(SHORT, offset * 2, BFloat16.encode(value));
            case BOOL -> throw new IllegalStateException("no number");
        }
    }

    /** The same elements with two dimensions exchanged, not copied; neither may be the last one. */
    public Tensor transpose(int axis, int other) {
        if (checkAxis(axis) == RANK - 1 || checkAxis(other) == RANK - 1) {
            throw new SageException("the last dimension cannot be exchanged, it must stay contiguous");
        }
        long[] newShape = shape.clone();
        long[] newStrides = strides.clone();
        newShape[axis] = shape[other];
        newShape[other] = shape[axis];
        newStrides[axis] = strides[other];
        newStrides[other] = strides[axis];
        return new Tensor(data, gpu, address, dtype, newShape, newStrides, array);
    }

    /**
     * The elements whose index in one dimension is at least {@code from} and less than {@code to}, not copied.
     *
     * @param axis dimension, 0 to 3
     * @param from first index, 0 to {@code to}
     * @param to index behind the last one, at most the size of the dimension
     * @throws SageException if they do not fit the shape
     */
    public Tensor slice(int axis, long from, long to) {
        if (from < 0 || to < from || to > shape[checkAxis(axis)]) {
            throw new SageException("slice " + from + " to " + to + " of dimension " + axis + " of " + this
                    + ", expected 0 <= from <= to <= " + shape[axis]);
        }
        if (to - from == shape[axis]) {
            return this;
        }
        long[] newShape = shape.clone();
        newShape[axis] = to - from;
        // An empty slice has no first element, which therefore need not exist.
        long first = to == from ? 0 : from * strides[axis] * dtype.bytes();
        return new Tensor(
                isOnDevice() ? null : data.asSlice(first),
                gpu,
                isOnDevice() ? address + first : 0,
                dtype,
                newShape,
                strides,
                null);
    }

    /** Copies the elements of a tensor of the same shape and type into this one. */
    void copyFrom(Tensor source) {
        if (!Arrays.equals(shape, source.shape) || dtype != source.dtype) {
            throw new SageException("cannot copy " + source + " into " + this);
        }
        long unit = dtype.bytes();
        if (isContiguous() && source.isContiguous()) {
            MemorySegment.copy(source.data(), 0, data(), 0, size() * unit);
            return;
        }
        for (long i = 0; i < shape[0]; i++) {
            for (long j = 0; j < shape[1]; j++) {
                for (long k = 0; k < shape[2]; k++) {
                    long from = i * source.strides[0] + j * source.strides[1] + k * source.strides[2];
                    long to = i * strides[0] + j * strides[1] + k * strides[2];
                    MemorySegment.copy(source.data(), from * unit, data(), to * unit, shape[3] * unit);
                }
            }
        }
    }

    private static String describe(DType dtype, long[] shape) {
        return dtype + Arrays.toString(shape);
    }

    /** Type and shape, such as {@code float16[1, 12, 512, 32]}, and the GPU if it is on one. */
    @Override
    public String toString() {
        return describe(dtype, shape) + (isOnDevice() ? " on GPU " + gpu : "");
    }
}
