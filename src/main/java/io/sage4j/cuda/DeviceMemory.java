package io.sage4j.cuda;

import io.sage4j.SageException;

/** Memory of a GPU, owned or a caller's. */
public final class DeviceMemory extends Handle {
    private enum Origin {
        PLAIN,
        POOL,
        CALLER
    }

    private final Origin origin;
    private final long bytes;
    /** The stream whose order it is freed in; null unless it is from the pool. */
    private final CudaStream stream;

    private DeviceMemory(CudaContext context, long address, long bytes, Origin origin, CudaStream stream) {
        super(context, "device memory of " + bytes + " bytes", address);
        this.origin = origin;
        this.bytes = bytes;
        this.stream = stream;
    }

    static DeviceMemory plain(CudaContext context, long address, long bytes) {
        return new DeviceMemory(context, address, bytes, Origin.PLAIN, null);
    }

    static DeviceMemory pooled(CudaContext context, long address, long bytes, CudaStream stream) {
        return new DeviceMemory(context, address, bytes, Origin.POOL, stream);
    }

    static DeviceMemory wrapped(CudaContext context, long address, long bytes) {
        return new DeviceMemory(context, address, bytes, Origin.CALLER, null);
    }

    /** Size. */
    public long bytes() {
        return bytes;
    }

    /** The CUdeviceptr. */
    public long address() {
        return use();
    }

    /** The address of a range in a context, after a check that the range lies inside. */
    long range(CudaContext used, long offset, long length) {
        long start = useIn(used);
        if (offset < 0 || length < 0 || offset > bytes - length) {
            throw new SageException(
                    "bytes " + offset + " to " + (offset + length) + " leave " + this + "; expected a range inside");
        }
        return start + offset;
    }

    @Override
    void free(long address) {
        String doing = "freeing " + this;
        // The driver frees pooled memory without a stream too; it then waits for the GPU.
        if (origin == Origin.POOL && !stream.isClosed()) {
            context().call(DriverFunction.MEM_FREE_ASYNC, doing, address, stream.use());
        } else if (origin != Origin.CALLER) {
            context().call(DriverFunction.MEM_FREE, doing, address);
        }
    }
}
