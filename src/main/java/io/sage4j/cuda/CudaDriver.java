package io.sage4j.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.sage4j.SageException;
import io.sage4j.io.OneLine;
import java.lang.foreign.Arena;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodType;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.stream.IntStream;

/** A CUDA driver that is there: its version and devices, and the one way in which its functions are called. */
public final class CudaDriver {
    private static final MethodType SPREAD = MethodType.methodType(int.class, Object[].class);

    private final Map<DriverFunction, MemorySegment> entries;
    /** Linked when first called: linking all takes longer than a start of sage4j may. */
    private final AtomicReferenceArray<MethodHandle> linked =
            new AtomicReferenceArray<>(DriverFunction.values().length);

    private final AtomicReferenceArray<MethodHandle> exact = new AtomicReferenceArray<>(DriverFunction.values().length);

    private volatile boolean started;

    CudaDriver(Map<DriverFunction, MemorySegment> entries) {
        this.entries = entries;
    }

    /**
     * The newest CUDA that the driver knows.
     *
     * @return 1000 times the major plus 10 times the minor version: 13000 is CUDA 13.0
     */
    public int version() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_INT);
            call(DriverFunction.DRIVER_GET_VERSION, "asking for its version", out);
            return out.get(JAVA_INT, 0);
        }
    }

    /**
     * The number of GPUs; initialises the driver.
     *
     * @throws SageException if the driver does not start, because there is no GPU for example
     */
    public int deviceCount() {
        start();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_INT);
            call(DriverFunction.DEVICE_GET_COUNT, "counting the GPUs", out);
            return out.get(JAVA_INT, 0);
        }
    }

    /** All GPUs, described; initialises the driver. */
    public List<DeviceInfo> deviceInfos() {
        return IntStream.range(0, deviceCount()).mapToObj(i -> device(i).info()).toList();
    }

    /**
     * One GPU; initialises the driver.
     *
     * @param ordinal 0 to {@link #deviceCount()} - 1
     */
    public CudaDevice device(int ordinal) {
        int count = deviceCount();
        if (ordinal < 0 || ordinal >= count) {
            throw new SageException("GPU " + ordinal + " does not exist, expected "
                    + (count == 0 ? "none: this machine has no GPU" : "0.." + (count - 1)));
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_INT);
            call(DriverFunction.DEVICE_GET, "opening GPU " + ordinal, out, ordinal);
            return new CudaDevice(this, ordinal, out.get(JAVA_INT, 0));
        }
    }

    private void start() {
        if (!started) {
            call(DriverFunction.INIT, "initialising the driver", 0);
            started = true;
        }
    }

    boolean has(DriverFunction function) {
        return entries.containsKey(function);
    }

    /**
     * Calls a function.
     *
     * @param doing what for, for the message
     * @param arguments of the types that the function declares
     * @throws SageException if it fails, naming the call and the error
     */
    void call(DriverFunction function, String doing, Object... arguments) {
        int code = tryCall(function, arguments);
        if (code != 0) {
            throw failure(function, doing, code, "");
        }
    }

    /** Calls a function that puts a handle or pointer through its first argument, and returns that. */
    long create(DriverFunction function, String doing, Object... rest) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_LONG);
            Object[] arguments = new Object[rest.length + 1];
            arguments[0] = out;
            System.arraycopy(rest, 0, arguments, 1, rest.length);
            call(function, doing, arguments);
            return out.get(JAVA_LONG, 0);
        }
    }

    /** Calls a function and returns its CUresult. */
    int tryCall(DriverFunction function, Object... arguments) {
        try {
            return (int) handle(function).invokeExact(arguments);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(function.symbol() + " cannot throw", e);
        }
    }

    /** {@link #tryCall} of {@link DriverFunction#LAUNCH}, without boxes: it is called for every kernel. */
    int tryLaunch(MemorySegment config, long function, MemorySegment arguments) {
        try {
            return (int) exact(DriverFunction.LAUNCH).invokeExact(config, function, arguments, MemorySegment.NULL);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(DriverFunction.LAUNCH.symbol() + " cannot throw", e);
        }
    }

    /** {@link #tryCall} of {@link DriverFunction#POINTER_GET_ATTRIBUTES}, without boxes. */
    int tryPointerAttributes(int count, MemorySegment attributes, MemorySegment answers, long address) {
        try {
            return (int) exact(DriverFunction.POINTER_GET_ATTRIBUTES).invokeExact(count, attributes, answers, address);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(DriverFunction.POINTER_GET_ATTRIBUTES.symbol() + " cannot throw", e);
        }
    }

    /** Makes a context current, without boxes. */
    int tryPush(long context) {
        try {
            return (int) exact(DriverFunction.CONTEXT_PUSH).invokeExact(context);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(DriverFunction.CONTEXT_PUSH.symbol() + " cannot throw", e);
        }
    }

    /** Makes the context current that was before, without boxes. */
    int tryPop(MemorySegment popped) {
        try {
            return (int) exact(DriverFunction.CONTEXT_POP).invokeExact(popped);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(DriverFunction.CONTEXT_POP.symbol() + " cannot throw", e);
        }
    }

    @SuppressWarnings("restricted")
    private MethodHandle exact(DriverFunction function) {
        MethodHandle handle = exact.get(function.ordinal());
        if (handle == null) {
            handle = Linker.nativeLinker().downcallHandle(entries.get(function), function.type());
            exact.set(function.ordinal(), handle);
        }
        return handle;
    }

    /**
     * Links every function now, not when it is first called. On a thread of its own, while the driver starts, that is time
     * saved for the first call.
     */
    public void linkAll() {
        entries.keySet().forEach(this::handle);
    }

    private MethodHandle handle(DriverFunction function) {
        MethodHandle handle = linked.get(function.ordinal());
        if (handle == null) {
            handle = exact(function)
                    .asSpreader(
                            Object[].class, function.type().argumentLayouts().size())
                    .asType(SPREAD);
            linked.set(function.ordinal(), handle);
        }
        return handle;
    }

    /**
     * The error of a call that failed, to be thrown.
     *
     * @param log the JIT compiler's error log, or empty
     */
    SageException failure(DriverFunction function, String doing, int code, String log) {
        CudaException cause = new CudaException(
                function.symbol(),
                code,
                text(DriverFunction.GET_ERROR_NAME, code, "unknown CUDA error"),
                text(DriverFunction.GET_ERROR_STRING, code, "which this driver has no text for"),
                log);
        String lines =
                log.isBlank() ? "" : "; its log: " + OneLine.of(log.strip().replaceAll("\\s*\\R\\s*", " | "));
        return new SageException(doing + " failed: " + OneLine.of(cause.getMessage()) + lines, cause);
    }

    @SuppressWarnings("restricted")
    private String text(DriverFunction function, int code, String otherwise) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ADDRESS);
            int answer = tryCall(function, code, out);
            MemorySegment text = out.get(ADDRESS, 0);
            return answer != 0 || text.address() == 0
                    ? otherwise
                    : text.reinterpret(Long.MAX_VALUE).getString(0);
        }
    }
}
