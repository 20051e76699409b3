package uk.ac.manchester.tornado.api.common;

import uk.ac.manchester.tornado.api.TornadoTargetDevice;
import uk.ac.manchester.tornado.api.enums.TornadoDeviceType;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;

/** A device: here always this Java virtual machine. */
public interface TornadoDevice {
    /**
     * Short name.
     *
     * @return the name
     */
    String getDeviceName();

    /**
     * Longer name.
     *
     * @return one line
     */
    String getDescription();

    /**
     * What the device belongs to.
     *
     * @return the name
     */
    String getPlatformName();

    /**
     * Figures of the device.
     *
     * @return the figures
     */
    TornadoTargetDevice getPhysicalDevice();

    /**
     * Kind of device.
     *
     * @return the kind
     */
    TornadoDeviceType getDeviceType();

    /**
     * Largest buffer.
     *
     * @return number of bytes
     */
    long getMaxAllocMemory();

    /**
     * Memory of the device.
     *
     * @return number of bytes
     */
    long getMaxGlobalMemory();

    /**
     * Local memory of a group.
     *
     * @return number of bytes
     */
    long getDeviceLocalMemorySize();

    /**
     * Largest group in every dimension.
     *
     * @return three numbers
     */
    long[] getDeviceMaxWorkgroupDimensions();

    /**
     * Version of the device's kernel language.
     *
     * @return the version
     */
    String getDeviceOpenCLCVersion();

    /**
     * Everything about the device.
     *
     * @return text
     */
    Object getDeviceInfo();

    /**
     * Place of the backend.
     *
     * @return from 0
     */
    int getBackendIndex();

    /**
     * Processors of the host.
     *
     * @return their number
     */
    default int getAvailableProcessors() {
        return Runtime.getRuntime().availableProcessors();
    }

    /**
     * Kind of backend.
     *
     * @return the kind
     */
    TornadoVMBackendType getTornadoVMBackend();

    /**
     * Whether the device takes SPIR-V.
     *
     * @return true if so
     */
    boolean isSPIRVSupported();
}
