package uk.ac.manchester.tornado.api.types.arrays;

import io.sage4j.tornadojvm.NativeMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import uk.ac.manchester.tornado.api.types.BFloat16;

/** Off-heap array of bfloat16 bits; see {@link BFloat16}. */
public final class BFloat16Array extends TornadoNativeArray {
    private static final ValueLayout.OfShort LAYOUT = ValueLayout.JAVA_SHORT;

    private final MemorySegment segment;
    private final MemorySegment payload;
    private final int size;

    /**
     * Makes an array of zeros.
     *
     * @param numberOfElements number of elements
     */
    public BFloat16Array(int numberOfElements) {
        this(NativeMemory.allocate("BFloat16Array", numberOfElements, 2));
    }

    private BFloat16Array(MemorySegment withHeader) {
        segment = withHeader;
        payload = withHeader.asSlice(ARRAY_HEADER);
        size = NativeMemory.stampSize("BFloat16Array", segment, 2);
    }

    /**
     * Makes the concatenation of other arrays, copied.
     *
     * @param arrays the parts, in order
     */
    public BFloat16Array(BFloat16Array... arrays) {
        this(NativeMemory.concat("BFloat16Array", 2, arrays));
    }

    /**
     * Copies raw bits.
     *
     * @param values bfloat16 bits
     * @return a new array
     */
    public static BFloat16Array fromShorts(short... values) {
        return fromSegment(MemorySegment.ofArray(values));
    }

    /**
     * Rounds floats into a new array.
     *
     * @param values the values
     * @return a new array
     */
    public static BFloat16Array fromFloats(float... values) {
        BFloat16Array array = new BFloat16Array(values.length);
        for (int i = 0; i < values.length; i++) {
            array.setFloat(i, values[i]);
        }
        return array;
    }

    /**
     * Copies a segment of elements without header.
     *
     * @param segment the elements, in native byte order
     * @return a new array
     */
    public static BFloat16Array fromSegment(MemorySegment segment) {
        return new BFloat16Array(NativeMemory.copyOf("BFloat16Array", segment, 2));
    }

    /**
     * Wraps a segment, header included, without copying it; the header is written.
     *
     * @param segment native memory: header, then elements
     * @return an array over that memory
     */
    public static BFloat16Array fromSegmentShallow(MemorySegment segment) {
        return new BFloat16Array(NativeMemory.checkShallow("BFloat16Array", segment, 2));
    }

    /**
     * Concatenates arrays into a new one.
     *
     * @param arrays the parts, in order
     * @return a new array
     */
    public static BFloat16Array concat(BFloat16Array... arrays) {
        return new BFloat16Array(arrays);
    }

    /**
     * Sets every element; may be used as a task.
     *
     * @param array the array
     * @param value bfloat16 bits
     */
    public static void initialize(BFloat16Array array, short value) {
        for (int i = 0; i < array.getSize(); i++) {
            array.set(i, value);
        }
    }

    /**
     * Copies the raw bits to the Java heap.
     *
     * @return bfloat16 bits
     */
    public short[] toShortArray() {
        return payload.toArray(LAYOUT);
    }

    /**
     * Stores the raw bits of one element.
     *
     * @param index 0 to size - 1
     * @param value bfloat16 bits
     */
    public void set(int index, short value) {
        try {
            payload.setAtIndex(LAYOUT, index, value);
        } catch (IndexOutOfBoundsException e) {
            throw NativeMemory.outside("BFloat16Array", index, size);
        }
    }

    /**
     * Loads the raw bits of one element.
     *
     * @param index 0 to size - 1
     * @return bfloat16 bits
     */
    public short get(int index) {
        try {
            return payload.getAtIndex(LAYOUT, index);
        } catch (IndexOutOfBoundsException e) {
            throw NativeMemory.outside("BFloat16Array", index, size);
        }
    }

    /**
     * Rounds to bfloat16 and stores one element.
     *
     * @param index 0 to size - 1
     * @param value the value
     */
    public void setFloat(int index, float value) {
        set(index, BFloat16.bf16FromFloat(value));
    }

    /**
     * Loads one element.
     *
     * @param index 0 to size - 1
     * @return the value
     */
    public float getFloat(int index) {
        return BFloat16.bf16ToFloat(get(index));
    }

    /** Sets every element to zero. */
    @Override
    public void clear() {
        payload.fill((byte) 0);
    }

    /**
     * Sets every element.
     *
     * @param value bfloat16 bits
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
    public BFloat16Array slice(int offset, int length) {
        return new BFloat16Array(NativeMemory.slice("BFloat16Array", payload, offset, length, 2));
    }
}
