package io.sage4j.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.sage4j.SageException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** A queue of work for the GPU, done in order: copies, fills, kernels. Own or a caller's. */
public final class CudaStream extends Handle {
    /** Only this thread's calls that a capture forbids are refused meanwhile. */
    private static final int CAPTURE_THREAD_LOCAL = 1;

    private static final int CAPTURE_STATUS_NONE = 0;

    private final boolean owned;

    CudaStream(CudaContext context, long raw, boolean owned) {
        super(context, "a stream", raw);
        this.owned = owned;
    }

    /** The CUstream. */
    public long handle() {
        return use();
    }

    /** Waits until all is done; throws what went wrong meanwhile. */
    public void synchronize() {
        context().call(DriverFunction.STREAM_SYNCHRONIZE, "waiting for a stream", use());
    }

    /** Makes what is asked for from now on wait for an event of another stream. */
    public void waitFor(CudaEvent event) {
        long handle = use();
        long awaited = given(event, "event").useIn(context());
        context().call(DriverFunction.STREAM_WAIT_EVENT, "making a stream wait", handle, awaited, 0);
    }

    /**
     * Copies host memory to the GPU. Pinned memory must stay as it is until the stream has done it.
     *
     * @param from native memory, all of it
     * @param offset where in {@code to}, bytes
     */
    public void upload(MemorySegment from, DeviceMemory to, long offset) {
        long handle = use();
        long bytes = requireNative(from).byteSize();
        long target = given(to, "device memory").range(context(), offset, bytes);
        if (bytes > 0) {
            String doing = "copying " + bytes + " bytes to the GPU";
            context().call(DriverFunction.COPY_TO_DEVICE, doing, target, from, bytes, handle);
        }
    }

    /**
     * Copies from the GPU to host memory, which has the data once the stream has been waited for.
     *
     * @param offset where in {@code from}, bytes
     * @param to native memory, all of it
     */
    public void download(DeviceMemory from, long offset, MemorySegment to) {
        long handle = use();
        long bytes = requireNative(to).byteSize();
        if (to.isReadOnly()) {
            throw new SageException("host memory is read-only, expected memory to copy to");
        }
        long source = given(from, "device memory").range(context(), offset, bytes);
        if (bytes > 0) {
            String doing = "copying " + bytes + " bytes from the GPU";
            context().call(DriverFunction.COPY_TO_HOST, doing, to, source, bytes, handle);
        }
    }

    /** Copies a range of device memory into another, which it must not overlap. Offsets and length in bytes. */
    public void copy(DeviceMemory from, long fromOffset, DeviceMemory to, long toOffset, long bytes) {
        long handle = use();
        long source = given(from, "source").range(context(), fromOffset, bytes);
        long target = given(to, "target").range(context(), toOffset, bytes);
        if (bytes > 0) {
            String doing = "copying " + bytes + " bytes on the GPU";
            context().call(DriverFunction.COPY_ON_DEVICE, doing, target, source, bytes, handle);
        }
    }

    /** Sets every byte of a range of device memory. */
    public void fill(DeviceMemory memory, long offset, long bytes, byte value) {
        long handle = use();
        long target = given(memory, "device memory").range(context(), offset, bytes);
        if (bytes > 0) {
            context().call(DriverFunction.MEMSET, "filling " + bytes + " bytes", target, value, bytes, handle);
        }
    }

    /**
     * Sets every 32-bit word of a range of device memory.
     *
     * @param offset bytes, a multiple of 4
     * @param words how many
     */
    public void fillWords(DeviceMemory memory, long offset, long words, int value) {
        long handle = use();
        long target = given(memory, "device memory").range(context(), offset, words * Integer.BYTES);
        if (words > 0) {
            context().call(DriverFunction.MEMSET_WORDS, "filling " + words + " words", target, value, words, handle);
        }
    }

    /**
     * Launches a kernel.
     *
     * @throws SageException if the arguments are not of the sizes that the kernel takes (where the driver can tell), or
     *     the driver refuses the launch; what the kernel itself does wrong shows when the stream is waited for
     */
    public void launch(CudaFunction kernel, LaunchShape shape, KernelArguments arguments) {
        long handle = use();
        long function = given(kernel, "kernel").useIn(context());
        given(shape, "launch shape");
        kernel.check(given(arguments, "arguments").sizes());
        try (Arena arena = Arena.ofConfined()) {
            int code = context()
                    .tryCall(
                            DriverFunction.LAUNCH,
                            shape.config(handle, arena),
                            function,
                            arguments.pack(context(), arena),
                            MemorySegment.NULL);
            if (code != 0) {
                throw launchFailure(kernel, shape, code);
            }
        }
    }

