package io.sage4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.backend.Backends;
import io.sage4j.backend.FakeCuda;
import io.sage4j.cuda.FakeDriver;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tensors in GPU memory, streams and prepared calls, on a driver without a GPU: what is asked of it, and what is refused. */
@SuppressWarnings({"try", "restricted"}) // Closing early and twice is what some tests are about.
class SageDeviceTest {
    private static final AttentionSpec SPEC =
            AttentionSpec.builder().variant(Variant.of("int8-fp8-sm90")).build();
    private static final AttentionSpec WITH_LSE = AttentionSpec.builder()
            .variant(Variant.of("int8-fp8-sm90"))
            .lse(true)
            .build();
    private static final List<String> KERNELS = List.of("sage_clear", "sage_quantize_kv", "sage_wgmma_attention");

    private final FakeDriver fake = new FakeDriver();
    private final Sage sage = new Sage(FakeCuda.named(fake, null));

    @AfterEach
    void nothingIsLeft() {
        sage.close();
        sage.close();
        assertThat(fake.thrown).isEmpty();
        assertThat(fake.live()).isEmpty();
        assertThat(fake.pools).isZero();
        fake.close();
    }

    private Tensor tensor(long... shape) {
        return sage.allocate(DType.FLOAT16, shape);
    }

    private static ByteBuffer argument(FakeDriver.Launch launch, int index) {
        return ByteBuffer.wrap(launch.arguments().get(index)).order(ByteOrder.LITTLE_ENDIAN);
    }

    private List<String> kernels() {
        return fake.launches.stream().map(FakeDriver.Launch::kernel).toList();
    }

    private Map<String, Long> countedCalls() {
        return fake.calls.stream().collect(Collectors.groupingBy(c -> c, Collectors.counting()));
    }

    /** Whether each launch may begin before the one in front has ended (CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION). */
    private List<Boolean> overlapping() {
        return fake.launches.stream().map(l -> l.attributes().containsKey(6)).toList();
    }

    @Test
    void queuedCallLaunchesOnTheStreamAndCopiesNothing() {
        Tensor q = tensor(1, 2, 70, 64);
        Tensor k = tensor(1, 1, 90, 64);
        Tensor v = tensor(1, 1, 90, 64);
        Tensor out = tensor(1, 2, 70, 64);
        Tensor lse = sage.allocate(DType.FLOAT32, 1, 2, 70, 1);
        GpuStream stream = sage.stream(0x42);
        sage.enqueue(q, k, v, WITH_LSE, out, lse, stream);
        assertThat(kernels()).containsExactlyInAnyOrderElementsOf(concat(KERNELS, "sage_lse_correction"));
        assertThat(fake.launches).allSatisfy(l -> assertThat(l.stream()).isEqualTo(0x42));
        // Attention waits for quantize-kv itself, not for the correction between.
        assertThat(overlapping()).containsExactly(false, true, false, false);
        assertThat(fake.calls)
                .noneMatch(c -> c.startsWith("cuMemcpy") || c.endsWith("Synchronize") || c.startsWith("cuMemHost"));
        FakeDriver.Launch quantize = fake.launches.get(1);
        assertThat(argument(quantize, 0).getLong()).isEqualTo(k.address());
        FakeDriver.Launch attend = fake.launches.get(3);
        assertThat(argument(attend, 8).getLong()).isEqualTo(out.address());
        assertThat(argument(attend, 12).getLong()).isEqualTo(lse.address());
        // Scratch memory was taken and given back in stream order.
        assertThat(fake.live()).doesNotContainKey("pooled memory");
        assertThat(countedCalls()).containsEntry("cuMemAllocFromPoolAsync", 1L).containsEntry("cuMemFreeAsync", 1L);
    }

    private static List<String> concat(List<String> list, String more) {
        List<String> all = new ArrayList<>(list);
        all.add(more);
        return all;
    }

