package uk.ac.manchester.tornado.api.types.arrays;

import io.sage4j.tornadojvm.NativeMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.vectors.Half2;

/** Off-heap array of IEEE halves. */
public final class HalfFloatArray extends TornadoNativeArray {
    private static final ValueLayout.OfShort LAYOUT = ValueLayout.JAVA_SHORT;

    private final MemorySegment segment;
    private final MemorySegment payload;
    private final int size;

    /**
     * Makes an array of zeros.
     *
     * @param numberOfElements number of elements
     */
    public HalfFloatArray(int numberOfElements) {
        this(NativeMemory.allocate("HalfFloatArray", numberOfElements, 2));
    }

    private HalfFloatArray(MemorySegment withHeader) {
        segment = withHeader;
        payload = withHeader.asSlice(ARRAY_HEADER);
        size = NativeMemory.stampSize("HalfFloatArray", segment, 2);
    }

    /**
     * Makes the concatenation of other arrays, copied.
     *
     * @param arrays the parts, in order
     */
    public HalfFloatArray(HalfFloatArray... arrays) {
        this(NativeMemory.concat("HalfFloatArray", 2, arrays));
    }

    /**
     * Copies a Java array.
     *
     * @param values the elements
     * @return a new array
     */
    public static HalfFloatArray fromArray(HalfFloat[] values) {
        HalfFloatArray array = new HalfFloatArray(values.length);
        for (int i = 0; i < values.length; i++) {
            array.set(i, values[i]);
        }
        return array;
    }

    /**
     * Copies the given elements.
     *
     * @param values the elements
     * @return a new array
     */
    public static HalfFloatArray fromElements(HalfFloat... values) {
        return fromArray(values);
    }

    /**
     * Copies a segment of elements without header.
     *
     * @param segment the elements, in native byte order
     * @return a new array
     */
    public static HalfFloatArray fromSegment(MemorySegment segment) {
        return new HalfFloatArray(NativeMemory.copyOf("HalfFloatArray", segment, 2));
    }

    /**
     * Wraps a segment, header included, without copying it; the header is written.
     *
     * @param segment native memory: header, then elements
     * @return an array over that memory
     */
    public static HalfFloatArray fromSegmentShallow(MemorySegment segment) {
        return new HalfFloatArray(NativeMemory.checkShallow("HalfFloatArray", segment, 2));
    }

    /**
     * Sets every element; may be used as a task.
     *
     * @param array the array
     * @param value the value
     */
    public static void initialize(HalfFloatArray array, HalfFloat value) {
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
    public static HalfFloatArray concat(HalfFloatArray... arrays) {
        return new HalfFloatArray(arrays);
    }

    /**
     * Copies the elements to the Java heap.
     *
     * @return a new Java array
     */
    public HalfFloat[] toHeapArray() {
        HalfFloat[] values = new HalfFloat[size];
        for (int i = 0; i < size; i++) {
            values[i] = get(i);
        }
        return values;
    }

    /**
     * Copies the raw bits to the Java heap.
     *
     * @return IEEE half bits
     */
    public short[] toShortArray() {
        return payload.toArray(LAYOUT);
    }

    /**
     * Stores one element.
     *
     * @param index 0 to size - 1
     * @param value the value
     */
    public void set(int index, HalfFloat value) {
        try {
            payload.setAtIndex(LAYOUT, index, value.getHalfFloatValue());
        } catch (IndexOutOfBoundsException e) {
            throw NativeMemory.outside("HalfFloatArray", index, size);
        }
    }

    /**
     * Loads one element.
     *
     * @param index 0 to size - 1
     * @return the value
     */
    public HalfFloat get(int index) {
        try {
            return new HalfFloat(payload.getAtIndex(LAYOUT, index));
        } catch (IndexOutOfBoundsException e) {
            throw NativeMemory.outside("HalfFloatArray", index, size);
        }
    }

    /**
     * Loads two adjacent elements.
     *
     * @param index the first of them
     * @return elements {@code index} and {@code index + 1}
     */
    public Half2 getHalf2(int index) {
        NativeMemory.checkPair("HalfFloatArray", index, size);
        return new Half2(get(index), get(index + 1));
    }

    /**
     * Stores two adjacent elements.
     *
     * @param index the first of them
     * @param value elements {@code index} and {@code index + 1}
     */
    public void setHalf2(int index, Half2 value) {
        NativeMemory.checkPair("HalfFloatArray", index, size);
        set(index, value.getX());
        set(index + 1, value.getY());
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
    public void init(HalfFloat value) {
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
    public HalfFloatArray slice(int offset, int length) {
        return new HalfFloatArray(NativeMemory.slice("HalfFloatArray", payload, offset, length, 2));
    }
}
