package uk.ac.manchester.tornado.api.types.arrays;

import io.sage4j.tornadojvm.NativeMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.IntBuffer;

/** Off-heap array of {@code int}: a header of {@link #ARRAY_HEADER} bytes, then the elements. */
public final class IntArray extends TornadoNativeArray {
    private static final ValueLayout.OfInt LAYOUT = ValueLayout.JAVA_INT;

    private final MemorySegment segment;
    private final MemorySegment payload;
    private final int size;

    /**
     * Makes an array of zeros.
     *
     * @param numberOfElements number of elements
     */
    public IntArray(int numberOfElements) {
        this(NativeMemory.allocate("IntArray", numberOfElements, 4));
    }

    /**
     * Makes the concatenation of other arrays, copied.
     *
     * @param arrays the parts, in order
     */
    public IntArray(IntArray... arrays) {
        this(NativeMemory.concat("IntArray", 4, arrays));
    }

    private IntArray(MemorySegment withHeader) {
        segment = withHeader;
        payload = withHeader.asSlice(ARRAY_HEADER);
        size = NativeMemory.stampSize("IntArray", segment, 4);
    }

    /**
     * Copies a Java array.
     *
     * @param values the elements
     * @return a new array
     */
    public static IntArray fromArray(int[] values) {
        return fromSegment(MemorySegment.ofArray(values));
    }

    /**
     * Copies the given elements.
     *
     * @param values the elements
     * @return a new array
     */
    public static IntArray fromElements(int... values) {
        return fromSegment(MemorySegment.ofArray(values));
    }

    /**
     * Copies a segment of elements without header.
     *
     * @param segment the elements, in native byte order
     * @return a new array
     */
    public static IntArray fromSegment(MemorySegment segment) {
        return new IntArray(NativeMemory.copyOf("IntArray", segment, 4));
    }

    /**
     * Wraps a segment, header included, without copying it; the header is written.
     *
     * @param segment native memory: header, then elements
     * @return an array over that memory
     */
    public static IntArray fromSegmentShallow(MemorySegment segment) {
        return new IntArray(NativeMemory.checkShallow("IntArray", segment, 4));
    }

    /**
     * Copies what remains in a buffer; its position stays.
     *
     * @param buffer the elements
     * @return a new array
     */
    public static IntArray fromIntBuffer(IntBuffer buffer) {
        return new IntArray(NativeMemory.copyOf("IntArray", buffer, 4));
    }

    /**
     * Sets every element; may be used as a task.
     *
     * @param array the array
     * @param value the value
     */
    public static void initialize(IntArray array, int value) {
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
    public static IntArray concat(IntArray... arrays) {
        return new IntArray(arrays);
    }

    /**
     * Copies the elements to the Java heap.
     *
     * @return a new Java array
     */
    public int[] toHeapArray() {
        return payload.toArray(LAYOUT);
    }

    /**
     * Stores one element.
     *
     * @param index 0 to size - 1
     * @param value the value
     */
    public void set(int index, int value) {
        try {
            payload.setAtIndex(LAYOUT, index, value);
        } catch (IndexOutOfBoundsException e) {
            throw NativeMemory.outside("IntArray", index, size);
        }
    }

    /**
     * Loads one element.
     *
     * @param index 0 to size - 1
     * @return the value
     */
    public int get(int index) {
        try {
            return payload.getAtIndex(LAYOUT, index);
        } catch (IndexOutOfBoundsException e) {
            throw NativeMemory.outside("IntArray", index, size);
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
    public void init(int value) {
        initialize(this, value);
    }

    @Override
    public int getElementSize() {
        return 4;
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
    public IntArray slice(int offset, int length) {
        return new IntArray(NativeMemory.slice("IntArray", payload, offset, length, 4));
    }
}
