package uk.ac.manchester.tornado.api.profiler;

/** Times, in nanoseconds, and sizes, in bytes, of an execution. */
public interface ProfilerInterface {
    /**
     * Time of everything.
     *
     * @return the figure
     */
    long getTotalTime();

    /**
     * Time of compiling kernels.
     *
     * @return the figure
     */
    long getCompileTime();

    /**
     * Time of generating kernel code.
     *
     * @return the figure
     */
    long getTornadoCompilerTime();

    /**
     * Time of the driver's compiler.
     *
     * @return the figure
     */
    long getDriverInstallTime();

    /**
     * Time of all transfers.
     *
     * @return the figure
     */
    long getDataTransfersTime();

    /**
     * Time of transfers to the device.
     *
     * @return the figure
     */
    long getDeviceWriteTime();

    /**
     * Time of transfers from the device.
     *
     * @return the figure
     */
    long getDeviceReadTime();

    /**
     * Time of starting transfers.
     *
     * @return the figure
     */
    long getDataTransferDispatchTime();

    /**
     * Time of starting kernels.
     *
     * @return the figure
     */
    long getKernelDispatchTime();

    /**
     * Time of all kernels.
     *
     * @return the figure
     */
    long getDeviceKernelTime();

    /**
     * Everything as JSON.
     *
     * @return the figure
     */
    String getProfileLog();

    /**
     * Bytes sent to the device.
     *
     * @return the figure
     */
    long getTotalBytesCopyIn();

    /**
     * Bytes received from the device.
     *
     * @return the figure
     */
    long getTotalBytesCopyOut();

    /**
     * Bytes in both directions.
     *
     * @return the figure
     */
    long getTotalBytesTransferred();

    /**
     * Bytes of device memory.
     *
     * @return the figure
     */
    long getTotalDeviceMemoryUsage();
}
