package io.sage4j.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.sage4j.SageException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * A kernel with its launch shape and arguments laid out in native memory and checked once, to be launched many times
 * without allocation. Addresses may be changed in between: the driver copies arguments when it launches. Not to be used
 * from several threads at once. What addresses point to is the caller's to keep.
 */
public final class PreparedLaunch {
    private final CudaFunction kernel;
    private final LaunchShape shape;
    private final MemorySegment config;
    private final MemorySegment values;
    private final MemorySegment pointers;

    /**
     * Lays it out in memory that lives as long as this.
     *
     * @param arguments one Integer, Long or Float a parameter, in order
     * @throws SageException if the kernel takes others (where the driver can tell)
     */
    public PreparedLaunch(CudaFunction kernel, LaunchShape shape, List<Object> arguments) {
        this.kernel = Handle.given(kernel, "kernel");
        this.shape = Handle.given(shape, "launch shape");
        Arena arena = Arena.ofAuto();
        config = shape.config(0, arena);
        values = arena.allocate(JAVA_LONG, Math.max(1, arguments.size()));
        pointers = arena.allocate(ADDRESS, Math.max(1, arguments.size()));
        List<Long> sizes = new ArrayList<>();
        for (int n = 0; n < arguments.size(); n++) {
            long at = (long) n * Long.BYTES;
            pointers.setAtIndex(ADDRESS, n, values.asSlice(at, Long.BYTES));
            Object argument = arguments.get(n);
            if (argument instanceof Long value) {
                values.set(JAVA_LONG, at, value);
                sizes.add((long) Long.BYTES);
            } else if (argument instanceof Integer value) {
                values.set(JAVA_INT, at, value);
                sizes.add((long) Integer.BYTES);
            } else if (argument instanceof Float value) {
                values.set(JAVA_FLOAT, at, value);
                sizes.add((long) Float.BYTES);
            } else {
                throw new SageException(
                        "argument " + n + " of " + kernel + " is " + argument + ", expected an Integer, Long or Float");
            }
        }
        kernel.check(sizes);
    }

    /** Changes a 64-bit argument. */
    public void setLong(int argument, long value) {
        values.setAtIndex(JAVA_LONG, argument, value);
    }

    CudaFunction kernel() {
        return kernel;
    }

    LaunchShape shape() {
        return shape;
    }

    /** The launch's CUlaunchConfig, for a stream. */
    MemorySegment config(long stream) {
        LaunchShape.setStream(config, stream);
        return config;
    }

    MemorySegment arguments() {
        return pointers;
    }
}
