package io.sage4j.backend;

import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaModule;
import io.sage4j.cuda.CudaStream;
import io.sage4j.cuda.DeviceInfo;
import io.sage4j.cuda.DeviceMemory;
import io.sage4j.cuda.DriverSearch;
import io.sage4j.cuda.JitOptions;
import io.sage4j.cuda.KernelArguments;
import io.sage4j.cuda.LaunchShape;
import io.sage4j.cuda.LaunchShape.Extent;
import io.sage4j.plan.NativeDevice;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.PtxModule;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** A GPU on which a test may exchange a step's kernel for another one. */
final class TestGpu implements NativeDevice, AutoCloseable {
    private final Deque<Runnable> open = new ArrayDeque<>();
    private final Map<String, Supplier<Kernel>> exchanged = new HashMap<>();
    private final DeviceInfo info;
    private final CudaContext context;
    private final CudaStream stream;

    TestGpu() {
        var driver = DriverSearch.here().driver().orElseThrow();
        info = driver.device(0).info();
        context = driver.device(0).retainContext();
        open.push(context::close);
        stream = context.newStream();
        open.push(stream::close);
    }

    /** From now on a step runs this kernel, which has the same parameters. */
    void exchange(String step, Supplier<Kernel> kernel) {
        exchanged.put(step, kernel);
    }

    DeviceMemory memory(long bytes) {
        DeviceMemory memory = context.allocate(bytes);
        open.push(memory::close);
        return memory;
    }

    long upload(MemorySegment host) {
        DeviceMemory memory = memory(host.byteSize());
        stream.upload(host, memory, 0);
        stream.synchronize();
        return memory.address();
    }

    void download(DeviceMemory from, MemorySegment to) {
        stream.download(from, 0, to);
        stream.synchronize();
    }

    @Override
    public Arch arch() {
        return Arch.ofCapability(info.computeMajor() * 10 + info.computeMinor());
    }

    @Override
    public int multiprocessors() {
        return info.multiprocessors();
    }

    @Override
    public long cacheBytes() {
        return info.l2Bytes();
    }

    @Override
    public long allocate(long bytes) {
        return memory(Math.max(1, bytes)).address();
    }

    @Override
    public void launch(
            String step,
            Object key,
            Supplier<Kernel> kernel,
            int gridX,
            int gridY,
            int gridZ,
            boolean overlapping,
            List<Object> arguments) {
        Kernel code = exchanged.getOrDefault(step, kernel).get();
        CudaModule module = context.load(PtxModule.of(arch(), code).text(), JitOptions.DEFAULT);
        open.push(module::close);
        var function = module.function(code.name());
        if (code.dynamicSharedBytes() > 0) {
            function.allowDynamicShared(code.dynamicSharedBytes());
        }
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
        LaunchShape shape = LaunchShape.of(new Extent(gridX, gridY, gridZ), Extent.of(code.maxThreads()))
                .withSharedBytes(code.dynamicSharedBytes());
        stream.launch(function, shape, packed);
        stream.synchronize();
    }

    @Override
    public void close() {
        while (!open.isEmpty()) {
            open.pop().run();
        }
    }
}
