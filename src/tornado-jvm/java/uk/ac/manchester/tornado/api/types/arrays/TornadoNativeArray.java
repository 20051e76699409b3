package uk.ac.manchester.tornado.api.types.arrays;

import io.sage4j.tornadojvm.NativeMemory;
import java.lang.foreign.MemorySegment;

/**
 * An off-heap array: a header, whose first four bytes hold the number of elements, then the elements.
 *
 * <p>The memory is freed when nothing refers to it any more. An index outside the array, negative ones included,
 * throws {@link IndexOutOfBoundsException} and never reaches the header.
 */
public abstract class TornadoNativeArray {
    /** Bytes before the first element: 16 unless {@code -Dtornado.panama.objectHeader} says otherwise. */
    public static final long ARRAY_HEADER = NativeMemory.HEADER;

    /** For the array classes of this package. */
    public TornadoNativeArray() {}

    /**
     * Number of elements.
     *
     * @return number of elements
     */
    public abstract int getSize();

    /**
     * The elements without the header.
     *
     * @return the payload
     */
    public abstract MemorySegment getSegment();

    /**
     * Header and elements.
     *
     * @return all memory of this array
     */
    public abstract MemorySegment getSegmentWithHeader();

    /**
     * Bytes of header and elements.
     *
     * @return number of bytes
     */
    public abstract long getNumBytesOfSegmentWithHeader();

    /**
     * Bytes of the elements.
     *
     * @return number of bytes
     */
    public abstract long getNumBytesOfSegment();

    /** Sets every element to zero. */
    protected void clear() {
        getSegment().fill((byte) 0);
    }

    /**
     * Bytes of one element.
     *
     * @return number of bytes
     */
    public abstract int getElementSize();
}