    @Test
    void secondCallOnOtherTensorsCompilesNothingAndHasTheirAddresses() {
        GpuStream stream = sage.newStream();
        for (int run = 0; run < 3; run++) {
            Tensor q = tensor(1, 2, 70, 64);
            Tensor k = tensor(1, 2, 70, 64);
            Tensor v = tensor(1, 2, 70, 64);
            Tensor out = tensor(1, 2, 70, 64);
            fake.launches.clear();
            fake.calls.clear();
            sage.enqueue(q, k, v, SPEC, out, stream);
            assertThat(kernels()).containsExactlyElementsOf(KERNELS);
            assertThat(overlapping()).containsExactly(false, true, true);
            assertThat(argument(fake.launches.get(1), 0).getLong()).isEqualTo(k.address());
            assertThat(argument(fake.launches.get(1), 7).getLong()).isEqualTo(v.address());
            assertThat(argument(fake.launches.get(2), 0).getLong()).isEqualTo(q.address());
            assertThat(argument(fake.launches.get(2), 8).getLong()).isEqualTo(out.address());
            assertThat(fake.calls.contains("cuModuleLoadDataEx")).isEqualTo(run == 0);
        }
        assertThat(fake.compiler.compilations).isEqualTo(KERNELS.size());
    }

    @Test
    void addressThatAllowsNoWideLoadsGetsAnotherKernel() {
        GpuStream stream = sage.newStream();
        Tensor all = tensor(1, 2, 71, 64);
        Tensor k = tensor(1, 2, 70, 64);
        Tensor out = tensor(1, 2, 70, 64);
        sage.enqueue(Tensor.ofDevice(all.address(), DType.FLOAT16, 1, 2, 70, 64), k, k, SPEC, out, stream);
        int before = fake.compiler.compilations;
        Tensor odd = Tensor.ofDevice(all.address() + 2, DType.FLOAT16, 1, 2, 70, 64);
        sage.enqueue(odd, k, k, SPEC, out, stream);
        // Q's quantizer, and attention that takes its codes.
        assertThat(fake.compiler.compilations).isEqualTo(before + 2);
        assertThat(argument(fake.launches.get(5), 0).getLong()).isEqualTo(odd.address());
    }

    @Test
    void preparedCallDoesNothingButLaunch() {
        Tensor q = tensor(2, 2, 70, 128);
        Tensor out = tensor(2, 2, 70, 128);
        GpuStream stream = sage.newStream();
        AttentionCall call = sage.prepare(q, q, q, SPEC, out, null, stream, false);
        assertThat(call.output()).isSameAs(out);
        assertThat(call.lse()).isEmpty();
        assertThat(call.scratchBytes()).isGreaterThan(3L * 2 * 2 * 70 * 128);
        assertThat(fake.launches).isEmpty();
        // The counters of quantize-kv, which then count up and down by turns.
        assertThat(fake.calls).containsOnlyOnce("cuMemsetD32Async");
        fake.calls.clear();
        call.enqueue();
        call.enqueue();
        assertThat(countedCalls())
                .containsExactlyInAnyOrderEntriesOf(
                        Map.of("cuCtxPushCurrent_v2", 2L, "cuLaunchKernelEx", 4L, "cuCtxPopCurrent_v2", 2L));
        List<FakeDriver.Launch> launches = fake.launches;
        for (int n = 0; n < 2; n++) {
            assertThat(launches.get(n + 2)).usingRecursiveComparison().isEqualTo(launches.get(n));
        }
        call.close();
        call.close();
        refused(call::enqueue, "this call is closed");
    }

    /** FP16 sums: V is looked through on the GPU, and both kernels are started; nothing is read back. */
    @ParameterizedTest
    @ValueSource(strings = {"int8-fp8-f16acc", "int8-fp8-sm90-f16acc"})
    void watchedCallStartsBothKernelsAndWaitsForNothing(String variant) {
        Tensor q = tensor(1, 2, 70, 64);
        Tensor out = tensor(1, 2, 70, 64);
        AttentionSpec.Builder spec = AttentionSpec.builder().variant(Variant.of(variant));
        String attention = variant.contains("sm90") ? "sage_wgmma_attention" : "sage_mma_attention";
        GpuStream stream = sage.stream(0x42);
        sage.enqueue(q, q, q, spec.build(), out, stream);
        List<String> expected = new ArrayList<>(List.of(
                "sage_token_mean",
                "sage_quantize_qk",
                "sage_quantize_qk",
                "sage_channel_scale",
                "sage_heavy_channels",
                "sage_heavy_sum",
                "sage_quantize_v",
                attention,
                attention));
        if (variant.contains("sm90")) {
            // Each of the two would quantize Q itself.
            expected.remove("sage_quantize_qk");
        }
        assertThat(kernels()).containsExactlyElementsOf(expected);
        assertThat(fake.calls).noneMatch(c -> c.startsWith("cuMemcpy") || c.endsWith("Synchronize"));
        fake.launches.clear();
        sage.enqueue(q, q, q, spec.watchV(false).build(), out, stream);
        expected.removeAll(List.of("sage_heavy_channels", "sage_heavy_sum"));
        expected.removeLast();
        // What need not be watched is quantized at once on Hopper tiles.
        assertThat(kernels()).containsExactlyElementsOf(variant.contains("sm90") ? KERNELS : expected);
    }

