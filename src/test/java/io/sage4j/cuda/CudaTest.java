package io.sage4j.cuda;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.SageException;
import io.sage4j.cuda.LaunchShape.Extent;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The handles, against a driver without a GPU. */
@SuppressWarnings("try") // Closing early and twice is what some tests are about.
class CudaTest {
    private static final String PTX = ".version 8.0\n.target sm_90a\n";

    private final FakeDriver fake = new FakeDriver();

    @AfterEach
    void nothingIsLeft() {
        assertThat(fake.thrown).isEmpty();
        assertThat(fake.contextsPushed()).as("contexts left current").isZero();
        assertThat(fake.live()).isEmpty();
        assertThat(fake.pools).as("memory pools left").isZero();
        fake.close();
    }

    @Test
    void deviceIsDescribed() {
        CudaDriver driver = fake.search().driver().orElseThrow();
        assertThat(driver.version()).isEqualTo(13010);
        assertThat(fake.calls).doesNotContain("cuInit");
        assertThat(driver.deviceInfos())
                .containsExactly(
                        new DeviceInfo(0, "Fake GPU 0", 9, 0, 132, 80L << 30, 50 << 20, 227 << 10),
                        new DeviceInfo(1, "Fake GPU 1", 9, 0, 132, 80L << 30, 50 << 20, 227 << 10));
        assertThat(fake.calls).containsOnlyOnce("cuInit");
        refused(() -> driver.device(2), "GPU 2 does not exist, expected 0..1");
        refused(() -> driver.device(-1), "GPU -1");
    }

    @Test
    void aContextOfTheCallersIsLeftAlone() {
        try (CudaContext owner = fake.context()) {
            owner.newStream().close();
            CudaDevice device = fake.search().driver().orElseThrow().device(0);
            CudaContext wrapped = device.wrapContext(FakeDriver.CONTEXT_OF_GPU_0);
            wrapped.newStream();
            wrapped.close();
            assertThat(fake.live()).as("its stream is freed").containsOnlyKeys("context");
            assertThat(fake.calls).doesNotContain("cuDevicePrimaryCtxRelease_v2");
            refused(() -> device.wrapContext(0), "context is 0, expected one of GPU 0");
        }
    }

    @Test
    void everyHandleIsFreedOnceHoweverOftenItIsClosed() {
        fake.kernels.put("k", List.of());
        try (CudaContext context = fake.context()) {
            List<Handle> handles = oneOfEach(context);
            assertThat(fake.live())
                    .containsExactlyInAnyOrderEntriesOf(Map.of(
                            "context", 1L,
                            "stream", 1L,
                            "event", 1L,
                            "memory", 1L,
                            "pooled memory", 1L,
                            "pinned memory", 1L,
                            "page lock", 1L,
                            "module", 1L,
                            "ready graph", 1L));
            for (Handle handle : handles) {
                handle.close();
                int calls = fake.calls.size();
                handle.close();
                assertThat(fake.calls).hasSize(calls);
                refused(handle::use, "is closed");
            }
            assertThat(fake.live()).containsOnlyKeys("context");
            context.close();
            assertThat(fake.live()).isEmpty();
        }
        assertThat(fake.calls).containsOnlyOnce("cuDevicePrimaryCtxRelease_v2");
    }

    @Test
    void contextClosesWhatWasLeftOpenAndIsClosedThen() {
        CudaContext context = fake.context();
        CudaStream stream = (CudaStream) oneOfEach(context).get(0);
        context.close();
        context.close();
        assertThat(fake.live()).isEmpty();
        refused(context::newStream, "the context of GPU 0 is closed");
        refused(context::synchronize, "is closed");
        refused(() -> context.allocate(1), "is closed");
        refused(stream::synchronize, "a stream is closed");
    }

    @Test
    void failureToFreeIsToldAndTheRestIsStillFreed() {
        CudaContext context = fake.context();
        context.newStream();
        context.newEvent();
        DeviceMemory memory = context.allocate(16);
        fake.fail("cuEventDestroy_v2", 700);
        fake.fail("cuStreamDestroy_v2", 700);
        assertThatThrownBy(context::close)
                .isInstanceOf(SageException.class)
                .hasMessage(
                        "closing an event failed: cuEventDestroy_v2: CUDA_ERROR_ILLEGAL_ADDRESS (700), an illegal memory access"
                                + " was encountered")
                .satisfies(e -> assertThat(e.getSuppressed()).singleElement().satisfies(s -> assertThat(s)
                        .hasMessageContaining("cuStreamDestroy_v2")));
        assertThat(memory.isClosed()).isTrue();
        assertThat(fake.live()).containsOnlyKeys("event", "stream");
        fake.fail("cuEventDestroy_v2", 0);
        fake.fail("cuStreamDestroy_v2", 0);
        fake.forgetHandles();
    }

