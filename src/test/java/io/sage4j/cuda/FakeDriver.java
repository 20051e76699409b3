package io.sage4j.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/**
 * A CUDA driver without a GPU: native functions (upcalls) whose device memory is host memory. It counts the live handles
 * by kind, holds calls to the rules (a current context, live handles), and fails a call when told to. Its signatures are
 * written after cuda.h, apart from those of {@link DriverFunction}.
 */
@SuppressWarnings("restricted")
public final class FakeDriver implements AutoCloseable {
    /** Handle of the primary context of the first GPU. */
    static final long CONTEXT_OF_GPU_0 = 0xC0 + 70;

    static final int INVALID_VALUE = 1;
    static final int OUT_OF_MEMORY = 2;
    static final int INVALID_CONTEXT = 201;
    static final int ALREADY_REGISTERED = 712;
    static final int NOT_REGISTERED = 713;
    static final int INVALID_PTX = 218;
    static final int INVALID_HANDLE = 400;
    static final int NOT_FOUND = 500;

    private static final Map<Integer, List<String>> ERRORS = Map.of(
            INVALID_VALUE,
            List.of("CUDA_ERROR_INVALID_VALUE", "invalid argument"),
            OUT_OF_MEMORY,
            List.of("CUDA_ERROR_OUT_OF_MEMORY", "out of memory"),
            100,
            List.of("CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"),
            INVALID_CONTEXT,
            List.of("CUDA_ERROR_INVALID_CONTEXT", "invalid device context"),
            INVALID_PTX,
            List.of("CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"),
            INVALID_HANDLE,
            List.of("CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"),
            NOT_FOUND,
            List.of("CUDA_ERROR_NOT_FOUND", "named symbol not found"),
            700,
            List.of("CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"));

    /** A launch as the driver received it. */
    public record Launch(
            String kernel,
            List<Integer> dims,
            long stream,
            Map<Integer, List<Integer>> attributes,
            List<byte[]> arguments) {}

    private final Arena arena = Arena.ofShared();
    private final Upcalls upcalls = new Upcalls(this, arena);
    public final List<String> calls = upcalls.calls;
    public final List<Throwable> thrown = upcalls.thrown;
    public final List<Launch> launches = new ArrayList<>();
    public final FakeCompiler compiler = new FakeCompiler();
    final Set<String> missing = new HashSet<>();
    /** Bytes of the parameters of kernels that every module has whose PTX declares none. */
    final Map<String, List<Integer>> kernels = new LinkedHashMap<>();

    int memoryPools = 1;
    /** Memory pools that are there. */
    public int pools;

    /** Whether no event that is asked about has come. */
    public boolean notReady;

    /** Sees each launch when it is made, before what follows: may read and write device memory. */
    public Consumer<Launch> onLaunch = launch -> {};

    /** Number of GPUs. */
    public int gpus = 2;

    /** Major and minor compute capability of the GPUs. */
    public int computeMajor = 9;

    public int computeMinor;

    /** GPU that memory is said to be of. */
    public int ordinalOfMemory;

    private final Map<Long, String> live = new LinkedHashMap<>();
    private final Map<Long, Arena> memory = new HashMap<>();
    private final Map<Long, Long> bytes = new HashMap<>();
    /** Bytes of the caller's memory that is pinned, by address. */
    private final Map<Long, Long> pinned = new HashMap<>();

    private final Map<Thread, Deque<Long>> contexts = new HashMap<>();
    private final Map<Long, String> functions = new HashMap<>();
    private final Map<Long, List<Integer>> parametersOf = new HashMap<>();
    private final Map<Long, Map<String, List<Integer>>> kernelsOf = new HashMap<>();
    private long next = 0x5000;
    private boolean started;
    private int retained;
    private boolean capturing;

    /** The driver's search in this fake. */
    public DriverSearch search() {
        return DriverSearch.of("libfake.so.1", () -> upcalls.symbols(missing));
    }

    CudaContext context() {
        return search().driver().orElseThrow().device(0).retainContext();
    }

    /** Makes a function fail from now on; 0 lets it work again. */
    public void fail(String function, int code) {
        upcalls.fail(function, code);
    }

    /** What is live, by kind. */
    public synchronized Map<String, Long> live() {
        Map<String, Long> counts = live.values().stream().collect(Collectors.groupingBy(k -> k, Collectors.counting()));
        if (retained != 0) {
            counts.put("context", (long) retained);
        }
        return counts;
    }

