package io.sage4j.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.sage4j.SageException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** A GPU's primary context, retained: makes streams, events, memory and modules, and closes those left open. */
public final class CudaContext implements AutoCloseable {
    // CUpointer_attribute and CUmemorytype
    private static final int POINTER_MEMORY_TYPE = 2;
    private static final int POINTER_DEVICE_ORDINAL = 9;
    private static final int MEMORY_OF_DEVICE = 2;
    // CU_MEMHOSTREGISTER_PORTABLE and CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED
    private static final int FOR_ALL_CONTEXTS = 1;
    private static final int PINNED_ALREADY = 712;

    /** Where the driver puts the context that it pops, which nobody reads: one place for all threads. */
    private static final MemorySegment POPPED = Arena.global().allocate(JAVA_LONG);

    private final CudaDriver driver;
    private final CudaDevice device;
    private final long raw;
    private final boolean owned;
    /** Null where the GPU has no pools. */
    private MemoryPool pool;

    /** Open handles in the order of their making; guards itself and {@code closed}. */
    private final Set<Handle> open = new LinkedHashSet<>();

    private boolean closed;

    CudaContext(CudaDriver driver, CudaDevice device, long raw, boolean owned) {
        this.driver = driver;
        this.device = device;
        this.raw = raw;
        this.owned = owned;
    }

    void makePool(int ordinal) {
        pool = MemoryPool.of(this, ordinal);
    }

    /** The GPU. */
    public CudaDevice device() {
        return device;
    }

    /** A new stream, which does not wait for the default one. */
    public CudaStream newStream() {
        requireOpen();
        return new CudaStream(this, create(DriverFunction.STREAM_CREATE, "making a stream", 1), true);
    }

    /**
     * A stream of the caller's, of this context. Closing it leaves the caller's stream alone.
     *
     * @param handle the CUstream; 0 is the default stream
     */
    public CudaStream wrapStream(long handle) {
        requireOpen();
        return new CudaStream(this, handle, false);
    }

    /** A new event that takes the time. */
    public CudaEvent newEvent() {
        requireOpen();
        return new CudaEvent(this, create(DriverFunction.EVENT_CREATE, "making an event", 0));
    }

    /**
     * Device memory, not zeroed, for any stream. May wait for the GPU; not to be used while a stream is captured.
     *
     * @param bytes at least 1
     */
    public DeviceMemory allocate(long bytes) {
        requireOpen();
        requireBytes(bytes);
        String doing = "allocating " + bytes + " bytes on " + device;
        return DeviceMemory.plain(this, create(DriverFunction.MEM_ALLOC, doing, bytes), bytes);
    }

    /**
     * Device memory, not zeroed, in stream order from this context's pool; where the GPU has none, like
     * {@link #allocate(long)}. While the stream is captured it belongs to the graph, and must be closed within the capture.
     * Another stream may use it once it has waited for this one. Closing it frees it in the order of this stream.
     *
     * @param bytes at least 1
     */
    public DeviceMemory allocate(long bytes, CudaStream stream) {
        requireOpen();
        requireBytes(bytes);
        long handle = Handle.given(stream, "stream").useIn(this);
        if (pool == null) {
            return allocate(bytes);
        }
        String doing = "allocating " + bytes + " bytes in stream order on " + device;
        long address = create(DriverFunction.MEM_ALLOC_FROM_POOL, doing, bytes, pool.use(), handle);
        return DeviceMemory.pooled(this, address, bytes, stream);
    }

    /**
     * Device memory of the caller's. Closing it leaves the memory alone.
     *
     * @param address CUdeviceptr, not 0
     * @param bytes how many from there on may be used, at least 1
     */
    public DeviceMemory wrapMemory(long address, long bytes) {
        requireOpen();
        requireBytes(bytes);
        if (address == 0) {
            throw new SageException("device address is 0, expected memory of " + device);
        }
        return DeviceMemory.wrapped(this, address, bytes);
    }

