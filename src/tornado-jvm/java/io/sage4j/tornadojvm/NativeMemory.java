package io.sage4j.tornadojvm;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.Buffer;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/** Memory of the off-heap arrays: layout, allocation, copies, and the words of their errors. */
public final class NativeMemory {
    /** Bytes before the first element of every off-heap array. */
    public static final long HEADER = Long.getLong("tornado.panama.objectHeader", 16);

    private NativeMemory() {}

    /**
     * Zeroed memory for an array, freed by the garbage collector.
     *
     * @param type array class, for messages
     * @param elements number of elements
     * @param elementSize bytes of one element
     * @return header and elements
     */
    public static MemorySegment allocate(String type, long elements, int elementSize) {
        if (elements < 0 || elements > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(type + ": " + elements + " elements, expected 0 to 2147483647");
        }
        return Arena.ofAuto().allocate(HEADER + elements * elementSize, 16);
    }

    /**
     * Writes the number of elements into the header.
     *
     * @param type array class, for messages
     * @param segment header and elements
     * @param elementSize bytes of one element
     * @return the number of elements
     */
    public static int stampSize(String type, MemorySegment segment, int elementSize) {
        long elements = (segment.byteSize() - HEADER) / elementSize;
        segment.set(ValueLayout.JAVA_INT_UNALIGNED, 0, (int) elements);
        return (int) elements;
    }

    /**
     * Copies elements without header into new memory with one.
     *
     * @param type array class, for messages
     * @param elements the elements
     * @param elementSize bytes of one element
     * @return header and elements
     */
    public static MemorySegment copyOf(String type, MemorySegment elements, int elementSize) {
        long bytes = elements.byteSize();
        checkWhole(type, bytes, elementSize);
        MemorySegment copy = allocate(type, bytes / elementSize, elementSize);
        MemorySegment.copy(elements, 0, copy, HEADER, bytes);
        return copy;
    }

    /**
     * Copies what remains in a buffer.
     *
     * @param type array class, for messages
     * @param buffer the elements
     * @param elementSize bytes of one element
     * @return header and elements
     */
    public static MemorySegment copyOf(String type, Buffer buffer, int elementSize) {
        return copyOf(type, MemorySegment.ofBuffer(buffer), elementSize);
    }

    /**
     * Checks memory that an array is to wrap.
     *
     * @param type array class, for messages
     * @param segment header and elements
     * @param elementSize bytes of one element
     * @return the same segment
     */
    public static MemorySegment checkShallow(String type, MemorySegment segment, int elementSize) {
        if (!segment.isNative()) {
            throw new IllegalArgumentException(type + " wraps native memory only, this segment is on the Java heap");
        }
        if (segment.byteSize() < HEADER) {
            throw new IllegalArgumentException(
                    type + ": segment of " + segment.byteSize() + " bytes is shorter than the header of " + HEADER);
        }
        checkWhole(type, segment.byteSize() - HEADER, elementSize);
        if ((segment.byteSize() - HEADER) / elementSize > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(type + ": segment of " + segment.byteSize() + " bytes is too long");
        }
        return segment;
    }

    /**
     * Copies the elements of several arrays behind one another.
     *
     * @param type array class, for messages
     * @param elementSize bytes of one element
     * @param arrays the parts
     * @return header and elements
     */
    public static MemorySegment concat(String type, int elementSize, TornadoNativeArray... arrays) {
        long elements = 0;
        for (TornadoNativeArray array : arrays) {
            elements += array.getSize();
        }
        MemorySegment all = allocate(type, elements, elementSize);
        long offset = HEADER;
        for (TornadoNativeArray array : arrays) {
            long bytes = array.getNumBytesOfSegment();
            MemorySegment.copy(array.getSegment(), 0, all, offset, bytes);
            offset += bytes;
        }
        return all;
    }

    /**
     * Copies a range of elements.
     *
     * @param type array class, for messages
     * @param payload the elements
     * @param offset first element
     * @param length number of elements
     * @param elementSize bytes of one element
     * @return header and elements
     */
    public static MemorySegment slice(String type, MemorySegment payload, int offset, int length, int elementSize) {
        long size = payload.byteSize() / elementSize;
        if (offset < 0 || length < 0 || (long) offset + length > size) {
            throw new IllegalArgumentException(
                    type + ": slice of " + length + " elements from " + offset + " leaves an array of " + size);
        }
        return copyOf(type, payload.asSlice((long) offset * elementSize, (long) length * elementSize), elementSize);
    }

    /**
     * The error of an index outside an array.
     *
     * @param type array class
     * @param index the index
     * @param size number of elements
     * @return the exception, to be thrown
     */
    public static IndexOutOfBoundsException outside(String type, int index, int size) {
        return KernelFrames.withHiddenFrames(
                new IndexOutOfBoundsException("index " + index + " outside " + type + " of " + size + " elements"));
    }

    /**
     * Checks that two adjacent elements exist.
     *
     * @param type array class
     * @param index the first of them
     * @param size number of elements
     */
    public static void checkPair(String type, int index, int size) {
        if (index < 0 || index >= size - 1) {
            throw new IndexOutOfBoundsException(
                    "pair at index " + index + " outside " + type + " of " + size + " elements");
        }
    }

    /**
     * Checks the place of a half among bytes.
     *
     * @param byteIndex offset in bytes
     * @param size number of bytes
     */
    public static void checkHalfOffset(int byteIndex, int size) {
        if ((byteIndex & 1) != 0) {
            throw new IllegalArgumentException("a half lies on an even byte offset, not on " + byteIndex);
        }
        if (byteIndex < 0 || byteIndex >= size - 1) {
            throw new IndexOutOfBoundsException(
                    "half at byte " + byteIndex + " outside ByteArray of " + size + " elements");
        }
    }

    private static void checkWhole(String type, long bytes, int elementSize) {
        if (bytes % elementSize != 0) {
            throw new IllegalArgumentException(
                    type + ": " + bytes + " bytes are no whole number of elements of " + elementSize + " bytes");
        }
    }
}