    /** Forgets what is live, after a failure on purpose. */
    void forgetHandles() {
        live.clear();
        retained = 0;
        pools = 0;
    }

    /** Empties the stack of contexts, after a pop that failed on purpose. */
    synchronized void popAll() {
        contexts.clear();
    }

    /** The calling thread's contexts. */
    private Deque<Long> current() {
        return contexts.computeIfAbsent(Thread.currentThread(), t -> new ArrayDeque<>());
    }

    synchronized int contextsPushed() {
        return contexts.values().stream().mapToInt(Deque::size).sum();
    }

    @Override
    public void close() {
        memory.values().forEach(Arena::close);
        arena.close();
    }

    // The rules.

    private int create(String kind, MemorySegment out) {
        if (current().isEmpty()) {
            return INVALID_CONTEXT;
        }
        next += 0x10;
        live.put(next, kind);
        out.reinterpret(8).set(JAVA_LONG, 0, next);
        return 0;
    }

    private int destroy(String kind, long handle) {
        return live.remove(handle, kind) ? 0 : INVALID_HANDLE;
    }

    private int isLive(String kind, long handle) {
        return current().isEmpty() ? INVALID_CONTEXT : kind.equals(live.get(handle)) ? 0 : INVALID_HANDLE;
    }

    /** Streams of the caller's (below 0x5000) are nobody's here. */
    private int isStream(long stream) {
        return stream < 0x5000 && !current().isEmpty() ? 0 : isLive("stream", stream);
    }

    private int allocate(String kind, MemorySegment out, long size) {
        if (current().isEmpty() || capturing && !kind.equals("pooled memory")) {
            return INVALID_CONTEXT;
        }
        Arena own = Arena.ofShared();
        long address = own.allocate(size, 256).address();
        memory.put(address, own);
        bytes.put(address, size);
        live.put(address, kind);
        out.reinterpret(8).set(JAVA_LONG, 0, address);
        return 0;
    }

    private int release(Set<String> kinds, long address) {
        if (current().isEmpty()) {
            return INVALID_CONTEXT;
        }
        if (!kinds.contains(live.get(address))) {
            return INVALID_VALUE;
        }
        live.remove(address);
        memory.remove(address).close();
        return 0;
    }

    private int copy(long from, long to, long bytes, long stream) {
        int code = isStream(stream);
        if (code == 0 && !capturing) {
            MemorySegment.ofAddress(to)
                    .reinterpret(bytes)
                    .copyFrom(MemorySegment.ofAddress(from).reinterpret(bytes));
        }
        return code;
    }

    // The functions.

    synchronized int cuInit(int flags) {
        started = flags == 0;
        return started ? 0 : INVALID_VALUE;
    }

    synchronized int cuDriverGetVersion(MemorySegment out) {
        out.reinterpret(4).set(JAVA_INT, 0, 13010);
        return 0;
    }

    synchronized int cuGetErrorName(int code, MemorySegment out) {
        return errorText(code, 0, out);
    }

    synchronized int cuGetErrorString(int code, MemorySegment out) {
        return errorText(code, 1, out);
    }

    private int errorText(int code, int which, MemorySegment out) {
        List<String> texts = ERRORS.get(code);
        out.reinterpret(8).set(ADDRESS, 0, texts == null ? MemorySegment.NULL : arena.allocateFrom(texts.get(which)));
        return texts == null ? INVALID_VALUE : 0;
    }

    synchronized int cuDeviceGetCount(MemorySegment out) {
        out.reinterpret(4).set(JAVA_INT, 0, gpus);
        return started ? 0 : 3;
    }

    synchronized int cuDeviceGet(MemorySegment out, int ordinal) {
        out.reinterpret(4).set(JAVA_INT, 0, 70 + ordinal);
        return 0;
    }

    synchronized int cuDeviceGetName(MemorySegment out, int length, int device) {
        String name = "Fake GPU " + (device - 70);
        if (length <= name.length()) {
            return INVALID_VALUE;
        }
        out.reinterpret(length).setString(0, name);
        return 0;
    }