    /**
     * Host memory that copies go to and from at full speed, and truly asynchronously.
     *
     * @param bytes at least 1
     */
    public PinnedMemory allocatePinned(long bytes) {
        requireOpen();
        requireBytes(bytes);
        String doing = "allocating " + bytes + " bytes of pinned memory";
        return new PinnedMemory(this, create(DriverFunction.MEM_HOST_ALLOC, doing, bytes, 0), bytes);
    }

    /**
     * Pins memory of the caller's, for all contexts.
     *
     * @param memory native memory, at least 1 byte
     * @return empty if somebody has pinned some of it already
     */
    public Optional<PageLock> pin(MemorySegment memory) {
        requireOpen();
        requireBytes(memory.byteSize());
        int code = tryCall(DriverFunction.MEM_HOST_REGISTER, memory, memory.byteSize(), FOR_ALL_CONTEXTS);
        if (code == PINNED_ALREADY) {
            return Optional.empty();
        }
        if (code != 0) {
            String doing = "pinning " + memory.byteSize() + " bytes of host memory";
            throw driver.failure(DriverFunction.MEM_HOST_REGISTER, doing, code, "");
        }
        return Optional.of(new PageLock(this, memory));
    }

    /**
     * Compiles PTX and loads it. Not by way of the driver's linker, though that would give the machine code to keep: what
     * it compiles must fit other modules, so it ignores {@code setmaxnreg} and then serializes {@code wgmma}. The driver
     * keeps what it compiled in files of its own (in {@code CUDA_CACHE_PATH}).
     *
     * @param ptx text of a PTX module
     * @throws SageException if the driver refuses it; the message and its {@link CudaException} have the compiler's log
     */
    public CudaModule load(String ptx, JitOptions options) {
        requireOpen();
        return CudaModule.load(this, Handle.given(ptx, "PTX text"), Handle.given(options, "JIT options"));
    }

    /**
     * Device memory whose first and last byte are checked.
     *
     * @param what for the message, "q" for example
     * @param address CUdeviceptr
     * @param bytes at least 1
     */
    public record Range(String what, long address, long bytes) {}

