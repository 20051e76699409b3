package io.sage4j.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.sage4j.SageException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A GPU. Holds nothing that would have to be closed. */
public final class CudaDevice {
    private static final int LONGEST_NAME = 256;

    private final CudaDriver driver;
    private final int ordinal;
    private final int raw;

    CudaDevice(CudaDriver driver, int ordinal, int raw) {
        this.driver = driver;
        this.ordinal = ordinal;
        this.raw = raw;
    }

    /** An attribute's value. */
    public int attribute(DeviceAttribute attribute) {
        Handle.given(attribute, "attribute");
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_INT);
            driver.call(
                    DriverFunction.DEVICE_GET_ATTRIBUTE,
                    "asking " + this + " for " + attribute,
                    out,
                    attribute.code(),
                    raw);
            return out.get(JAVA_INT, 0);
        }
    }

    /** Name, compute capability and sizes. */
    public DeviceInfo info() {
        return new DeviceInfo(
                ordinal,
                name(),
                attribute(DeviceAttribute.COMPUTE_MAJOR),
                attribute(DeviceAttribute.COMPUTE_MINOR),
                attribute(DeviceAttribute.MULTIPROCESSORS),
                driver.create(DriverFunction.DEVICE_TOTAL_MEM, "asking " + this + " for its memory", raw),
                attribute(DeviceAttribute.L2_BYTES),
                attribute(DeviceAttribute.SHARED_BYTES_PER_BLOCK));
    }

    private String name() {
        try (Arena arena = Arena.ofConfined()) {
            // One byte more than the driver may write: there is always an end.
            MemorySegment out = arena.allocate(LONGEST_NAME + 1);
            driver.call(DriverFunction.DEVICE_GET_NAME, "asking " + this + " for its name", out, LONGEST_NAME, raw);
            return out.getString(0);
        }
    }

    /** Retains the primary context, which all of this process share; closing it releases it. */
    public CudaContext retainContext() {
        boolean pooled = attribute(DeviceAttribute.MEMORY_POOLS) == 1;
        long context = driver.create(DriverFunction.PRIMARY_CONTEXT_RETAIN, "opening the context of " + this, raw);
        CudaContext opened = new CudaContext(driver, this, context, true);
        if (pooled) {
            try {
                opened.makePool(ordinal);
            } catch (RuntimeException | Error e) {
                opened.close();
                throw e;
            }
        }
        return opened;
    }

    /**
     * A context of the caller's on this GPU, such as another runtime's. Closing it frees what was made through it and leaves
     * the context alone.
     *
     * @param handle the CUcontext, not 0
     */
    public CudaContext wrapContext(long handle) {
        if (handle == 0) {
            throw new SageException("context is 0, expected one of " + this);
        }
        return new CudaContext(driver, this, handle, false);
    }

    /** Number among the driver's GPUs. */
    public int ordinal() {
        return ordinal;
    }

    void releaseContext() {
        driver.call(DriverFunction.PRIMARY_CONTEXT_RELEASE, "closing the context of " + this, raw);
    }

    @Override
    public String toString() {
        return "GPU " + ordinal;
    }
}