    /** Launches a kernel that was prepared; nothing is allocated. */
    public void launch(PreparedLaunch launch) {
        launch(List.of(given(launch, "launch")));
    }

    /** Launches kernels that were prepared, one behind the other; nothing is allocated. */
    public void launch(List<PreparedLaunch> launches) {
        long handle = use();
        context().enter();
        try {
            for (int n = 0; n < launches.size(); n++) {
                PreparedLaunch launch = launches.get(n);
                long function = launch.kernel().useIn(context());
                int code = context().driver().tryLaunch(launch.config(handle), function, launch.arguments());
                if (code != 0) {
                    throw launchFailure(launch.kernel(), launch.shape(), code);
                }
            }
        } catch (RuntimeException | Error e) {
            context().leaveAfterFailure();
            throw e;
        }
        context().leave();
    }

    private SageException launchFailure(CudaFunction kernel, LaunchShape shape, int code) {
        String doing = "launching " + kernel + " with " + shape.grid() + " blocks of " + shape.block() + " threads and "
                + shape.sharedBytes() + " bytes of dynamic shared memory";
        return context().driver().failure(DriverFunction.LAUNCH, doing, code, "");
    }

    /**
     * Captures work instead of doing it.
     *
     * @param work asks this stream for copies, fills and kernels, on this thread; it must not wait for the GPU
     * @return the work, ready to be launched
     */
    public CudaGraph capture(Runnable work) {
        given(work, "work to capture");
        long handle = use();
        context().call(DriverFunction.STREAM_BEGIN_CAPTURE, "starting a capture", handle, CAPTURE_THREAD_LOCAL);
        try {
            work.run();
        } catch (RuntimeException | Error e) {
            abandonCapture(handle);
            throw e;
        }
        long graph = endCapture(handle);
        long ready;
        try {
            ready = context().create(DriverFunction.GRAPH_INSTANTIATE, "making a graph ready", graph, 0L);
        } finally {
            context().tryCall(DriverFunction.GRAPH_DESTROY, graph);
        }
        return new CudaGraph(context(), ready);
    }

    /** Whether what is asked for is captured, here or by whoever made the stream. */
    public boolean isCapturing() {
        long handle = use();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment status = arena.allocate(JAVA_INT);
            context().call(DriverFunction.STREAM_IS_CAPTURING, "asking whether a stream is captured", handle, status);
            return status.get(JAVA_INT, 0) != CAPTURE_STATUS_NONE;
        }
    }

    private long endCapture(long handle) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_LONG);
            context().call(DriverFunction.STREAM_END_CAPTURE, "ending a capture", handle, out);
            return out.get(JAVA_LONG, 0);
        }
    }

    private void abandonCapture(long handle) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_LONG);
            // Its answer is of no interest: the work has failed, and that is what is told.
            context().tryCall(DriverFunction.STREAM_END_CAPTURE, handle, out);
            if (out.get(JAVA_LONG, 0) != 0) {
                context().tryCall(DriverFunction.GRAPH_DESTROY, out.get(JAVA_LONG, 0));
            }
        }
    }

    /**
     * Time of each of some runs on this stream, in nanoseconds: from the end of the one before to its own. They are started one right behind the
     * other, after one that is not timed and lets the host get ahead; then the stream is waited for.
     *
     * @param start starts a run on this stream, and is called {@code runs + 1} times
     */
    public long[] time(int runs, Runnable start) {
        List<CudaEvent> events = new ArrayList<>();
        try {
            for (int n = 0; n <= runs; n++) {
                events.add(context().newEvent());
            }
            for (CudaEvent event : events) {
                start.run();
                event.record(this);
            }
            synchronize();
            long[] nanos = new long[runs];
            for (int n = 0; n < runs; n++) {
                nanos[n] = (long) (events.get(n + 1).millisSince(events.get(n)) * 1e6);
            }
            return nanos;
        } finally {
            events.forEach(CudaEvent::close);
        }
    }

    private static MemorySegment requireNative(MemorySegment host) {
        if (!given(host, "host memory").isNative()) {
            throw new SageException("host memory is on the Java heap, expected native memory");
        }
        return host;
    }

    @Override
    void free(long handle) {
        if (owned) {
            context().call(DriverFunction.STREAM_DESTROY, "closing a stream", handle);
        }
    }
}
