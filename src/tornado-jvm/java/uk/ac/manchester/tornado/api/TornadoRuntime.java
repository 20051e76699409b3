package uk.ac.manchester.tornado.api;

import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;

/** The runtime: its backends. */
public interface TornadoRuntime {
    /**
     * A backend.
     *
     * @param index its place
     * @return the backend
     */
    TornadoBackend getBackend(int index);

    /**
     * Kind of a backend.
     *
     * @param index its place
     * @return the kind
     */
    TornadoVMBackendType getBackendType(int index);

    /**
     * Number of backends.
     *
     * @return the number
     */
    int getNumBackends();

    /**
     * The device that is used unless another is named.
     *
     * @return the device
     */
    TornadoDevice getDefaultDevice();
}