    /**
     * Refuses addresses that are not this GPU's memory. Memory that was freed counts as memory where the driver keeps its
     * block for the next allocation.
     *
     * @throws SageException if one of the ranges begins or ends elsewhere
     */
    public void requireMemory(List<Range> ranges) {
        requireOpen();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment answers = arena.allocate(2 * JAVA_LONG.byteSize(), JAVA_LONG.byteSize());
            MemorySegment where =
                    arena.allocateFrom(JAVA_LONG, answers.address(), answers.address() + JAVA_LONG.byteSize());
            MemorySegment attributes = arena.allocateFrom(JAVA_INT, POINTER_MEMORY_TYPE, POINTER_DEVICE_ORDINAL);
            enter();
            try {
                for (Range range : ranges) {
                    require(range, range.address(), attributes, where, answers);
                    require(range, range.address() + range.bytes() - 1, attributes, where, answers);
                }
            } catch (RuntimeException | Error e) {
                leaveAfterFailure();
                throw e;
            }
            leave();
        }
    }

    private void require(Range range, long at, MemorySegment attributes, MemorySegment where, MemorySegment answers) {
        int code = driver.tryPointerAttributes(2, attributes, where, at);
        if (code != 0) {
            throw driver.failure(DriverFunction.POINTER_GET_ATTRIBUTES, "asking what is at " + range.what(), code, "");
        }
        boolean ours = answers.get(JAVA_INT, 0) == MEMORY_OF_DEVICE;
        int ordinal = answers.get(JAVA_INT, JAVA_LONG.byteSize());
        if (!ours || ordinal != device.ordinal()) {
            throw new SageException(range.what() + " is at 0x" + Long.toHexString(at) + ", which is "
                    + (ours ? "memory of GPU " + ordinal : "no GPU memory, or was freed") + "; expected "
                    + range.bytes() + " bytes of " + device);
        }
    }

    /** Bytes of the GPU's memory that nobody has, in this process or another; what a pool keeps is had. */
    public long freeBytes() {
        requireOpen();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment free = arena.allocate(JAVA_LONG);
            call(DriverFunction.MEM_GET_INFO, "asking " + device + " for its memory", free, arena.allocate(JAVA_LONG));
            return free.get(JAVA_LONG, 0);
        }
    }

    /** Waits until the GPU has done everything that was asked for in this context. */
    public void synchronize() {
        requireOpen();
        call(DriverFunction.CONTEXT_SYNCHRONIZE, "waiting for " + device);
    }

    /**
     * Closes what was made here and is still open, last first, and releases the context.
     *
     * @throws SageException the first failure; the others are suppressed in it, and what could be closed is
     */
    @Override
    public void close() {
        List<Handle> left;
        synchronized (open) {
            if (closed) {
                return;
            }
            closed = true;
            left = new ArrayList<>(open);
        }
        Collections.reverse(left);
        SageException failure = null;
        for (Handle handle : left) {
            failure = closing(handle::close, failure);
        }
        if (owned) {
            failure = closing(device::releaseContext, failure);
        }
        if (failure != null) {
            throw failure;
        }
    }

    private static SageException closing(Runnable close, SageException failure) {
        try {
            close.run();
            return failure;
        } catch (SageException e) {
            if (failure == null) {
                return e;
            }
            failure.addSuppressed(e);
            return failure;
        }
    }

    void adopt(Handle handle) {
        synchronized (open) {
            open.add(handle);
        }
    }

    void forget(Handle handle) {
        synchronized (open) {
            open.remove(handle);
        }
    }

    CudaDriver driver() {
        return driver;
    }

    /** Calls a function with this context current. */
    void call(DriverFunction function, String doing, Object... arguments) {
        int code = tryCall(function, arguments);
        if (code != 0) {
            throw driver.failure(function, doing, code, "");
        }
    }

    /** Calls a function that puts a handle through its first argument, with this context current. */
    long create(DriverFunction function, String doing, Object... rest) {
        push();
        long made;
        try {
            made = driver.create(function, doing, rest);
        } catch (RuntimeException | Error e) {
            pop();
            throw e;
        }
        checkPopped(pop());
        return made;
    }

    /** Calls a function with this context current and returns its CUresult. */
    int tryCall(DriverFunction function, Object... arguments) {
        push();
        int code;
        try {
            code = driver.tryCall(function, arguments);
        } catch (RuntimeException | Error e) {
            pop();
            throw e;
        }
        int popped = pop();
        // What the call itself says is the better answer.
        if (code == 0) {
            checkPopped(popped);
        }
        return code;
    }

    /** Makes this context current on the calling thread, until {@link #leave}. */
    void enter() {
        push();
    }

    void leave() {
        checkPopped(pop());
    }

    /** What failed is told, not what the end of it says. */
    void leaveAfterFailure() {
        pop();
    }

    private void push() {
        int code = driver.tryPush(raw);
        if (code != 0) {
            throw driver.failure(DriverFunction.CONTEXT_PUSH, "making the context of " + device + " current", code, "");
        }
    }

    private int pop() {
        return driver.tryPop(POPPED);
    }

    private void checkPopped(int code) {
        if (code != 0) {
            throw driver.failure(
                    DriverFunction.CONTEXT_POP, "putting back the context that was current before", code, "");
        }
    }

    private void requireOpen() {
        synchronized (open) {
            if (closed) {
                throw new SageException("the context of " + device + " is closed, expected an open one");
            }
        }
    }

    private static void requireBytes(long bytes) {
        if (bytes < 1) {
            throw new SageException("size is " + bytes + " bytes, expected at least 1");
        }
    }
}
