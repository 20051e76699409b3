package io.sage4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.cuda.CudaGraph;
import io.sage4j.cuda.FakeDriver;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Packed sequences on a caller's stream, on a driver without a GPU: how and on which streams they go, and what is refused. */
@SuppressWarnings("restricted") // Addresses of the fake's memory.
class SagePackedDeviceTest {
    private static final AttentionSpec SPEC =
            AttentionSpec.builder().variant(Variant.of("int8-fp8-sm90")).build();
    private static final AttentionSpec WITH_LSE = AttentionSpec.builder()
            .variant(Variant.of("int8-fp8-sm90"))
            .lse(true)
            .build();
    private static final int HEADS = 2;
    private static final int DIM = 64;
    private static final int NARROW_DIM = 60;
    private static final int[] STARTS = {0, 40, 40, 100, 130, 150, 151};
    private static final int[] KV_STARTS = {0, 50, 60, 60, 100, 110, 120};

    private final FakeDriver fake = new FakeDriver();
    private final Sage sage = FakeSage.open(fake);
    private final Tensor q = sage.allocate(DType.FLOAT16, 1, HEADS, 151, DIM);
    private final Tensor k = sage.allocate(DType.FLOAT16, 1, 1, 120, DIM);
    private final Tensor v = sage.allocate(DType.FLOAT16, 1, 1, 120, DIM);
    private final Tensor out = sage.allocate(DType.FLOAT16, 1, HEADS, 151, DIM);

    /** Rows that are no whole chunks of 16 bytes: each sequence is a call of its own. */
    private final Tensor narrowQ = sage.allocate(DType.FLOAT16, 1, HEADS, 151, NARROW_DIM);

    private final Tensor narrowK = sage.allocate(DType.FLOAT16, 1, 1, 120, NARROW_DIM);
    private final Tensor narrowOut = sage.allocate(DType.FLOAT16, 1, HEADS, 151, NARROW_DIM);

    @AfterEach
    void nothingIsLeft() {
        sage.close();
        assertThat(fake.thrown).isEmpty();
        assertThat(fake.live()).isEmpty();
        fake.close();
    }

    private List<FakeDriver.Launch> attention() {
        return fake.launches.stream()
                .filter(l -> l.kernel().equals("sage_wgmma_attention"))
                .toList();
    }

    private static long address(FakeDriver.Launch launch, int argument) {
        return ByteBuffer.wrap(launch.arguments().get(argument))
                .order(ByteOrder.LITTLE_ENDIAN)
                .getLong();
    }

    private long waits() {
        return Collections.frequency(fake.calls, "cuStreamWaitEvent");
    }

    private void enqueueNarrow(int[] starts, int[] kvStarts, GpuStream stream) {
        sage.enqueuePacked(narrowQ, narrowK, narrowK, starts, kvStarts, SPEC, narrowOut, stream);
    }

    @Test
    void allSequencesHaveOneLaunchOfEachKernel() {
        GpuStream stream = sage.stream(0x42);
        for (int run = 0; run < 3; run++) {
            fake.calls.clear();
            fake.launches.clear();
            sage.enqueuePacked(q, k, v, STARTS, KV_STARTS, SPEC, out, stream);
            assertThat(fake.launches)
                    .extracting(FakeDriver.Launch::kernel)
                    .containsExactly("sage_quantize_kv", "sage_wgmma_attention");
            assertThat(fake.launches).extracting(FakeDriver.Launch::stream).containsOnly(0x42L);
            assertThat(Collections.frequency(fake.calls, "cuMemcpyHtoDAsync_v2"))
                    .as("the tables")
                    .isEqualTo(1);
            assertThat(fake.calls.indexOf("cuMemcpyHtoDAsync_v2")).isLessThan(fake.calls.indexOf("cuLaunchKernelEx"));
            // Sequence 2 has no key: its rows, in each head, become 0. Sequence 1 has no query.
            assertThat(fake.calls.contains("cuMemsetD8Async")).isTrue();
            assertThat(fake.calls).noneMatch(c -> c.endsWith("Synchronize") || c.equals("cuStreamWaitEvent"));
            assertThat(fake.calls.contains("cuMemHostAlloc"))
                    .as("kept for the next call")
                    .isEqualTo(run == 0);
            assertThat(fake.live()).doesNotContainKey("pooled memory");
        }
        long pinned = fake.live().get("pinned memory");
        fake.notReady = true;
        sage.enqueuePacked(q, k, v, STARTS, KV_STARTS, SPEC, out, stream);
        assertThat(fake.live().get("pinned memory"))
                .as("what the GPU has not copied yet stays as it is")
                .isEqualTo(pinned + 1);
        fake.notReady = false;
    }

