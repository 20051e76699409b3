package io.sage4j.backend;

import io.sage4j.AttentionResult.StepTime;
import io.sage4j.DType;
import io.sage4j.Layout;
import io.sage4j.Tensor;
import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaEvent;
import io.sage4j.cuda.CudaStream;
import io.sage4j.cuda.DeviceMemory;
import io.sage4j.cuda.PinnedMemory;
import io.sage4j.plan.NativeAttention.Placed;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * What one call at a time runs on: a stream, events between the steps, and pinned memory for the copies. Device memory
 * that it gives is freed by {@link #reset}.
 */
final class CudaLane {
    /** Pinned memory grows in such steps, so that similar calls do not allocate it anew. */
    private static final long PINNED_UNIT = 1 << 20;

    /** Tensors are copied in parts of this. */
    private static final long COPY_BYTES = 64 << 20;

    private final CudaContext context;
    private final CudaStream stream;
    private final List<DeviceMemory> memory = new ArrayList<>();
    private final List<CudaEvent> events = new ArrayList<>();
    private final List<PinnedMemory> pinned = new ArrayList<>();
    private int marks;
    private int pinnedUsed;

    CudaLane(CudaContext context) {
        this.context = context;
        stream = context.newStream();
    }

    CudaStream stream() {
        return stream;
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

    /**
     * A tensor that was copied to the GPU.
     *
     * @param place where it is
     * @param exponent of the power of two that its numbers were multiplied by on the way
     */
    record Uploaded(Placed place, int exponent) {}

    /** A tensor copied to the GPU; FP32 is rounded to FP16 on the way. */
    Uploaded upload(Tensor t, Layout layout) {
        long bytes = stagedBytes(t);
        DeviceMemory to = memory(bytes);
        MemorySegment host = pinned(bytes);
        int exponent = 0;
        if (t.dtype() == DType.FLOAT32) {
            exponent = HalfStaging.copyIn(t, layout, host);
        } else {
            Staging.copyIn(t, layout, host);
        }
        stream.upload(host, to, 0);
        return new Uploaded(placed(to.address(), t, layout), exponent);
    }

    /** Bytes that a tensor takes on the GPU. */
    static long stagedBytes(Tensor t) {
        return Staging.stagedElements(t) * CudaBackend.kernelType(t.dtype()).bytes();
    }

    /** Where kernels find the elements of a staged tensor. */
    static Placed placed(long address, Tensor t, Layout layout) {
        long[] strides = Staging.stagedStrides(t, layout);
        return new Placed(address, strides[0], strides[1], strides[2]);
    }

    /** Host memory that has the device memory's content after {@link #await}. */
    MemorySegment download(DeviceMemory from) {
        return download(from, 0, from.bytes());
    }

    /** The same of a part. */
    MemorySegment download(DeviceMemory from, long offset, long bytes) {
        MemorySegment host = pinned(bytes);
        stream.download(from, offset, host);
        return host;
    }

    /** Copies between two contiguous tensors of one shape and type, and waits for it. */
    void copy(Tensor from, Tensor to) {
        long bytes = from.size() * from.dtype().bytes();
        if (bytes == 0) {
            return;
        }
        if (from.isOnDevice() && to.isOnDevice()) {
            try (DeviceMemory source = context.wrapMemory(from.address(), bytes);
                    DeviceMemory target = context.wrapMemory(to.address(), bytes)) {
                stream.copy(source, 0, target, 0, bytes);
                stream.synchronize();
            }
            return;
        }
        MemorySegment host = pinned(Math.min(bytes, COPY_BYTES));
        try (DeviceMemory device = context.wrapMemory((from.isOnDevice() ? from : to).address(), bytes)) {
            for (long at = 0; at < bytes; at += COPY_BYTES) {
                MemorySegment part = host.asSlice(0, Math.min(COPY_BYTES, bytes - at));
                if (from.isOnDevice()) {
                    stream.download(device, at, part);
                    stream.synchronize();
                    MemorySegment.copy(part, 0, to.data(), at, part.byteSize());
                } else {
                    MemorySegment.copy(from.data(), at, part, 0, part.byteSize());
                    stream.upload(part, device, at);
                    stream.synchronize();
                }
            }
        }
    }

    /** Notes the moment at which the stream has done what it was asked for so far. */
    void mark() {
        if (events.size() == marks) {
            events.add(context.newEvent());
        }
        events.get(marks++).record(stream);
    }

    /** Waits for the GPU and tells how long each step took: the time between its mark and the one before. */
    List<StepTime> await(List<String> steps) {
        stream.synchronize();
        List<StepTime> times = new ArrayList<>();
        for (int n = 0; n < steps.size(); n++) {
            float millis = events.get(n + 1).millisSince(events.get(n));
            times.add(new StepTime(steps.get(n), (long) (millis * 1e6)));
        }
        return times;
    }

    /** Frees a call's memory. */
    void reset() {
        memory.forEach(DeviceMemory::close);
        memory.clear();
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
        AfterFailure.run(why, stream::synchronize, this::close);
    }
}