    @ParameterizedTest
    @CsvSource({
        "cuDevicePrimaryCtxRetain, opening the context of GPU 0",
        "cuStreamCreate, making a stream",
        "cuEventCreate, making an event",
        "cuMemAlloc_v2, allocating 64 bytes on GPU 0",
        "cuMemPoolCreate, making a memory pool",
        "cuMemPoolSetAttribute, setting what a memory pool keeps",
        "cuMemAllocFromPoolAsync, allocating 32 bytes in stream order on GPU 0",
        "cuMemHostAlloc, allocating 48 bytes of pinned memory",
        "cuMemHostRegister_v2, pinning 40 bytes of host memory",
        "cuModuleLoadDataEx, compiling a PTX module",
        "cuStreamBeginCapture_v2, starting a capture",
        "cuGraphInstantiateWithFlags, making a graph ready",
        "cuCtxPushCurrent_v2, making the context of GPU 0 current",
        "cuCtxPopCurrent_v2, putting back the context that was current before",
        "cuDeviceGetAttribute, asking GPU 0 for MEMORY_POOLS",
    })
    void failedCallIsNamedAndLeavesNothing(String function, String doing) {
        fake.fail(function, FakeDriver.OUT_OF_MEMORY);
        assertThatThrownBy(() -> {
                    try (CudaContext context = fake.context()) {
                        try {
                            oneOfEach(context);
                        } finally {
                            fake.fail(function, 0);
                            fake.popAll();
                        }
                    }
                })
                .isInstanceOf(SageException.class)
                .hasMessage(doing + " failed: " + function + ": CUDA_ERROR_OUT_OF_MEMORY (2), out of memory")
                .hasCauseInstanceOf(CudaException.class)
                .satisfies(e -> {
                    CudaException cause = (CudaException) e.getCause();
                    assertThat(cause.call()).isEqualTo(function);
                    assertThat(cause.code()).isEqualTo(2);
                    assertThat(cause.errorName()).isEqualTo("CUDA_ERROR_OUT_OF_MEMORY");
                    assertThat(cause.log()).isEmpty();
                });
        fake.popAll();
        fake.forgetHandles();
    }

    @Test
    void errorThatTheDriverHasNoNameFor() {
        fake.fail("cuInit", 12345);
        refused(
                () -> fake.search().driver().orElseThrow().deviceCount(),
                "initialising the driver failed: cuInit: unknown CUDA error (12345), which this driver has no text for");
    }

