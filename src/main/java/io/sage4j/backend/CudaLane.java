package io.sage4j.backend;

import io.sage4j.AttentionResult.StepTime;
import io.sage4j.Layout;
import io.sage4j.Tensor;
import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaEvent;
import io.sage4j.cuda.CudaStream;
import io.sage4j.cuda.DeviceMemory;
import io.sage4j.cuda.KernelArguments;
import io.sage4j.cuda.LaunchShape;
import io.sage4j.cuda.LaunchShape.Extent;
import io.sage4j.cuda.PinnedMemory;
import io.sage4j.plan.NativeAttention.Placed;
import io.sage4j.plan.NativeDevice;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Kernel;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/**
 * What one call at a time runs on: a stream, events between the steps, and pinned memory for the copies. Device memory
 * that it gives is freed by {@link #reset}.
 */
final class CudaLane implements NativeDevice {
    /** Pinned memory grows in such steps, so that similar calls do not allocate it anew. */
    private static final long PINNED_UNIT = 1 << 20;

    private final CudaBackend backend;
    private final CudaContext context;
    private final CudaStream stream;
    private final List<DeviceMemory> memory = new ArrayList<>();
    private final List<CudaEvent> events = new ArrayList<>();
    private final List<String> steps = new ArrayList<>();
    private final List<PinnedMemory> pinned = new ArrayList<>();
    private int marks;
    private int pinnedUsed;

    CudaLane(CudaBackend backend, CudaContext context) {
        this.backend = backend;
        this.context = context;
        stream = context.newStream();
    }

    @Override
    public Arch arch() {
        return backend.arch();
    }

    @Override
    public int multiprocessors() {
        return backend.info().multiprocessors();
    }

    @Override
    public long cacheBytes() {
        return backend.info().l2Bytes();
    }

    @Override
    public long allocate(long bytes) {
        return memory(bytes).address();
    }

    /** Device memory until {@link #reset}. */
    DeviceMemory memory(long bytes) {
        DeviceMemory allocated = context.allocate(Math.max(1, bytes), stream);
        memory.add(allocated);
        return allocated;
    }

    /** Pinned memory until {@link #reset}, kept for later calls. */
    private MemorySegment pinned(long bytes) {
        if (pinnedUsed < pinned.size() && pinned.get(pinnedUsed).segment().byteSize() < bytes) {
            pinned.remove(pinnedUsed).close();
        } else if (pinnedUsed < pinned.size()) {
            return pinned.get(pinnedUsed++).segment().asSlice(0, bytes);
        }
        pinned.add(pinnedUsed, context.allocatePinned(Math.ceilDiv(Math.max(1, bytes), PINNED_UNIT) * PINNED_UNIT));
        return pinned.get(pinnedUsed++).segment().asSlice(0, bytes);
    }

    /** A tensor copied to the GPU. */
    Placed upload(Tensor t, Layout layout) {
        long bytes = Staging.stagedBytes(t);
        DeviceMemory to = memory(bytes);
        MemorySegment host = pinned(bytes);
        Staging.copyIn(t, layout, host);
        stream.upload(host, to, 0);
        return placed(to, t, layout);
    }

    /** Where kernels find the elements of a staged tensor. */
    static Placed placed(DeviceMemory memory, Tensor t, Layout layout) {
        long[] strides = Staging.stagedStrides(t, layout);
        return new Placed(memory.address(), strides[0], strides[1], strides[2]);
    }

    /** Host memory that has the device memory's content after {@link #await}. */
    MemorySegment download(DeviceMemory from) {
        MemorySegment host = pinned(from.bytes());
        stream.download(from, 0, host);
        return host;
    }

    @Override
    public void launch(
            String step, Object key, Supplier<Kernel> kernel, int gridX, int gridY, int gridZ, List<Object> arguments) {
        CudaBackend.Compiled compiled = backend.compiled(key, kernel);
        mark();
        KernelArguments packed = new KernelArguments();
        for (Object argument : arguments) {
            if (argument instanceof Long l) {
                packed.int64(l);
            } else if (argument instanceof Integer i) {
                packed.int32(i);
            } else {
                packed.float32((Float) argument);
            }
        }
        LaunchShape shape = LaunchShape.of(new Extent(gridX, gridY, gridZ), Extent.of(compiled.threads()))
                .withSharedBytes(compiled.sharedBytes());
        stream.launch(compiled.function(), shape, packed);
        mark();
        steps.add(step);
    }

    /** Records an event: one before and one behind each step, as the next kernel may have to be compiled in between. */
    private void mark() {
        if (events.size() == marks) {
            events.add(context.newEvent());
        }
        events.get(marks++).record(stream);
    }

    /** Waits for the GPU and tells how long each step took. */
    List<StepTime> await() {
        stream.synchronize();
        List<StepTime> times = new ArrayList<>();
        for (int n = 0; n < steps.size(); n++) {
            float millis = events.get(2 * n + 1).millisSince(events.get(2 * n));
            times.add(new StepTime(steps.get(n), (long) (millis * 1e6)));
        }
        return times;
    }

    /** Frees a call's memory. */
    void reset() {
        memory.forEach(DeviceMemory::close);
        memory.clear();
        steps.clear();
        marks = 0;
        pinnedUsed = 0;
    }

    void close() {
        reset();
        pinned.forEach(PinnedMemory::close);
        events.forEach(CudaEvent::close);
        stream.close();
    }

    /** Closes after a failure, which stays the one that is told. */
    void discard(Throwable why) {
        try {
            stream.synchronize();
        } catch (RuntimeException e) {
            why.addSuppressed(e);
        }
        try {
            close();
        } catch (RuntimeException e) {
            why.addSuppressed(e);
        }
    }
}
