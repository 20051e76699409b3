package uk.ac.manchester.tornado.api.types.arrays;

import io.sage4j.tornadojvm.NativeMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ShortBuffer;

/** Off-heap array of {@code short}: a header of {@link #ARRAY_HEADER} bytes, then the elements. */
public final class ShortArray extends TornadoNativeArray {
    private static final ValueLayout.OfShort LAYOUT = ValueLayout.JAVA_SHORT;

    private final MemorySegment segment;
    private final MemorySegment payload;
    private final int size;

    /**
     * Makes an array of zeros.
     *
     * @param numberOfElements number of elements
     */
    public ShortArray(int numberOfElements) {
        this(NativeMemory.allocate("ShortArray", numberOfElements, 2));
    }

    /**
     * Makes the concatenation of other arrays, copied.
     *
     * @param arrays the parts, in order
     */
    public ShortArray(ShortArray... arrays) {
        this(NativeMemory.concat("ShortArray", 2, arrays));
    }

    private ShortArray(MemorySegment withHeader) {
        segment = withHeader;
        payload = withHeader.asSlice(ARRAY_HEADER);
        size = NativeMemory.stampSize("ShortArray", segment, 2);
    }

    /**
     * Copies a Java array.
     *
     * @param values the elements
     * @return a new array
     */
    public static ShortArray fromArray(short[] values) {
        return fromSegment(MemorySegment.ofArray(values));
    }

    /**
     * Copies the given elements.
     *
     * @param values the elements
     * @return a new array
     */
    public static ShortArray fromElements(short... values) {
        return fromSegment(MemorySegment.ofArray(values));
    }

    /**
     * Copies a segment of elements without header.
     *
     * @param segment the elements, in native byte order
     * @return a new array
     */
    public static ShortArray fromSegment(MemorySegment segment) {
        return new ShortArray(NativeMemory.copyOf("ShortArray", segment, 2));
    }

    /**
     * Wraps a segment, header included, without copying it; the header is written.
     *
     * @param segment native memory: header, then elements
     * @return an array over that memory
     */
    public static ShortArray fromSegmentShallow(MemorySegment segment) {
        return new ShortArray(NativeMemory.checkShallow("ShortArray", segment, 2));
    }

    /**
     * Copies what remains in a buffer; its position stays.
     *
     * @param buffer the elements
     * @return a new array
     */
    public static ShortArray fromShortBuffer(ShortBuffer buffer) {
        return new ShortArray(NativeMemory.copyOf("ShortArray", buffer, 2));
    }

    /**
     * Sets every element; may be used as a task.
     *
     * @param array the array
     * @param value the value
     */
    public static void initialize(ShortArray array, short value) {
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
    public static ShortArray concat(ShortArray... arrays) {
        return new ShortArray(arrays);
    }

    /**
     * Copies the elements to the Java heap.
     *
     * @return a new Java array
     */
    public short[] toHeapArray() {
        return payload.toArray(LAYOUT);
    }

    /**
     * Stores one element.
     *
     * @param index 0 to size - 1
     * @param value the value
     */
    public void set(int index, short value) {
        try {
            payload.setAtIndex(LAYOUT, index, value);
        } catch (IndexOutOfBoundsException e) {
            throw NativeMemory.outside("ShortArray", index, size);
        }
    }

    /**
     * Loads one element.
     *
     * @param index 0 to size - 1
     * @return the value
     */
    public short get(int index) {
        try {
            return payload.getAtIndex(LAYOUT, index);
        } catch (IndexOutOfBoundsException e) {
            throw NativeMemory.outside("ShortArray", index, size);
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
    public void init(short value) {
        initialize(this, value);
    }

    @Override
    public int getElementSize() {
        return 2;
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
    public ShortArray slice(int offset, int length) {
        return new ShortArray(NativeMemory.slice("ShortArray", payload, offset, length, 2));
    }
}
