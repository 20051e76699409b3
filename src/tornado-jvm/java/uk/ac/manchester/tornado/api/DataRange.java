package uk.ac.manchester.tornado.api;

import uk.ac.manchester.tornado.api.exceptions.TornadoRuntimeException;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/** A range of an array, for partial transfers. */
public class DataRange {
    private final TornadoNativeArray array;
    private long firstElement;
    private long elements;
    private boolean materialized;

    /**
     * The whole of an array.
     *
     * @param tornadoArray the array
     */
    public DataRange(TornadoNativeArray tornadoArray) {
        array = tornadoArray;
        elements = tornadoArray.getSize();
    }

    /**
     * Sets the beginning.
     *
     * @param offset first element
     * @return this
     */
    public DataRange withOffset(long offset) {
        firstElement = offset;
        return this;
    }

    /**
     * Sets the length.
     *
     * @param size number of elements
     * @return this
     */
    public DataRange withSize(long size) {
        elements = size;
        return this;
    }

    /**
     * Beginning in memory, header included; after {@link #materialize}.
     *
     * @return offset in bytes
     */
    public long getOffset() {
        requireMaterialized();
        return TornadoNativeArray.ARRAY_HEADER + firstElement * array.getElementSize();
    }

    /**
     * Length in memory; after {@link #materialize}.
     *
     * @return number of bytes
     */
    public long getPartialSize() {
        requireMaterialized();
        return elements * array.getElementSize();
    }

    private void requireMaterialized() {
        if (!materialized) {
            throw new TornadoRuntimeException("DataRange: call materialize() first");
        }
    }

    /** Checks the range. */
    public void materialize() {
        if (firstElement < 0 || elements < 0 || elements > array.getSize() - firstElement) {
            throw new TornadoRuntimeException("DataRange of " + elements + " elements from " + firstElement
                    + " leaves an array of " + array.getSize());
        }
        materialized = true;
    }

    /**
     * The array.
     *
     * @return as given to the constructor
     */
    public TornadoNativeArray getArray() {
        return array;
    }
}