    /** Two rows of two heads would leave the GPU to four work tiles: calls of their own split the keys. */
    @Test
    void fewRowsOfManyKeysAreCallsOfTheirOwn() {
        int keys = 20_000;
        Tensor query = sage.allocate(DType.FLOAT16, 1, HEADS, 2, DIM);
        Tensor to = sage.allocate(DType.FLOAT16, 1, HEADS, 2, DIM);
        Tensor many = sage.allocate(DType.FLOAT16, 1, 1, 2 * keys, DIM);
        sage.enqueuePacked(
                query, many, many, new int[] {0, 1, 2}, new int[] {0, keys, 2 * keys}, SPEC, to, sage.stream(0x42));
        assertThat(fake.launches)
                .filteredOn(l -> l.kernel().equals("sage_join_parts"))
                .hasSize(2);
        assertThat(fake.calls).doesNotContain("cuMemcpyHtoDAsync_v2");
    }

    @Test
    void sequencesGoSideBySideAndTheCallersStreamWaitsForAll() {
        GpuStream stream = sage.stream(0x42);
        for (int run = 0; run < 2; run++) {
            fake.calls.clear();
            fake.launches.clear();
            enqueueNarrow(STARTS, KV_STARTS, stream);
            // Sequence 1 has no query, sequence 2 no key.
            List<FakeDriver.Launch> attention = attention();
            assertThat(attention)
                    .extracting(l -> address(l, 6) - narrowOut.address())
                    .containsExactly(0L, 100L * NARROW_DIM * 2, 130L * NARROW_DIM * 2, 150L * NARROW_DIM * 2);
            assertThat(attention).extracting(FakeDriver.Launch::stream).contains(0x42L);
            long sides = fake.launches.stream()
                    .map(FakeDriver.Launch::stream)
                    .distinct()
                    .filter(s -> s != 0x42)
                    .count();
            assertThat(sides).isEqualTo(1);
            assertThat(waits())
                    .as("the side at its start, the caller's at the end")
                    .isEqualTo(2);
            assertThat(fake.calls.lastIndexOf("cuStreamWaitEvent"))
                    .isGreaterThan(fake.calls.lastIndexOf("cuLaunchKernelEx"));
            assertThat(fake.calls).noneMatch(c -> c.endsWith("Synchronize") || c.startsWith("cuMemcpy"));
            assertThat(fake.calls.contains("cuStreamCreate"))
                    .as("kept for the next call")
                    .isEqualTo(run == 0);
            assertThat(fake.live()).doesNotContainKey("pooled memory");
        }
    }

    @Test
    void aStreamThatIsCapturedGetsThemOneBehindTheOther() {
        GpuStream stream = sage.newStream();
        sage.enqueuePacked(q, k, v, STARTS, KV_STARTS, SPEC, out, stream);
        fake.calls.clear();
        fake.launches.clear();
        try (CudaGraph graph =
                stream.of(sage).capture(() -> sage.enqueuePacked(q, k, v, STARTS, KV_STARTS, SPEC, out, stream))) {
            assertThat(graph).isNotNull();
            assertThat(attention()).hasSize(4);
            assertThat(fake.launches).extracting(FakeDriver.Launch::stream).containsOnly(stream.handle());
            assertThat(waits()).isZero();
        }
    }

    @Test
    void oneSequenceIsAnOrdinaryCall() {
        GpuStream stream = sage.stream(0x42);
        sage.enqueuePacked(q, k, v, new int[] {0, 151}, new int[] {0, 120}, SPEC, out, stream);
        assertThat(waits()).isZero();
        assertThat(fake.launches).extracting(FakeDriver.Launch::stream).containsOnly(0x42L);
    }

    @Test
    void aLaunchThatFailsIsToldAndNothingIsLeftBehind() {
        GpuStream stream = sage.stream(0x42);
        fake.fail("cuLaunchKernelEx", 700);
        refused(() -> enqueueNarrow(STARTS, KV_STARTS, stream), "cuLaunchKernelEx");
        assertThat(fake.live()).doesNotContainKeys("stream", "event", "pooled memory");
        refused(() -> sage.enqueuePacked(q, k, v, STARTS, KV_STARTS, SPEC, out, stream), "cuLaunchKernelEx");
        assertThat(fake.live()).doesNotContainKeys("stream", "pooled memory");
        fake.fail("cuLaunchKernelEx", 0);
        enqueueNarrow(STARTS, KV_STARTS, stream);
        assertThat(attention()).hasSize(4);
        fake.fail("cuMemcpyHtoDAsync_v2", 700);
        long pinned = fake.live().get("pinned memory");
        refused(() -> sage.enqueuePacked(q, k, v, STARTS, KV_STARTS, SPEC, out, stream), "cuMemcpyHtoDAsync");
        assertThat(fake.live().getOrDefault("pinned memory", 0L)).isLessThan(pinned);
        assertThat(fake.live()).doesNotContainKey("pooled memory");
        fake.fail("cuMemcpyHtoDAsync_v2", 0);
        sage.enqueuePacked(q, k, v, STARTS, KV_STARTS, SPEC, out, stream);
        assertThat(attention()).hasSize(5);
    }