    @Test
    void aPreparedCallTellsItsVariantAndOthersAreNotLookedThrough() {
        Tensor q = tensor(1, 2, 70, 64);
        Tensor out = tensor(1, 2, 70, 64);
        GpuStream stream = sage.newStream();
        AttentionSpec open = AttentionSpec.builder().build();
        AttentionSpec narrow =
                AttentionSpec.builder().variant(Variant.INT8_FP8_F16ACC).build();
        try (AttentionCall call = sage.prepare(q, q, q, narrow, out, null, stream, false);
                AttentionCall best = sage.prepare(q, q, q, open, out, null, stream, false)) {
            assertThat(call.variant()).isEqualTo(Variant.INT8_FP8_F16ACC);
            assertThat(call.heavyVChannels()).isZero();
            assertThat(best.variant()).isEqualTo(Variant.of("int8-fp8-sm90"));
            assertThat(best.heavyVChannels()).isEqualTo(-1);
            best.close();
            refused(best::variant, "this call is closed");
        }
    }

    /** The driver's GPU is a Hopper one. */
    @Test
    void aSpecWithoutVariantGetsWhatIsBestForTheGpu() {
        assertThat(sage.variantFor(64)).isEqualTo(Variant.of("int8-fp8-sm90"));
        assertThat(sage.variantFor(160)).isEqualTo(Variant.INT8_FP16);
        Tensor q = tensor(1, 2, 70, 64);
        AttentionResult open = sage.attend(q, q, q);
        assertThat(kernels()).contains("sage_wgmma_attention").doesNotContain("sage_mma_attention");
        assertThat(open.variant()).isEqualTo(Variant.of("int8-fp8-sm90"));
        assertThat(open.variantReason()).isEqualTo("best on sm_90a: FP8 by wgmma; FP8 mma.sync is emulated");
        fake.launches.clear();
        AttentionResult named = sage.attend(
                q, q, q, AttentionSpec.builder().variant(Variant.INT8_FP16).build());
        assertThat(kernels()).contains("sage_mma_attention").doesNotContain("sage_wgmma_attention");
        assertThat(named.variant()).isEqualTo(Variant.INT8_FP16);
        assertThat(named.variantReason()).isEqualTo("asked for by name");
    }

    @Test
    void graphIsCapturedOnceAndReplayed() {
        // Rows that are no whole chunks of 16 bytes: Q has a kernel of its own.
        Tensor q = tensor(1, 1, 128, 60);
        Tensor out = tensor(1, 1, 128, 60);
        // The default stream cannot be captured; a graph is launched on it all the same.
        GpuStream stream = sage.stream(0);
        try (AttentionCall call = sage.prepare(q, q, q, SPEC, out, null, stream, true)) {
            assertThat(countedCalls())
                    .containsEntry("cuStreamBeginCapture_v2", 1L)
                    .containsEntry("cuGraphInstantiateWithFlags", 1L);
            assertThat(kernels()).containsExactly("sage_quantize_kv", "sage_quantize_qk", "sage_wgmma_attention");
            List<Long> streams =
                    fake.launches.stream().map(FakeDriver.Launch::stream).toList();
            assertThat(streams.get(1)).as("Q beside K and V").isNotIn(streams.get(0));
            assertThat(streams.get(2)).as("attention after Q").isEqualTo(streams.get(1));
            // Q's stream after the first one, K and V before attention, at the end the first stream after the other.
            assertThat(countedCalls()).containsEntry("cuStreamWaitEvent", 1L + 1L + 1L);
            assertThat(fake.live()).as("made for the capture").doesNotContainKeys("event", "stream");
            fake.calls.clear();
            call.enqueue();
            call.enqueue();
            assertThat(countedCalls())
                    .containsExactlyInAnyOrderEntriesOf(
                            Map.of("cuCtxPushCurrent_v2", 2L, "cuGraphLaunch", 2L, "cuCtxPopCurrent_v2", 2L));
            assertThat(fake.live()).containsEntry("ready graph", 1L);
        }
        assertThat(fake.live()).doesNotContainKeys("ready graph", "graph");
    }

