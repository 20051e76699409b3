package uk.ac.manchester.tornado.api.types.arrays;

import io.sage4j.tornadojvm.NativeMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import uk.ac.manchester.tornado.api.types.FP8;

/** Off-heap array of 8-bit floats, E4M3 or E5M2 as the caller reads them; see {@link FP8}. */
public final class FP8Array extends TornadoNativeArray {
    private static final ValueLayout.OfByte LAYOUT = ValueLayout.JAVA_BYTE;

    private final MemorySegment segment;
    private final MemorySegment payload;
    private final int size;

    /**
     * Makes an array of zeros.
     *
     * @param numberOfElements number of elements
     */
    public FP8Array(int numberOfElements) {
        this(NativeMemory.allocate("FP8Array", numberOfElements, 1));
    }

    private FP8Array(MemorySegment withHeader) {
        segment = withHeader;
        payload = withHeader.asSlice(ARRAY_HEADER);
        size = NativeMemory.stampSize("FP8Array", segment, 1);
    }

    /**
     * Wraps a segment, header included, without copying it; the header is written.
     *
     * @param segment native memory: header, then elements
     * @return an array over that memory
     */
    public static FP8Array fromSegmentShallow(MemorySegment segment) {
        return new FP8Array(NativeMemory.checkShallow("FP8Array", segment, 1));
    }

    /**
     * Rounds floats into a new array.
     *
     * @param values the values
     * @return a new array
     */
    public static FP8Array fromFloatsE4M3(float... values) {
        FP8Array array = new FP8Array(values.length);
        for (int i = 0; i < values.length; i++) {
            array.setE4M3(i, values[i]);
        }
        return array;
    }

    /**
     * Rounds floats into a new array.
     *
     * @param values the values
     * @return a new array
     */
    public static FP8Array fromFloatsE5M2(float... values) {
        FP8Array array = new FP8Array(values.length);
        for (int i = 0; i < values.length; i++) {
            array.setE5M2(i, values[i]);
        }
        return array;
    }

    /**
     * Stores the raw bits of one element.
     *
     * @param index 0 to size - 1
     * @param value FP8 bits
     */
    public void set(int index, byte value) {
        try {
            payload.setAtIndex(LAYOUT, index, value);
        } catch (IndexOutOfBoundsException e) {
            throw NativeMemory.outside("FP8Array", index, size);
        }
    }

    /**
     * Loads the raw bits of one element.
     *
     * @param index 0 to size - 1
     * @return FP8 bits
     */
    public byte get(int index) {
        try {
            return payload.getAtIndex(LAYOUT, index);
        } catch (IndexOutOfBoundsException e) {
            throw NativeMemory.outside("FP8Array", index, size);
        }
    }

    /**
     * Loads one element as E4M3.
     *
     * @param index 0 to size - 1
     * @return the value
     */
    public float getE4M3(int index) {
        return FP8.e4m3ToFloat(get(index));
    }

    /**
     * Rounds to E4M3 and stores one element.
     *
     * @param index 0 to size - 1
     * @param value the value
     */
    public void setE4M3(int index, float value) {
        set(index, FP8.e4m3FromFloat(value));
    }

    /**
     * Loads one element as E5M2.
     *
     * @param index 0 to size - 1
     * @return the value
     */
    public float getE5M2(int index) {
        return FP8.e5m2ToFloat(get(index));
    }

    /**
     * Rounds to E5M2 and stores one element.
     *
     * @param index 0 to size - 1
     * @param value the value
     */
    public void setE5M2(int index, float value) {
        set(index, FP8.e5m2FromFloat(value));
    }

    /** Sets every element to zero. */
    @Override
    public void clear() {
        payload.fill((byte) 0);
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
}
