package uk.ac.manchester.tornado.api.types.common;

import java.io.Serializable;
import java.nio.Buffer;

/**
 * A value made of several primitive elements.
 *
 * @param <T> buffer of the elements
 */
public interface PrimitiveStorage<T extends Buffer> extends Serializable {
    /**
     * Loads all elements.
     *
     * @param buffer their source
     */
    void loadFromBuffer(T buffer);

    /**
     * The elements.
     *
     * @return a buffer over them
     */
    T asBuffer();

    /**
     * Number of elements.
     *
     * @return number of elements
     */
    int size();
}