    @Test
    void eachSequenceHasALogSumExpOfItsOwn() {
        GpuStream stream = sage.newStream();
        int[] starts = {0, 100, 151};
        int[] kvStarts = {0, 60, 120};
        Tensor first = sage.allocate(DType.FLOAT32, 1, HEADS, 100, 1);
        Tensor second = sage.allocate(DType.FLOAT32, 1, HEADS, 51, 1);
        sage.enqueuePacked(
                narrowQ, narrowK, narrowK, starts, kvStarts, WITH_LSE, narrowOut, List.of(first, second), stream);
        assertThat(attention()).extracting(l -> address(l, 10)).containsExactly(first.address(), second.address());
        fake.launches.clear();
        sage.enqueuePacked(q, k, v, starts, kvStarts, WITH_LSE, out, List.of(first, second), stream);
        assertThat(fake.launches)
                .extracting(FakeDriver.Launch::kernel)
                .containsExactly("sage_quantize_kv", "sage_lse_correction", "sage_wgmma_attention");
        fake.launches.clear();
        refusedLse(starts, kvStarts, WITH_LSE, null, "asks for the log-sum-exp, expected a tensor", stream);
        refusedLse(starts, kvStarts, SPEC, List.of(first, second), "does not ask for the log-sum-exp", stream);
        refusedLse(
                starts, kvStarts, WITH_LSE, List.of(first), "1 tensors for the log-sum-exp, expected one for", stream);
        refusedLse(starts, kvStarts, WITH_LSE, List.of(second, first), "lse is float32[1, 2, 51, 1]", stream);
        refusedLse(starts, kvStarts, WITH_LSE, Arrays.asList(first, null), "expected a tensor for it", stream);
        Tensor inside = Tensor.ofDevice(first.address() + 8, DType.FLOAT32, 1, HEADS, 51, 1);
        refusedLse(starts, kvStarts, WITH_LSE, List.of(first, inside), "share memory", stream);
        Tensor inOut = Tensor.ofDevice(out.address(), DType.FLOAT32, 1, HEADS, 51, 1);
        refusedLse(starts, kvStarts, WITH_LSE, List.of(first, inOut), "lse shares memory", stream);
        assertThat(fake.launches).as("nothing queued").isEmpty();
    }

    private void refusedLse(
            int[] starts, int[] kvStarts, AttentionSpec spec, List<Tensor> lse, String message, GpuStream stream) {
        refused(() -> sage.enqueuePacked(q, k, v, starts, kvStarts, spec, out, lse, stream), message);
    }

    @Test
    void whatDoesNotFitIsRefusedBeforeAnythingIsQueued() {
        GpuStream stream = sage.newStream();
        Tensor host = Tensor.allocate(DType.FLOAT16, 1, HEADS, 151, DIM);
        Tensor hostK = Tensor.allocate(DType.FLOAT16, 1, 1, 120, DIM);
        refused(() -> sage.enqueuePacked(q, k, v, new int[] {0, 99}, KV_STARTS, SPEC, out, stream), "151 tokens last");
        refused(() -> sage.enqueuePacked(q, k, v, STARTS, null, SPEC, out, stream), "cu_seqlens_k");
        refused(() -> sage.enqueuePacked(q, k, v, STARTS, KV_STARTS, SPEC, null, stream), "out");
        refused(() -> sage.enqueuePacked(q, k, v, STARTS, KV_STARTS, SPEC, q, stream), "out shares memory");
        refused(() -> sage.enqueuePacked(q, k, v, STARTS, KV_STARTS, SPEC, host, stream), "expected one place");
        refused(
                () -> sage.enqueuePacked(host, hostK, hostK, STARTS, KV_STARTS, SPEC, host, stream),
                "expected GPU memory to queue work on");
        refused(() -> sage.enqueuePacked(q, k, v, STARTS, KV_STARTS, SPEC, out, null), "stream");
        AttentionSpec plain =
                AttentionSpec.builder().variant(Variant.of("flash")).build();
        refused(() -> sage.enqueuePacked(q, k, v, STARTS, KV_STARTS, plain, out, stream), "quantized variants");
        try (FakeDriver otherFake = new FakeDriver();
                Sage other = FakeSage.open(otherFake);
                GpuStream foreign = other.newStream()) {
            refused(
                    () -> sage.enqueuePacked(q, k, v, STARTS, KV_STARTS, SPEC, out, foreign),
                    "belongs to another Sage");
        }
        assertThat(fake.launches).isEmpty();
    }

    private static void refused(ThrowingCallable call, String message) {
        assertThatThrownBy(call).isInstanceOf(SageException.class).hasMessageContaining(message);
    }
}
