package uk.ac.manchester.tornado.api.types.arrays;

import io.sage4j.tornadojvm.NativeMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import uk.ac.manchester.tornado.api.types.HalfFloat;

/** Off-heap array of {@code byte}: a header of {@link #ARRAY_HEADER} bytes, then the elements. */
public final class ByteArray extends TornadoNativeArray {
    private static final ValueLayout.OfByte LAYOUT = ValueLayout.JAVA_BYTE;

    private final MemorySegment segment;
    private final MemorySegment payload;
    private final int size;

    /**
     * Makes an array of zeros.
     *
     * @param numberOfElements number of elements
     */
    public ByteArray(int numberOfElements) {
        this(NativeMemory.allocate("ByteArray", numberOfElements, 1));
    }

    /**
     * Makes the concatenation of other arrays, copied.
     *
     * @param arrays the parts, in order
     */
    public ByteArray(ByteArray... arrays) {
        this(NativeMemory.concat("ByteArray", 1, arrays));
    }

    private ByteArray(MemorySegment withHeader) {
        segment = withHeader;
        payload = withHeader.asSlice(ARRAY_HEADER);
        size = NativeMemory.stampSize("ByteArray", segment, 1);
    }

    /**
     * Copies a Java array.
     *
     * @param values the elements
     * @return a new array
     */
    public static ByteArray fromArray(byte[] values) {
        return fromSegment(MemorySegment.ofArray(values));
    }

    /**
     * Copies the given elements.
     *
     * @param values the elements
     * @return a new array
     */
    public static ByteArray fromElements(byte... values) {
        return fromSegment(MemorySegment.ofArray(values));
    }

    /**
     * Copies a segment of elements without header.
     *
     * @param segment the elements, in native byte order
     * @return a new array
     */
    public static ByteArray fromSegment(MemorySegment segment) {
        return new ByteArray(NativeMemory.copyOf("ByteArray", segment, 1));
    }

    /**
     * Wraps a segment, header included, without copying it; the header is written.
     *
     * @param segment native memory: header, then elements
     * @return an array over that memory
     */
    public static ByteArray fromSegmentShallow(MemorySegment segment) {
        return new ByteArray(NativeMemory.checkShallow("ByteArray", segment, 1));
    }

    /**
     * Copies what remains in a buffer; its position stays.
     *
     * @param buffer the elements
     * @return a new array
     */
    public static ByteArray fromByteBuffer(ByteBuffer buffer) {
        return new ByteArray(NativeMemory.copyOf("ByteArray", buffer, 1));
    }

    /**
     * Sets every element; may be used as a task.
     *
     * @param array the array
     * @param value the value
     */
    public static void initialize(ByteArray array, byte value) {
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
    public static ByteArray concat(ByteArray... arrays) {
        return new ByteArray(arrays);
    }

    /**
     * Copies the elements to the Java heap.
     *
     * @return a new Java array
     */
    public byte[] toHeapArray() {
        return payload.toArray(LAYOUT);
    }

    /**
     * Stores one element.
     *
     * @param index 0 to size - 1
     * @param value the value
     */
    public void set(int index, byte value) {
        try {
            payload.setAtIndex(LAYOUT, index, value);
        } catch (IndexOutOfBoundsException e) {
            throw NativeMemory.outside("ByteArray", index, size);
        }
    }

    /**
     * Loads one element.
     *
     * @param index 0 to size - 1
     * @return the value
     */
    public byte get(int index) {
        try {
            return payload.getAtIndex(LAYOUT, index);
        } catch (IndexOutOfBoundsException e) {
            throw NativeMemory.outside("ByteArray", index, size);
        }
    }

    /**
     * Stores a half at a byte offset.
     *
     * @param byteIndex even offset in bytes
     * @param value the value
     */
    public void setHalfFloat(int byteIndex, HalfFloat value) {
        NativeMemory.checkHalfOffset(byteIndex, size);
        payload.set(ValueLayout.JAVA_SHORT, byteIndex, value.getHalfFloatValue());
    }

    /**
     * Loads a half from a byte offset.
     *
     * @param byteIndex even offset in bytes
     * @return the value
     */
    public HalfFloat getHalfFloat(int byteIndex) {
        NativeMemory.checkHalfOffset(byteIndex, size);
        return new HalfFloat(payload.get(ValueLayout.JAVA_SHORT, byteIndex));
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
    public void init(byte value) {
        initialize(this, value);
    }

    @Override
    public int getElementSize() {
        return 1;
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
    public ByteArray slice(int offset, int length) {
        return new ByteArray(NativeMemory.slice("ByteArray", payload, offset, length, 1));
    }
}
