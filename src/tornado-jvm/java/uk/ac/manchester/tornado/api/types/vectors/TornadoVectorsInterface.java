package uk.ac.manchester.tornado.api.types.vectors;

import java.nio.Buffer;
import uk.ac.manchester.tornado.api.types.common.PrimitiveStorage;

/**
 * A short vector.
 *
 * @param <T> buffer of the elements
 */
public interface TornadoVectorsInterface<T extends Buffer> extends PrimitiveStorage<T> {
    /**
     * Size in bytes.
     *
     * @return number of bytes
     */
    long getNumBytes();
}