    @Test
    void initialisationIsTriedAgainAfterAFailure() {
        CudaDriver driver = fake.search().driver().orElseThrow();
        fake.fail("cuInit", 100);
        refused(driver::deviceCount, "cuInit: CUDA_ERROR_NO_DEVICE (100), no CUDA-capable device is detected");
        fake.fail("cuInit", 0);
        assertThat(driver.deviceCount()).isEqualTo(2);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1})
    void memoryIsPooledWhereTheGpuHasPools(int pools) {
        fake.memoryPools = pools;
        try (CudaContext context = fake.context();
                CudaStream stream = context.newStream()) {
            DeviceMemory memory = context.allocate(10, stream);
            assertThat(memory.bytes()).isEqualTo(10);
            assertThat(fake.live()).containsEntry(pools == 1 ? "pooled memory" : "memory", 1L);
            memory.close();
            assertThat(fake.calls.contains("cuMemFreeAsync")).isEqualTo(pools == 1);
            DeviceMemory outlivesItsStream = context.allocate(10, stream);
            stream.close();
            outlivesItsStream.close();
            assertThat(fake.calls).contains("cuMemFree_v2");
            assertThat(fake.live()).containsOnlyKeys("context");
        }
    }

    @Test
    void memoryOfWhichSomeIsPinnedIsNotPinnedAgain() {
        try (CudaContext context = fake.context();
                Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(1000);
            PageLock lock = context.pin(memory.asSlice(200, 300)).orElseThrow();
            assertThat(context.pin(memory)).isEmpty();
            assertThat(context.pin(memory.asSlice(300, 10))).isEmpty();
            assertThat(context.pin(memory.asSlice(490, 100))).isEmpty();
            context.pin(memory.asSlice(500, 500)).orElseThrow();
            lock.close();
            lock.close();
            assertThat(context.pin(memory.asSlice(0, 500))).isPresent();
            refused(() -> context.pin(memory.asSlice(0, 0)), "size is 0 bytes, expected at least 1");
        }
        assertThat(fake.live()).isEmpty();
    }

    @Test
    void dataGoesThereAndBack() {
        long seed = 20260711;
        byte[] data = new byte[1000];
        new Random(seed).nextBytes(data);
        try (CudaContext context = fake.context();
                CudaStream stream = context.newStream();
                DeviceMemory a = context.allocate(1200);
                DeviceMemory b = context.allocate(1200, stream);
                PinnedMemory pinned = context.allocatePinned(1000);
                Arena arena = Arena.ofConfined()) {
            pinned.segment().copyFrom(MemorySegment.ofArray(data));
            stream.fill(b, 0, 1200, (byte) -7);
            stream.upload(pinned.segment(), a, 200);
            stream.copy(a, 200, b, 100, 1000);
            MemorySegment all = arena.allocate(1200);
            stream.download(b, 0, all);
            stream.synchronize();
            byte[] got = all.toArray(JAVA_BYTE);
            for (int i = 0; i < got.length; i++) {
                byte expected = i < 100 || i >= 1100 ? -7 : data[i - 100];
                assertThat(got[i]).as("byte %d, seed %d", i, seed).isEqualTo(expected);
            }
            MemorySegment segment = pinned.segment();
            pinned.close();
            assertThatThrownBy(() -> segment.get(JAVA_BYTE, 0)).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void rangesAreHeldToTheMemory() {
        try (CudaContext context = fake.context();
                CudaContext other = fake.context();
                CudaStream stream = context.newStream();
                DeviceMemory memory = context.allocate(100);
                DeviceMemory elsewhere = other.allocate(100);
                Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(60);
            refused(() -> stream.upload(host, memory, 41), "bytes 41 to 101 leave device memory of 100 bytes");
            refused(() -> stream.download(memory, -1, host), "bytes -1 to 59 leave");
            refused(() -> stream.copy(memory, 0, memory, 50, 51), "bytes 50 to 101 leave");
            refused(() -> stream.fill(memory, Long.MAX_VALUE, 2, (byte) 0), "leave device memory");
            refused(() -> stream.fill(memory, 0, -1, (byte) 0), "leave device memory");
            refused(() -> stream.upload(MemorySegment.ofArray(new byte[4]), memory, 0), "on the Java heap");
            refused(() -> stream.download(memory, 0, host.asReadOnly()), "read-only");
            refused(() -> stream.upload(host, elsewhere, 0), "belongs to another context");
            refused(() -> stream.upload(null, memory, 0), "host memory is null");
            refused(() -> context.allocate(0), "size is 0 bytes, expected at least 1");
            refused(() -> context.wrapMemory(0, 4), "device address is 0");
            stream.upload(host, memory, 40);
            int calls = fake.calls.size();
            stream.fill(memory, 100, 0, (byte) 0);
            assertThat(fake.calls).as("nothing to fill").hasSize(calls);
        }
    }

    @Test
    void callersHandlesAreLeftAlone() {
        try (CudaContext context = fake.context();
                CudaStream stream = context.wrapStream(0x42);
                DeviceMemory memory = context.wrapMemory(0x1000, 8)) {
            assertThat(stream.handle()).isEqualTo(0x42);
            assertThat(memory.address()).isEqualTo(0x1000);
            stream.synchronize();
        }
        assertThat(fake.calls).doesNotContain("cuStreamDestroy_v2", "cuMemFree_v2", "cuMemFreeAsync");
    }

    @Test
    void eventsMeasureFromTheFirstToTheSecond() {
        try (CudaContext context = fake.context();
                CudaStream stream = context.newStream();
                CudaEvent start = context.newEvent();
                CudaEvent end = context.newEvent()) {
            start.record(stream);
            end.record(stream);
            stream.waitFor(end);
            end.synchronize();
            assertThat(end.millisSince(start)).isEqualTo(0.25f);
        }
    }

    @Test
    void jitTakesOptionsAndTells() {
        try (CudaContext context = fake.context();
                CudaModule module = context.load(PTX, new JitOptions(3, 168, true, true))) {
            assertThat(module.log()).isEqualTo("compiled " + PTX.length() + " characters");
            assertThat(fake.compiler.options)
                    .containsEntry(0, 168L)
                    .containsEntry(7, 3L)
                    .containsEntry(12, 1L)
                    .containsEntry(13, 1L);
            context.load(PTX, JitOptions.DEFAULT).close();
            assertThat(fake.compiler.options)
                    .containsOnlyKeys(3, 4, 5, 6, 7, 12, 13)
                    .containsEntry(7, 4L)
                    .containsEntry(12, 0L);
        }
        refused(() -> new JitOptions(5, 0, false, false), "JIT optimization is 5, expected 0..4");
        refused(() -> new JitOptions(4, 256, false, false), "256");
    }

    @Test
    void jitThatFailsShowsItsLog() {
        try (CudaContext context = fake.context()) {
            fake.compiler.error = "ptxas application ptx input, line 3; fatal : Parsing error\nptxas fatal : Aborted\n";
            assertThatThrownBy(() -> context.load(PTX, JitOptions.DEFAULT))
                    .isInstanceOf(SageException.class)
                    .hasMessage(
                            "compiling a PTX module failed: cuModuleLoadDataEx: CUDA_ERROR_INVALID_PTX (218), a PTX JIT"
                                    + " compilation failed; its log: ptxas application ptx input, line 3; fatal : Parsing error"
                                    + " | ptxas fatal : Aborted")
                    .satisfies(e ->
                            assertThat(((CudaException) e.getCause()).log()).isEqualTo(fake.compiler.error));
            fake.compiler.error = "x".repeat(100_000);
            assertThatThrownBy(() -> context.load(PTX, JitOptions.DEFAULT))
                    .satisfies(e ->
                            assertThat(((CudaException) e.getCause()).log()).hasSize(16 * 1024));
        }
    }

    @Test
    void preparedLaunchIsLaunchedManyTimes() {
        String ptx = PTX + ".visible .entry k(\n    .param .u64 p0,\n    .param .f32 p1\n)\n{}\n";
        try (CudaContext context = fake.context();
                CudaStream stream = context.newStream()) {
            try (CudaModule module = context.load(ptx, JitOptions.DEFAULT)) {
                PreparedLaunch launch = new PreparedLaunch(
                        module.function("k"), LaunchShape.of(Extent.of(3), Extent.of(64)), List.of(7L, 0.5f));
                launch.setLong(0, 1L << 50);
                stream.launch(List.of(launch, launch));
                assertThat(fake.launches).hasSize(2);
                assertThat(fake.launches.get(1).dims()).containsExactly(3, 1, 1, 64, 1, 1, 0);
                assertThat(fake.launches.get(1).stream()).isEqualTo(stream.handle());
                assertThat(little(fake.launches.get(1).arguments().get(0)).getLong())
                        .isEqualTo(1L << 50);
                assertThat(little(fake.launches.get(1).arguments().get(1)).getFloat())
                        .isEqualTo(0.5f);
                refused(
                        () -> new PreparedLaunch(
                                module.function("k"), LaunchShape.of(Extent.ONE, Extent.ONE), List.of(7L, 1L)),
                        "got arguments of [8, 8] bytes, expected parameters of [8, 4]");
                fake.fail("cuLaunchKernelEx", FakeDriver.INVALID_VALUE);
                refused(() -> stream.launch(launch), "launching kernel k with 3x1x1 blocks of 64x1x1 threads");
                assertThat(fake.contextsPushed()).isZero();
            }
            assertThat(fake.live()).containsOnlyKeys("context", "stream");
        }
    }

    @Test
    void addressesThatAreNoMemoryOfTheGpuAreRefused() {
        try (CudaContext context = fake.context();
                DeviceMemory memory = context.allocate(100)) {
            context.requireMemory(List.of(new CudaContext.Range("q", memory.address(), 100)));
            assertThat(context.freeBytes()).isEqualTo((80L << 30) - 100);
            refused(
                    () -> context.requireMemory(List.of(new CudaContext.Range("q", memory.address(), 101))),
                    "no GPU memory, or was freed");
            refused(
                    () -> context.requireMemory(List.of(new CudaContext.Range("q", memory.address() - 1, 100))),
                    "q is at 0x");
            refused(
                    () -> context.requireMemory(List.of(new CudaContext.Range("q", 0x10, 4))),
                    "expected 4 bytes of GPU 0");
            fake.ordinalOfMemory = 1;
            refused(
                    () -> context.requireMemory(List.of(new CudaContext.Range("q", memory.address(), 100))),
                    "which is memory of GPU 1");
            fake.ordinalOfMemory = 0;
            long address = memory.address();
            memory.close();
            refused(() -> context.requireMemory(List.of(new CudaContext.Range("q", address, 100))), "was freed");
        }
    }

    @Test
    void launchReceivesShapeAndArguments() {
        fake.kernels.put("attention", List.of(4, 8, 4, 8, 12));
        try (CudaContext context = fake.context();
                CudaStream stream = context.newStream();
                DeviceMemory memory = context.allocate(256);
                CudaModule module = context.load(PTX, JitOptions.DEFAULT)) {
            CudaFunction kernel = module.function("attention");
            assertThat(kernel.attribute(FunctionAttribute.REGISTERS)).isEqualTo(104);
            assertThat(kernel.attribute(FunctionAttribute.LOCAL_BYTES)).isEqualTo(103);
            kernel.allowDynamicShared(200_000);
            assertThat(fake.calls).contains("attention 8=200000");
            byte[] struct = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
            KernelArguments arguments = new KernelArguments()
                    .int32(-5)
                    .int64(1L << 40)
                    .float32(0.1f)
                    .pointer(memory, 16)
                    .struct(MemorySegment.ofArray(struct));
            stream.launch(
                    kernel,
                    LaunchShape.of(new Extent(6, 5, 4), new Extent(128, 2, 1))
                            .withSharedBytes(200_000)
                            .withCluster(Extent.of(2))
                            .withOverlap(),
                    arguments);
            stream.launch(kernel, LaunchShape.of(Extent.of(7), Extent.of(384)).withOverlap(), arguments);
            FakeDriver.Launch first = fake.launches.get(0);
            assertThat(first.kernel()).isEqualTo("attention");
            assertThat(first.dims()).containsExactly(6, 5, 4, 128, 2, 1, 200_000);
            assertThat(first.stream()).isEqualTo(stream.handle());
            assertThat(first.attributes())
                    .containsExactlyInAnyOrderEntriesOf(Map.of(4, List.of(2, 1, 1), 6, List.of(1, 0, 0)));
            assertThat(little(first.arguments().get(0)).getInt()).isEqualTo(-5);
            assertThat(little(first.arguments().get(1)).getLong()).isEqualTo(1L << 40);
            assertThat(little(first.arguments().get(2)).getFloat()).isEqualTo(0.1f);
            assertThat(little(first.arguments().get(3)).getLong()).isEqualTo(memory.address() + 16);
            assertThat(first.arguments().get(4)).isEqualTo(struct);
            assertThat(fake.launches.get(1).dims()).containsExactly(7, 1, 1, 384, 1, 1, 0);
            assertThat(fake.launches.get(1).attributes()).containsOnlyKeys(6);
            memory.close();
            refused(() -> stream.launch(kernel, LaunchShape.of(Extent.ONE, Extent.ONE), arguments), "is closed");
            module.close();
            refused(
                    () -> stream.launch(kernel, LaunchShape.of(Extent.ONE, Extent.ONE), arguments),
                    "a module is closed");
            refused(() -> kernel.attribute(FunctionAttribute.REGISTERS), "a module is closed");
        }
    }

    @Test
    void argumentsThatTheKernelDoesNotTakeAreRefused() {
        fake.kernels.put("k", List.of(8, 4));
        try (CudaContext context = fake.context();
                CudaStream stream = context.newStream();
                CudaModule module = context.load(PTX, JitOptions.DEFAULT)) {
            CudaFunction kernel = module.function("k");
            LaunchShape one = LaunchShape.of(Extent.ONE, Extent.ONE);
            refused(
                    () -> stream.launch(kernel, one, new KernelArguments().int64(1)),
                    "kernel k got arguments of [8] bytes, expected parameters of [8, 4]");
            refused(
                    () -> stream.launch(
                            kernel, one, new KernelArguments().int32(1).int64(1)),
                    "[4, 8]");
            assertThat(fake.launches).isEmpty();
            fake.fail("cuLaunchKernelEx", FakeDriver.INVALID_VALUE);
            refused(
                    () -> stream.launch(
                            kernel,
                            one.withSharedBytes(9),
                            new KernelArguments().int64(1).int32(1)),
                    "launching kernel k with 1x1x1 blocks of 1x1x1 threads and 9 bytes of dynamic shared memory failed:"
                            + " cuLaunchKernelEx: CUDA_ERROR_INVALID_VALUE (1)");
            refused(
                    () -> module.function("none"),
                    "looking for kernel none failed: cuModuleGetFunction: CUDA_ERROR_NOT_FOUND");
        }
    }

    @Test
    void driverThatCannotTellParametersLaunchesUnchecked() {
        fake.missing.add("cuFuncGetParamInfo");
        fake.kernels.put("k", List.of(8));
        try (CudaContext context = fake.context();
                CudaStream stream = context.newStream();
                CudaModule module = context.load(PTX, JitOptions.DEFAULT)) {
            stream.launch(module.function("k"), LaunchShape.of(Extent.ONE, Extent.ONE), new KernelArguments().int64(3));
            assertThat(fake.launches).hasSize(1);
        }
    }

    @Test
    void launchShapesThatCudaDoesNotHave() {
        refused(() -> new Extent(1, 0, 1), "extent is 1x0x1, expected at least 1 each");
        refused(
                () -> LaunchShape.of(Extent.ONE, new Extent(32, 33, 1)),
                "block is 32x33x1 threads, expected at most 1024");
        refused(() -> LaunchShape.of(Extent.ONE, new Extent(1 << 30, 1 << 30, 1 << 30)), "at most 1024");
        refused(() -> LaunchShape.of(new Extent(1, 65536, 1), Extent.ONE), "at most 65535 in y and z");
        refused(
                () -> LaunchShape.of(Extent.of(3), Extent.ONE).withCluster(Extent.of(2)),
                "multiple of the cluster's 2x1x1");
        refused(() -> LaunchShape.of(Extent.ONE, Extent.ONE).withSharedBytes(-1), "dynamic shared memory is -1");
    }

    @Test
    void captureMakesAGraphThatIsLaunched() {
        fake.kernels.put("k", List.of());
        try (CudaContext context = fake.context();
                CudaStream stream = context.newStream();
                DeviceMemory memory = context.allocate(8);
                CudaModule module = context.load(PTX, JitOptions.DEFAULT)) {
            CudaFunction kernel = module.function("k");
            fake.calls.clear();
            CudaGraph graph = stream.capture(() -> {
                stream.fill(memory, 0, 8, (byte) 0);
                stream.launch(kernel, LaunchShape.of(Extent.ONE, Extent.ONE), new KernelArguments());
            });
            graph.launch(stream);
            graph.launch(stream);
            graph.close();
            assertThat(fake.calls)
                    .filteredOn(c -> !c.startsWith("cuCtxP"))
                    .containsExactly(
                            "cuStreamBeginCapture_v2",
                            "cuMemsetD8Async",
                            "cuLaunchKernelEx",
                            "cuStreamEndCapture",
                            "cuGraphInstantiateWithFlags",
                            "cuGraphDestroy",
                            "cuGraphLaunch",
                            "cuGraphLaunch",
                            "cuGraphExecDestroy");
            refused(() -> graph.launch(stream), "a graph is closed");
        }
    }

    @Test
    void captureThatFailsIsEnded() {
        try (CudaContext context = fake.context();
                CudaStream stream = context.newStream()) {
            assertThatThrownBy(() -> stream.capture(stream::synchronize))
                    .isInstanceOf(SageException.class)
                    .hasMessageContaining("cuStreamSynchronize");
            assertThat(fake.live()).containsOnlyKeys("context", "stream");
            stream.synchronize();
            stream.capture(() -> {}).close();
        }
    }

    /** A stream first, then one of every other kind. */
    private static List<Handle> oneOfEach(CudaContext context) {
        CudaStream stream = context.newStream();
        List<Handle> handles = new ArrayList<>(List.of(stream, context.newEvent(), context.allocate(64)));
        handles.add(context.allocate(32, stream));
        handles.add(context.allocatePinned(48));
        handles.add(context.pin(Arena.ofAuto().allocate(40)).orElseThrow());
        handles.add(context.load(PTX, JitOptions.DEFAULT));
        handles.add(stream.capture(() -> {}));
        return handles;
    }

    private static ByteBuffer little(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static void refused(ThrowingCallable call, String message) {
        assertThatThrownBy(call).isInstanceOf(SageException.class).hasMessageContaining(message);
    }
}
