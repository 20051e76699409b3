package uk.ac.manchester.tornado.api;

/** Figures of a device. */
public interface TornadoTargetDevice {
    /**
     * Short name.
     *
     * @return the name
     */
    String getDeviceName();

    /**
     * Memory of the device.
     *
     * @return number of bytes
     */
    long getDeviceGlobalMemorySize();

    /**
     * Local memory of a group.
     *
     * @return number of bytes
     */
    long getDeviceLocalMemorySize();

    /**
     * Groups that run at once.
     *
     * @return their number
     */
    int getDeviceMaxComputeUnits();

    /**
     * Largest group in every dimension.
     *
     * @return three numbers
     */
    long[] getDeviceMaxWorkItemSizes();

    /**
     * Largest group.
     *
     * @return one number
     */
    long[] getDeviceMaxWorkGroupSize();

    /**
     * Largest group.
     *
     * @return number of work-items
     */
    int getMaxThreadsPerBlock();

    /**
     * Clock.
     *
     * @return MHz, 0 where not known
     */
    int getDeviceMaxClockFrequency();

    /**
     * Largest constant buffer.
     *
     * @return number of bytes
     */
    long getDeviceMaxConstantBufferSize();

    /**
     * Largest buffer.
     *
     * @return number of bytes
     */
    long getDeviceMaxAllocationSize();

    /**
     * Everything about the device.
     *
     * @return text
     */
    String getDeviceInfo();
}
