package io.sage4j.backend;

import io.sage4j.DType;
import io.sage4j.SageException;
import io.sage4j.Tensor;
import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaStream;
import io.sage4j.cuda.DeviceMemory;
import java.util.Map;
import java.util.concurrent.ConcurrentNavigableMap;
import java.util.concurrent.ConcurrentSkipListMap;

/** Tensors in a GPU's memory that sage4j allocated. */
final class CudaTensors {
    private final CudaContext context;
    /** By where they start. */
    private final ConcurrentNavigableMap<Long, DeviceMemory> owned = new ConcurrentSkipListMap<>();

    CudaTensors(CudaContext context) {
        this.context = context;
    }

    Tensor allocate(DType dtype, long... shape) {
        // What is no shape is refused before anything is allocated.
        long bytes = Tensor.ofDevice(CudaPlan.ALIGNMENT, dtype, shape).size() * dtype.bytes();
        DeviceMemory memory = context.allocate(Math.max(1, bytes));
        owned.put(memory.address(), memory);
        return Tensor.ofDevice(memory.address(), context.device().ordinal(), dtype, shape);
    }

    /** Whether all that a tensor spans is memory of one that was allocated here and not freed: the driver need not be asked then. */
    boolean contain(Tensor tensor) {
        Map.Entry<Long, DeviceMemory> below = owned.floorEntry(tensor.address());
        return below != null
                && tensor.address() + bytes(tensor)
                        <= below.getKey() + below.getValue().bytes();
    }

    /** Bytes from the first element of a tensor to behind the last one. */
    static long bytes(Tensor tensor) {
        return tensor.span() * tensor.dtype().bytes();
    }

    void free(Tensor tensor) {
        DeviceMemory memory = tensor.isOnDevice() ? owned.remove(tensor.address()) : null;
        if (memory == null) {
            throw new SageException(tensor + " was not allocated by this Sage, or was freed already");
        }
        memory.close();
    }

    /** Sets the elements, and nothing between them, to zero. */
    void zero(Tensor t, CudaStream stream) {
        long unit = t.dtype().bytes();
        if (t.size() == 0) {
            return;
        }
        try (DeviceMemory memory = context.wrapMemory(t.address(), t.span() * unit)) {
            if (t.span() == t.size()) {
                stream.fill(memory, 0, t.size() * unit, (byte) 0);
                return;
            }
            for (long i = 0; i < t.size(0); i++) {
                for (long j = 0; j < t.size(1); j++) {
                    for (long n = 0; n < t.size(2); n++) {
                        long row = i * t.stride(0) + j * t.stride(1) + n * t.stride(2);
                        stream.fill(memory, row * unit, t.size(3) * unit, (byte) 0);
                    }
                }
            }
        }
    }
}
