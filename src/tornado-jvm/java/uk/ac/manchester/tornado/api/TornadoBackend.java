package uk.ac.manchester.tornado.api;

import java.util.List;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoDeviceType;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;

/** A backend with its devices. */
public interface TornadoBackend {
    /**
     * The device that is used unless another is named.
     *
     * @return the device
     */
    TornadoDevice getDefaultDevice();

    /**
     * Chooses the default device.
     *
     * @param index its place
     */
    void setDefaultDevice(int index);

    /**
     * Number of devices.
     *
     * @return the number
     */
    int getNumDevices();

    /**
     * A device.
     *
     * @param index its place
     * @return the device
     */
    TornadoDevice getDevice(int index);

    /**
     * All devices.
     *
     * @return a list
     */
    List<TornadoDevice> getAllDevices();

    /**
     * Kind of the default device.
     *
     * @return the kind
     */
    TornadoDeviceType getTypeDefaultDevice();

    /**
     * Name of the backend.
     *
     * @return the name
     */
    String getName();

    /**
     * Number of platforms.
     *
     * @return the number
     */
    int getNumPlatforms();

    /**
     * Kind of backend.
     *
     * @return the kind
     */
    TornadoVMBackendType getBackendType();
}