    synchronized int cuDeviceGetAttribute(MemorySegment out, int attribute, int device) {
        Map<Integer, Integer> values =
                Map.of(75, computeMajor, 76, computeMinor, 16, 132, 38, 50 << 20, 97, 227 << 10, 115, memoryPools);
        out.reinterpret(4).set(JAVA_INT, 0, values.get(attribute));
        return device >= 70 ? 0 : 101;
    }

    synchronized int cuDeviceTotalMem_v2(MemorySegment out, int device) {
        out.reinterpret(8).set(JAVA_LONG, 0, 80L << 30);
        return device >= 70 ? 0 : 101;
    }

    synchronized int cuDevicePrimaryCtxRetain(MemorySegment out, int device) {
        retained++;
        out.reinterpret(8).set(JAVA_LONG, 0, 0xC0L + device);
        return 0;
    }

    synchronized int cuDevicePrimaryCtxRelease_v2(int device) {
        return retained-- > 0 && device >= 70 ? 0 : INVALID_CONTEXT;
    }

    synchronized int cuCtxPushCurrent_v2(long context) {
        current().push(context);
        return retained > 0 && context >= 0xC0 + 70 ? 0 : INVALID_CONTEXT;
    }

    synchronized int cuCtxPopCurrent_v2(MemorySegment out) {
        out.reinterpret(8).set(JAVA_LONG, 0, current().pop());
        return 0;
    }

    synchronized int cuCtxSynchronize() {
        return current().isEmpty() ? INVALID_CONTEXT : 0;
    }

    synchronized int cuStreamCreate(MemorySegment out, int flags) {
        return flags == 1 ? create("stream", out) : INVALID_VALUE;
    }

    synchronized int cuStreamDestroy_v2(long stream) {
        return destroy("stream", stream);
    }

    synchronized int cuStreamSynchronize(long stream) {
        return capturing ? INVALID_VALUE : isStream(stream);
    }

    synchronized int cuStreamWaitEvent(long stream, long event, int flags) {
        return flags != 0 ? INVALID_VALUE : isStream(stream) + isLive("event", event);
    }

    synchronized int cuStreamIsCapturing(long stream, MemorySegment out) {
        out.reinterpret(4).set(JAVA_INT, 0, capturing ? 1 : 0);
        return isStream(stream);
    }

    synchronized int cuStreamBeginCapture_v2(long stream, int mode) {
        capturing = true;
        return mode == 1 ? isStream(stream) : INVALID_VALUE;
    }

    synchronized int cuStreamEndCapture(long stream, MemorySegment out) {
        if (!capturing || isStream(stream) != 0) {
            return INVALID_VALUE;
        }
        capturing = false;
        return create("graph", out);
    }

    synchronized int cuEventCreate(MemorySegment out, int flags) {
        return flags == 0 ? create("event", out) : INVALID_VALUE;
    }

    synchronized int cuEventDestroy_v2(long event) {
        return destroy("event", event);
    }

    synchronized int cuEventRecord(long event, long stream) {
        return isLive("event", event) + isStream(stream);
    }

    synchronized int cuEventQuery(long event) {
        int code = isLive("event", event);
        return code != 0 ? code : notReady ? 600 : 0;
    }

    synchronized int cuEventSynchronize(long event) {
        return isLive("event", event);
    }

    synchronized int cuEventElapsedTime(MemorySegment out, long start, long end) {
        // Handles grow with time: the end was made later.
        out.reinterpret(4).set(JAVA_FLOAT, 0, (end - start) / 64f);
        return isLive("event", start) + isLive("event", end);
    }

    synchronized int cuMemGetInfo_v2(MemorySegment free, MemorySegment total) {
        long used = live.keySet().stream()
                .mapToLong(handle -> bytes.getOrDefault(handle, 0L))
                .sum();
        free.reinterpret(8).set(JAVA_LONG, 0, (80L << 30) - used);
        total.reinterpret(8).set(JAVA_LONG, 0, 80L << 30);
        return current().isEmpty() ? INVALID_CONTEXT : 0;
    }

    synchronized int cuMemAlloc_v2(MemorySegment out, long bytes) {
        return allocate("memory", out, bytes);
    }

    synchronized int cuMemFree_v2(long address) {
        return release(Set.of("memory", "pooled memory"), address);
    }

