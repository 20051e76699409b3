package uk.ac.manchester.tornado.api.types.arrays;

import io.sage4j.tornadojvm.NativeMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.DoubleBuffer;

/** Off-heap array of {@code double}: a header of {@link #ARRAY_HEADER} bytes, then the elements. */
public final class DoubleArray extends TornadoNativeArray {
    private static final ValueLayout.OfDouble LAYOUT = ValueLayout.JAVA_DOUBLE;

    private final MemorySegment segment;
    private final MemorySegment payload;
    private final int size;

    /**
     * Makes an array of zeros.
     *
     * @param numberOfElements number of elements
     */
    public DoubleArray(int numberOfElements) {
        this(NativeMemory.allocate("DoubleArray", numberOfElements, 8));
    }

    /**
     * Makes the concatenation of other arrays, copied.
     *
     * @param arrays the parts, in order
     */
    public DoubleArray(DoubleArray... arrays) {
        this(NativeMemory.concat("DoubleArray", 8, arrays));
    }

    private DoubleArray(MemorySegment withHeader) {
        segment = withHeader;
        payload = withHeader.asSlice(ARRAY_HEADER);
        size = NativeMemory.stampSize("DoubleArray", segment, 8);
    }

    /**
     * Copies a Java array.
     *
     * @param values the elements
     * @return a new array
     */
    public static DoubleArray fromArray(double[] values) {
        return fromSegment(MemorySegment.ofArray(values));
    }

    /**
     * Copies the given elements.
     *
     * @param values the elements
     * @return a new array
     */
    public static DoubleArray fromElements(double... values) {
        return fromSegment(MemorySegment.ofArray(values));
    }

    /**
     * Copies a segment of elements without header.
     *
     * @param segment the elements, in native byte order
     * @return a new array
     */
    public static DoubleArray fromSegment(MemorySegment segment) {
        return new DoubleArray(NativeMemory.copyOf("DoubleArray", segment, 8));
    }

    /**
     * Wraps a segment, header included, without copying it; the header is written.
     *
     * @param segment native memory: header, then elements
     * @return an array over that memory
     */
    public static DoubleArray fromSegmentShallow(MemorySegment segment) {
        return new DoubleArray(NativeMemory.checkShallow("DoubleArray", segment, 8));
    }

    /**
     * Copies what remains in a buffer; its position stays.
     *
     * @param buffer the elements
     * @return a new array
     */
    public static DoubleArray fromDoubleBuffer(DoubleBuffer buffer) {
        return new DoubleArray(NativeMemory.copyOf("DoubleArray", buffer, 8));
    }

    /**
     * Sets every element; may be used as a task.
     *
     * @param array the array
     * @param value the value
     */
    public static void initialize(DoubleArray array, double value) {
        for (int i = 0; i < array.getSize(); i++) {
            array.set(i, value);
        }
    }

    /**
     * Concatenates arrays into a new one.
     *
     * @param arrays the parts, in order
     * @return a new array
     */
    public static DoubleArray concat(DoubleArray... arrays) {
        return new DoubleArray(arrays);
    }

    /**
     * Copies the elements to the Java heap.
     *
     * @return a new Java array
     */
    public double[] toHeapArray() {
        return payload.toArray(LAYOUT);
    }

    /**
     * Stores one element.
     *
     * @param index 0 to size - 1
     * @param value the value
     */
    public void set(int index, double value) {
        try {
            payload.setAtIndex(LAYOUT, index, value);
        } catch (IndexOutOfBoundsException e) {
            throw NativeMemory.outside("DoubleArray", index, size);
        }
    }

    /**
     * Loads one element.
     *
     * @param index 0 to size - 1
     * @return the value
     */
    public double get(int index) {
        try {
            return payload.getAtIndex(LAYOUT, index);
        } catch (IndexOutOfBoundsException e) {
            throw NativeMemory.outside("DoubleArray", index, size);
        }
    }

    /** Sets every element to zero. */
    @Override
    public void clear() {
        payload.fill((byte) 0);
    }

    /**
     * Sets every element.
     *
     * @param value the value
     */
    public void init(double value) {
        initialize(this, value);
    }

    @Override
    public int getElementSize() {
        return 8;
    }

    @Override
    public int getSize() {
        return size;
    }

    @Override
    public MemorySegment getSegment() {
        return payload;
    }

    @Override
    public MemorySegment getSegmentWithHeader() {
        return segment;
    }

    @Override
    public long getNumBytesOfSegmentWithHeader() {
        return segment.byteSize();
    }

    @Override
    public long getNumBytesOfSegment() {
        return payload.byteSize();
    }

    /**
     * Copies a range into a new array.
     *
     * @param offset first element
     * @param length number of elements
     * @return a new array
     * @throws IllegalArgumentException if the range leaves this array
     */
    public DoubleArray slice(int offset, int length) {
        return new DoubleArray(NativeMemory.slice("DoubleArray", payload, offset, length, 8));
    }
}
