package uk.ac.manchester.tornado.api;

import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.LongArray;
import uk.ac.manchester.tornado.api.types.vectors.Half2;

/** What a kernel may ask of the device; see {@link KernelContext}. */
public interface ExecutionContext {
    /** Waits for the group; orders local memory. */
    void localBarrier();

    /** Waits for the group; orders global memory. */
    void globalBarrier();

    /**
     * Local array.
     *
     * @param size number of elements
     * @return the array of the group
     */
    int[] allocateIntLocalArray(int size);

    /**
     * Local array.
     *
     * @param size number of elements
     * @return the array of the group
     */
    long[] allocateLongLocalArray(int size);

    /**
     * Local array.
     *
     * @param size number of elements
     * @return the array of the group
     */
    float[] allocateFloatLocalArray(int size);

    /**
     * Local array.
     *
     * @param size number of elements
     * @return the array of the group
     */
    double[] allocateDoubleLocalArray(int size);

    /**
     * Local array.
     *
     * @param size number of elements
     * @return the array of the group
     */
    byte[] allocateByteLocalArray(int size);

    /**
     * Local array.
     *
     * @param size number of elements
     * @return the array of the group
     */
    HalfFloat[] allocateHalfFloatLocalArray(int size);

    /**
     * Local array.
     *
     * @param size number of elements
     * @return the array of the group
     */
    Half2[] allocateHalf2LocalArray(int size);

    /**
     * Atomic addition.
     *
     * @param array the array
     * @param index element
     * @param val summand
     */
    void atomicAdd(IntArray array, int index, int val);

    /**
     * Atomic addition.
     *
     * @param array the array
     * @param index element
     * @param val summand
     */
    void atomicAdd(int[] array, int index, int val);

    /**
     * Atomic addition.
     *
     * @param array the array
     * @param index element
     * @param val summand
     */
    void atomicAdd(LongArray array, int index, long val);

    /**
     * Atomic addition.
     *
     * @param array the array
     * @param index element
     * @param val summand
     */
    void atomicAdd(FloatArray array, int index, float val);

    /**
     * Atomic addition.
     *
     * @param array the array
     * @param index element
     * @param val summand
     */
    void atomicAdd(DoubleArray array, int index, double val);
}