    synchronized int cuMemPoolCreate(MemorySegment out, MemorySegment properties) {
        MemorySegment p = properties.reinterpret(88);
        boolean fits = p.get(JAVA_INT, 0) == 1 && p.get(JAVA_INT, 8) == 1 && p.get(JAVA_INT, 12) < 2;
        out.reinterpret(8).set(JAVA_LONG, 0, 0x900L);
        pools += fits ? 1 : 0;
        return fits ? 0 : INVALID_VALUE;
    }

    synchronized int cuMemPoolSetAttribute(long pool, int attribute, MemorySegment value) {
        return pool == 0x900 && attribute == 4 && value.reinterpret(8).get(JAVA_LONG, 0) > 0 ? 0 : INVALID_VALUE;
    }

    synchronized int cuMemPoolDestroy(long pool) {
        pools--;
        return pool == 0x900 ? 0 : INVALID_VALUE;
    }

    synchronized int cuMemAllocFromPoolAsync(MemorySegment out, long bytes, long pool, long stream) {
        return pool != 0x900 || isStream(stream) != 0 ? INVALID_HANDLE : allocate("pooled memory", out, bytes);
    }

    synchronized int cuMemFreeAsync(long address, long stream) {
        return isStream(stream) != 0 ? INVALID_HANDLE : release(Set.of("pooled memory"), address);
    }

    synchronized int cuMemHostAlloc(MemorySegment out, long bytes, int flags) {
        return flags != 0 ? INVALID_VALUE : allocate("pinned memory", out, bytes);
    }

    synchronized int cuMemFreeHost(MemorySegment address) {
        return release(Set.of("pinned memory"), address.address());
    }

    synchronized int cuMemHostRegister_v2(MemorySegment address, long size, int flags) {
        if (current().isEmpty()) {
            return INVALID_CONTEXT;
        }
        if (flags != 1) {
            return INVALID_VALUE;
        }
        for (long from : pinned.keySet()) {
            if (from < address.address() + size && address.address() < from + pinned.get(from)) {
                return ALREADY_REGISTERED;
            }
        }
        pinned.put(address.address(), size);
        live.put(address.address(), "page lock");
        return 0;
    }

    synchronized int cuMemHostUnregister(MemorySegment address) {
        if (current().isEmpty()) {
            return INVALID_CONTEXT;
        }
        live.remove(address.address());
        return pinned.remove(address.address()) == null ? NOT_REGISTERED : 0;
    }

    synchronized int cuMemcpyHtoDAsync_v2(long to, MemorySegment from, long bytes, long stream) {
        return copy(from.address(), to, bytes, stream);
    }

    synchronized int cuMemcpyDtoHAsync_v2(MemorySegment to, long from, long bytes, long stream) {
        return copy(from, to.address(), bytes, stream);
    }

    synchronized int cuMemcpyDtoDAsync_v2(long to, long from, long bytes, long stream) {
        return copy(from, to, bytes, stream);
    }

    synchronized int cuMemsetD8Async(long address, byte value, long bytes, long stream) {
        MemorySegment.ofAddress(address).reinterpret(bytes).fill(value);
        return isStream(stream);
    }

    synchronized int cuMemsetD32Async(long address, int value, long words, long stream) {
        MemorySegment words32 = MemorySegment.ofAddress(address).reinterpret(4 * words);
        for (long n = 0; n < words; n++) {
            words32.setAtIndex(JAVA_INT, n, value);
        }
        return isStream(stream);
    }

    /** Memory type and ordinal of a GPU's memory, zeros for anything else. */
    synchronized int cuPointerGetAttributes(int count, MemorySegment attributes, MemorySegment answers, long address) {
        boolean ours = memory.keySet().stream()
                .anyMatch(start -> address >= start
                        && address < start + bytes.get(start)
                        && !live.get(start).startsWith("pinned"));
        for (int i = 0; i < count; i++) {
            int attribute = attributes.reinterpret(4L * count).getAtIndex(JAVA_INT, i);
            int answer = attribute == 2 ? 2 : attribute == 9 ? ordinalOfMemory : -1;
            answers.reinterpret(8L * count)
                    .getAtIndex(ADDRESS, i)
                    .reinterpret(4)
                    .set(JAVA_INT, 0, ours ? answer : 0);
        }
        return current().isEmpty() ? INVALID_CONTEXT : 0;
    }