    @Test
    void closingSageClosesWhatIsLeftAfterWaiting() {
        Tensor q = tensor(1, 1, 128, 64);
        Tensor out = tensor(1, 1, 128, 64);
        GpuStream stream = sage.newStream();
        AttentionCall call = sage.prepare(q, q, q, SPEC, out, null, stream, true);
        fake.calls.clear();
        sage.close();
        assertThat(fake.calls.indexOf("cuCtxSynchronize"))
                .isNotNegative()
                .isLessThan(fake.calls.indexOf("cuModuleUnload"));
        assertThat(fake.live()).isEmpty();
        refused(call::enqueue, "this Sage is closed");
        refused(() -> sage.enqueue(q, q, q, SPEC, out, stream), "this Sage is closed");
        refused(sage::newStream, "this Sage is closed");
        call.close();
        stream.close();
    }

    @Test
    void attendOnGpuTensorsAllocatesItsOutputThere() {
        Tensor q = tensor(1, 2, 70, 64);
        AttentionResult result = sage.attend(q, q, q, WITH_LSE);
        assertThat(result.output().isOnDevice()).isTrue();
        assertThat(result.output()).hasToString("float16[1, 2, 70, 64] on GPU 0");
        assertThat(result.lse().orElseThrow()).hasToString("float32[1, 2, 70, 1] on GPU 0");
        assertThat(result.steps())
                .extracting(AttentionResult.StepTime::name)
                .containsExactly("clear", "quantize-kv", "lse-correction", "attend");
        assertThat(fake.calls).noneMatch(c -> c.startsWith("cuMemcpy"));
        sage.free(result.output());
        sage.free(result.lse().orElseThrow());
        assertThat(fake.live()).containsEntry("memory", 1L);
        refused(() -> sage.free(result.output()), "was freed already");
        fake.fail("cuLaunchKernelEx", 700);
        refused(() -> sage.attend(q, q, q, WITH_LSE), "cuLaunchKernelEx");
        assertThat(fake.live()).as("output of the failed call").containsEntry("memory", 1L);
        fake.fail("cuLaunchKernelEx", 0);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void noKeysGiveZerosAndMinusInfinityAndLeaveTheGapsAlone(boolean prepared) {
        Tensor memory = tensor(1, 1, 1, 200);
        MemorySegment bytes = MemorySegment.ofAddress(memory.address()).reinterpret(400);
        bytes.fill((byte) 0x55);
        Tensor q = tensor(1, 2, 3, 8);
        Tensor k = tensor(1, 1, 0, 8);
        Tensor out = Tensor.ofDevice(
                memory.address(), 0, DType.FLOAT16, new long[] {1, 2, 3, 8}, new long[] {60, 30, 10, 1});
        Tensor lse = sage.allocate(DType.FLOAT32, 1, 2, 3, 1);
        GpuStream stream = sage.newStream();
        if (prepared) {
            sage.prepare(q, k, k, WITH_LSE, out, lse, stream, false).enqueue();
        } else {
            sage.enqueue(q, k, k, WITH_LSE, out, lse, stream);
        }
        assertThat(fake.launches).isEmpty();
        for (int n = 0; n < 200; n++) {
            boolean inside = n < 60 && n % 10 < 8;
            assertThat(bytes.getAtIndex(ValueLayout.JAVA_SHORT, n))
                    .as("element %d", n)
                    .isEqualTo((short) (inside ? 0 : 0x5555));
        }
        MemorySegment sums = MemorySegment.ofAddress(lse.address()).reinterpret(24);
        for (int n = 0; n < 6; n++) {
            assertThat(sums.getAtIndex(ValueLayout.JAVA_FLOAT, n)).isEqualTo(Float.NEGATIVE_INFINITY);
        }
    }

    @Test
    void tensorsAreCopiedThereAndBack() {
        long seed = new Random().nextLong();
        float[] values = new float[2 * 3 * 5 * 7];
        Random random = new Random(seed);
        for (int n = 0; n < values.length; n++) {
            values[n] = random.nextFloat();
        }
        Tensor host = Tensor.of(values, 2, 3, 5, 7);
        Tensor there = sage.allocate(DType.FLOAT32, 2, 3, 5, 7);
        Tensor again = sage.allocate(DType.FLOAT32, 2, 3, 5, 7);
        Tensor back = Tensor.of(new float[values.length], 2, 3, 5, 7);
        sage.copy(host, there);
        sage.copy(there, again);
        sage.copy(again, back);
        assertThat(back.toFloatArray()).as("seed %d", seed).isEqualTo(values);
        refused(() -> sage.copy(host, tensor(2, 3, 5, 7)), "expected equal shapes and types");
        Tensor gaps =
                Tensor.ofDevice(there.address(), 0, DType.FLOAT32, new long[] {1, 1, 2, 3}, new long[] {8, 8, 4, 1});
        refused(() -> sage.copy(gaps, Tensor.of(new float[6], 1, 1, 2, 3)), "contiguous tensors");
        refused(() -> sage.copy(there, there), "shares memory");
    }

    @Test
    void theDriverIsAskedAboutMemoryOfOthersOnly() {
        Tensor q = tensor(1, 2, 70, 64);
        Tensor out = tensor(1, 2, 70, 64);
        Tensor inside = Tensor.ofDevice(q.address() + 2, DType.FLOAT16, 1, 2, 69, 64);
        GpuStream stream = sage.newStream();
        sage.enqueue(inside, q, q, SPEC, Tensor.ofDevice(out.address(), DType.FLOAT16, 1, 2, 69, 64), stream);
        assertThat(countedCalls()).doesNotContainKey("cuPointerGetAttributes");
        try (Sage neighbour = new Sage(FakeCuda.named(fake, null))) {
            Tensor theirs = neighbour.allocate(DType.FLOAT16, 1, 2, 70, 64);
            fake.calls.clear();
            sage.enqueue(q, theirs, q, SPEC, out, stream);
            // Its first byte and its last one.
            assertThat(countedCalls()).containsEntry("cuPointerGetAttributes", 2L);
        }
    }

    @Test
    void whatDoesNotFitIsRefusedBeforeAnythingIsQueued() {
        Tensor q = tensor(1, 2, 70, 64);
        Tensor out = tensor(1, 2, 70, 64);
        Tensor host = Tensor.allocate(DType.FLOAT16, 1, 2, 70, 64);
        GpuStream stream = sage.newStream();
        fake.calls.clear();
        refused(() -> sage.enqueue(q, host, q, SPEC, out, stream), "k is in host memory, q is in GPU memory");
        refused(() -> sage.enqueue(q, q, q, SPEC, host, stream), "out is in host memory, q is in GPU memory");
        refused(() -> sage.enqueue(host, host, host, SPEC, host, stream), "expected GPU memory to queue work on");
        refused(() -> sage.attend(host, host, host, SPEC, out), "out is in GPU memory, q is in host memory");
        refused(() -> sage.enqueue(q, q, q, SPEC, q, stream), "out shares memory with an input");
        refused(() -> sage.enqueue(q, q, q, SPEC, null, stream), "out is null");
        refused(() -> sage.enqueue(q, q, q, SPEC, out, null), "stream is null");
        refused(() -> sage.enqueue(q, q, q, WITH_LSE, out, stream), "expected a tensor for it");
        Tensor lse = sage.allocate(DType.FLOAT32, 1, 2, 70, 1);
        refused(() -> sage.enqueue(q, q, q, SPEC, out, lse, stream), "expected no tensor for it");
        Tensor wrong = sage.allocate(DType.FLOAT32, 1, 70, 2, 1);
        refused(() -> sage.enqueue(q, q, q, WITH_LSE, out, wrong, stream), "expected contiguous float32[1, 2, 70, 1]");
        Tensor elsewhere = Tensor.ofDevice(q.address(), 1, DType.FLOAT16, new long[] {1, 2, 70, 64});
        refused(() -> sage.enqueue(elsewhere, q, q, SPEC, out, stream), "q is on GPU 1, this Sage works on GPU 0");
        Tensor wild = Tensor.ofDevice(0x1000, DType.FLOAT16, 1, 2, 70, 64);
        refused(() -> sage.enqueue(wild, q, q, SPEC, out, stream), "q is at 0x1000, which is no GPU memory");
        Tensor tooLong = Tensor.ofDevice(out.address(), DType.FLOAT16, 1, 2, 71, 64);
        refused(() -> sage.enqueue(q, tooLong, tooLong, SPEC, out, stream), "shares memory with an input");
        refused(() -> sage.enqueue(q, tooLong, tooLong, SPEC, tensor(1, 2, 70, 64), stream), "or was freed");
        Tensor mask = Tensor.of(new float[70 * 70], 1, 1, 70, 70);
        AttentionSpec masked = AttentionSpec.builder()
                .variant(SPEC.variant().orElseThrow())
                .mask(mask)
                .build();
        refused(() -> sage.enqueue(q, q, q, masked, out, stream), "no mask tensor");
        Tensor freed = tensor(1, 2, 70, 64);
        sage.free(freed);
        refused(() -> sage.enqueue(freed, q, q, SPEC, out, stream), "or was freed");
        try (Sage neighbour = new Sage(FakeCuda.named(fake, null))) {
            Tensor theirs = neighbour.allocate(DType.FLOAT16, 1, 2, 70, 64);
            fake.ordinalOfMemory = 1;
            refused(() -> sage.enqueue(q, theirs, q, SPEC, out, stream), "which is memory of GPU 1");
            fake.ordinalOfMemory = 0;
        }
        try (FakeDriver other = new FakeDriver();
                Sage second = new Sage(FakeCuda.named(other, null))) {
            GpuStream foreign = second.newStream();
            refused(() -> sage.enqueue(q, q, q, SPEC, out, foreign), "belongs to another Sage");
        }
        stream.close();
        refused(() -> sage.enqueue(q, q, q, SPEC, out, stream), "a stream is closed");
        assertThat(fake.launches).isEmpty();
        refused(() -> sage.free(host), "was not allocated by this Sage");
    }

    @Test
    void hostBackendsHaveNoGpuTensors() {
        Tensor q = Tensor.ofDevice(0x1000, DType.FLOAT16, 1, 1, 4, 8);
        try (Sage host = Sage.open(Backends.javaKernels())) {
            String name = host.backend();
            refused(
                    () -> host.attend(q, q, q),
                    "q is in GPU memory, which backend " + name + " does not reach; open backend cuda");
            refused(host::newStream, "backend " + name + " has no tensors in GPU memory; open backend cuda");
            refused(() -> host.allocate(DType.FLOAT16, 1, 1, 1, 1), "open backend cuda");
        }
    }

    @Test
    void tensorOfGpuMemory() {
        Tensor t = Tensor.ofDevice(0x7000, 3, DType.BFLOAT16, new long[] {2, 3, 4, 5}, new long[] {100, 30, 6, 1});
        assertThat(t.isOnDevice()).isTrue();
        assertThat(t.gpu()).isEqualTo(3);
        assertThat(t.address()).isEqualTo(0x7000);
        assertThat(t.span()).isEqualTo(100 + 60 + 18 + 5);
        assertThat(t.transpose(1, 2).address()).isEqualTo(0x7000);
        assertThat(t.transpose(1, 2)).hasToString("bfloat16[2, 4, 3, 5] on GPU 3");
        refused(t::data, "cannot be read on the host");
        refused(t::toFloatArray, "cannot be read on the host");
        refused(() -> t.get(0, 0, 0, 0), "cannot be read on the host");
        refused(t::toSegment, "cannot be read on the host");
        refused(() -> Tensor.of(new float[1], 1, 1, 1, 1).address(), "has no device address");
        assertThat(Tensor.of(new float[1], 1, 1, 1, 1).gpu()).isEqualTo(-1);
        refused(() -> Tensor.ofDevice(0, DType.FLOAT16, 1, 1, 1, 1), "expected a positive multiple of 2 bytes");
        refused(() -> Tensor.ofDevice(0x1001, DType.FLOAT16, 1, 1, 1, 1), "0x1001");
        refused(() -> Tensor.ofDevice(0x1002, DType.FLOAT32, 1, 1, 1, 1), "multiple of 4");
        refused(() -> Tensor.ofDevice(0x1000, -2, DType.FLOAT32, new long[] {1, 1, 1, 1}), "GPU is -2");
        refused(() -> Tensor.ofDevice(0x1000, DType.FLOAT32, 1, 1, 1), "4 dimensions");
        long[] far = {Long.MAX_VALUE / 3, 1, 1, 1};
        refused(
                () -> Tensor.ofDevice(0x1000, 0, DType.FLOAT32, new long[] {2, 1, 1, 1}, far),
                "leaves 64-bit addresses");
    }

    private static void refused(ThrowingCallable call, String message) {
        assertThatThrownBy(call).isInstanceOf(SageException.class).hasMessageContaining(message);
    }
}
