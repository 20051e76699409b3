package io.sage4j.plan;

import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Kernel;
import java.util.List;
import java.util.function.Supplier;

/** Where {@link NativeAttention} runs: a stream of a GPU, or the interpreter. */
public interface NativeDevice {
    /** Target of the kernels. */
    Arch arch();

    /** Multiprocessors. */
    int multiprocessors();

    /** Size of the cache that all multiprocessors share. */
    long cacheBytes();

    /** Address of device memory, aligned to 256 bytes, that lives until the program has run. */
    long allocate(long bytes);

    /**
     * Address of device memory, aligned to 256 bytes, that is 0 before the program runs for the first time, and that nothing but
     * its runs writes, one after the other; 0 if memory lives for one run only.
     */
    default long allocateKept(long bytes) {
        return 0;
    }

    /**
     * Starts a kernel behind those started before.
     *
     * @param step name of the step
     * @param key equal for equal kernels
     * @param kernel generates the kernel; not called if the device has it already
     * @param gridX CTAs in the first dimension
     * @param gridY CTAs in the second dimension
     * @param gridZ CTAs in the third dimension
     * @param overlapping whether its CTAs may start before the kernel before it has ended ({@link
     *     io.sage4j.ptx.GridDependency}): it waits itself for what it needs of that one
     * @param arguments one Integer, Long or Float a parameter, in order
     */
    void launch(
            String step,
            Object key,
            Supplier<Kernel> kernel,
            int gridX,
            int gridY,
            int gridZ,
            boolean overlapping,
            List<Object> arguments);
}