    synchronized int cuModuleLoadDataEx(
            MemorySegment out, MemorySegment image, int count, MemorySegment options, MemorySegment values) {
        String ptx = image.reinterpret(Long.MAX_VALUE).getString(0);
        if (!compiler.compile(ptx, count, options, values)) {
            return INVALID_PTX;
        }
        int code = create("module", out);
        Map<String, List<Integer>> found = FakeCompiler.kernelsIn(ptx);
        if (code == 0 && !found.isEmpty()) {
            kernelsOf.put(out.reinterpret(8).get(JAVA_LONG, 0), found);
        }
        return code;
    }

    synchronized int cuModuleUnload(long module) {
        return destroy("module", module);
    }

    synchronized int cuModuleGetFunction(MemorySegment out, long module, MemorySegment name) {
        String text = name.reinterpret(Long.MAX_VALUE).getString(0);
        List<Integer> sizes = kernelsOf.getOrDefault(module, kernels).get(text);
        if (isLive("module", module) != 0 || sizes == null) {
            return NOT_FOUND;
        }
        next += 0x10;
        parametersOf.put(next, sizes);
        functions.put(next, text);
        out.reinterpret(8).set(JAVA_LONG, 0, next);
        return 0;
    }

    synchronized int cuFuncGetAttribute(MemorySegment out, int attribute, long function) {
        out.reinterpret(4).set(JAVA_INT, 0, 100 + attribute);
        return functions.containsKey(function) ? 0 : INVALID_HANDLE;
    }

    synchronized int cuFuncSetAttribute(long function, int attribute, int value) {
        calls.add(functions.get(function) + " " + attribute + "=" + value);
        return value > 227 << 10 ? INVALID_VALUE : 0;
    }

    synchronized int cuFuncGetParamInfo(long function, long index, MemorySegment offset, MemorySegment size) {
        List<Integer> sizes = parametersOf.get(function);
        if (index >= sizes.size()) {
            return INVALID_VALUE;
        }
        offset.reinterpret(8).set(JAVA_LONG, 0, 8 * index);
        size.reinterpret(8).set(JAVA_LONG, 0, sizes.get((int) index));
        return 0;
    }

    synchronized int cuLaunchKernelEx(
            MemorySegment config, long function, MemorySegment pointers, MemorySegment extra) {
        MemorySegment c = config.reinterpret(56);
        String kernel = functions.get(function);
        if (kernel == null || extra.address() != 0 || isStream(c.get(JAVA_LONG, 32)) != 0) {
            return INVALID_HANDLE;
        }
        List<Integer> dims = new ArrayList<>();
        for (int i = 0; i < 7; i++) {
            dims.add(c.getAtIndex(JAVA_INT, i));
        }
        Map<Integer, List<Integer>> attributes = new HashMap<>();
        int count = c.get(JAVA_INT, 48);
        MemorySegment a = MemorySegment.ofAddress(c.get(JAVA_LONG, 40)).reinterpret(72L * count);
        for (int i = 0; i < count; i++) {
            attributes.put(
                    a.get(JAVA_INT, 72L * i),
                    List.of(
                            a.get(JAVA_INT, 72L * i + 8),
                            a.get(JAVA_INT, 72L * i + 12),
                            a.get(JAVA_INT, 72L * i + 16)));
        }
        List<Integer> sizes = parametersOf.get(function);
        List<byte[]> arguments = new ArrayList<>();
        for (int i = 0; i < sizes.size(); i++) {
            arguments.add(pointers.reinterpret(8L * sizes.size())
                    .getAtIndex(ADDRESS, i)
                    .reinterpret(sizes.get(i))
                    .toArray(JAVA_BYTE));
        }
        Launch launch = new Launch(kernel, dims, c.get(JAVA_LONG, 32), attributes, arguments);
        launches.add(launch);
        onLaunch.accept(launch);
        return 0;
    }

    synchronized int cuGraphInstantiateWithFlags(MemorySegment out, long graph, long flags) {
        return flags != 0 || isLive("graph", graph) != 0 ? INVALID_VALUE : create("ready graph", out);
    }

    synchronized int cuGraphLaunch(long graph, long stream) {
        return isLive("ready graph", graph) + isStream(stream);
    }

    synchronized int cuGraphExecDestroy(long graph) {
        return destroy("ready graph", graph);
    }

    synchronized int cuGraphDestroy(long graph) {
        return destroy("graph", graph);
    }
}
