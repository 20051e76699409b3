package io.sage4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sage4j.backend.Backends;
import io.sage4j.backend.FakeCuda;
import io.sage4j.cuda.DriverSearch;
import io.sage4j.cuda.FakeDriver;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.Scheme;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Backend {@code auto} of a machine with a driver that computes nothing: what goes where, and what is said of it. */
class SageAutoTest {
    private static final String NEXT = Backends.javaKernels();

    private final FakeDriver fake = new FakeDriver();
    private Sage auto;

    @BeforeEach
    void open() {
        assumeTrue(NEXT.equals("jvm"), "kernels of many shapes, which a TornadoVM SDK compiles for seconds each");
        auto = FakeSage.auto(fake);
    }

    @AfterEach
    void nothingIsLeft() {
        if (auto != null) {
            auto.close();
            auto.close();
        }
        assertThat(fake.thrown).isEmpty();
        assertThat(fake.live()).isEmpty();
        fake.close();
    }

    private static Tensor halves(long... shape) {
        return Tensor.allocate(DType.FLOAT16, shape);
    }

    private static AttentionSpec spec(Consumer<AttentionSpec.Builder> what) {
        AttentionSpec.Builder builder = AttentionSpec.builder();
        what.accept(builder);
        return builder.build();
    }

    private static void refused(ThrowingCallable call, String message) {
        assertThatThrownBy(call).isInstanceOf(SageException.class).hasMessageContaining(message);
    }

    @Test
    void theFirstExampleOfTheReadmeRunsOnTheGpu() {
        float[] q = new float[2 * 5 * 64];
        long[] shape = {1, 2, 5, 64};
        AttentionResult r = auto.attend(Tensor.of(q, shape), Tensor.of(q, shape), Tensor.of(q, shape));
        assertThat(r.backend()).isEqualTo("cuda");
        assertThat(r.backendReason()).isEqualTo("auto: the fastest");
        assertThat(r.variant().name()).as("of the GPU").isEqualTo("int8-fp8-sm90");
        assertThat(r.inputs()).isEqualTo("float32 rounded to float16");
        assertThat(r.output().dtype()).isEqualTo(DType.FLOAT32);
        assertThat(auto.backend()).isEqualTo("cuda");
        assertThat(auto.backendReason()).isEqualTo("auto: the fastest");
    }

    @Test
    void theDriverIsLeftAloneBeforeACallWantsIt() {
        refused(() -> auto.attend(halves(1, 1, 4, 8), halves(1, 1, 4, 9), halves(1, 1, 4, 8)), "equal shapes");
        assertThat(fake.calls).isEmpty();
        assertThat(auto.backend()).isEqualTo("cuda");
        assertThat(auto.variantFor(64).name()).isEqualTo("int8-fp8-sm90");
        assertThat(fake.calls).contains("cuInit").doesNotContain("cuDevicePrimaryCtxRetain");
        auto.attend(halves(1, 1, 4, 8), halves(1, 1, 4, 8), halves(1, 1, 4, 8));
        assertThat(fake.calls).containsOnlyOnce("cuInit").containsOnlyOnce("cuDevicePrimaryCtxRetain");
    }

    @Test
    void aMaskGoesToTheNextBackendWhichIsToldAndComputes() {
        Random random = new Random(5);
        float[] numbers = new float[2 * 9 * 16];
        for (int n = 0; n < numbers.length; n++) {
            numbers[n] = (float) random.nextGaussian();
        }
        Tensor t = Tensor.of(numbers, 1, 2, 9, 16);
        Tensor mask = Tensor.of(new float[81], 1, 1, 9, 9);
        AttentionResult r = auto.attend(t, t, t, spec(s -> s.mask(mask).lse(true)));
        assertThat(r.backend()).isEqualTo("jvm");
        assertThat(r.backendReason())
                .startsWith("auto: backend cuda takes no mask tensor, no tornado (")
                .endsWith(")");
        assertThat(r.variant().name()).as("of the backend that ran").isEqualTo("int8-fp8-f16acc");
        assertThat(r.inputs()).isEmpty();
        try (Sage jvm = Sage.open("jvm")) {
            AttentionResult named = jvm.attend(t, t, t, spec(s -> s.mask(mask).lse(true)));
            assertThat(r.output().toFloatArray()).isEqualTo(named.output().toFloatArray());
            assertThat(r.lse().orElseThrow().toFloatArray())
                    .isEqualTo(named.lse().orElseThrow().toFloatArray());
        }
        assertThat(fake.calls)
                .as("no context for a call that it does not take")
                .doesNotContain("cuDevicePrimaryCtxRetain");
    }

    /** Whatever the named backend refuses goes on, with its very reason, and nothing else does. */
    @Test
    void oddCallsGoWhereTheNamedBackendTakesThem() {
        long seed = new Random().nextLong();
        System.out.println("SageAutoTest seed " + seed);
        Random random = new Random(seed);
        Map<String, Integer> counts = new TreeMap<>();
        try (FakeDriver other = new FakeDriver();
                Sage cuda = FakeSage.open(other)) {
            for (int n = 0; n < 150; n++) {
                Case c = randomCase(random);
                Optional<String> refusal = Optional.empty();
                try {
                    cuda.attend(c.q, c.k, c.k, c.spec);
                } catch (SageException e) {
                    refusal = Optional.of(e.getMessage());
                }
                AttentionResult r = auto.attend(c.q, c.k, c.k, c.spec);
                assertThat(r.backend()).as("%s: %s", c, refusal).isEqualTo(refusal.isEmpty() ? "cuda" : "jvm");
                if (refusal.isPresent()) {
                    String why = r.backendReason().substring("auto: ".length()).replaceAll(", no tornado .*", "");
                    assertThat(refusal.get()).as("%s", c).startsWith(why + "; ");
                    counts.merge(why.replaceAll("[0-9]+", "N"), 1, Integer::sum);
                }
                counts.merge(r.backend(), 1, Integer::sum);
            }
            assertThat(other.thrown).isEmpty();
        }
        assertThat(counts.keySet()).as("%s", counts).hasSizeGreaterThan(5).contains("cuda", "jvm");
    }

    private record Case(Tensor q, Tensor k, AttentionSpec spec) {
        @Override
        public String toString() {
            return q + " " + k + " " + spec.variant().map(v -> v.name() + " " + v.scheme());
        }
    }

    private static Case randomCase(Random random) {
        DType type = List.of(DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16).get(random.nextInt(3));
        Layout layout = Layout.values()[random.nextInt(2)];
        int dim = List.of(1, 8, 33, 64, 100, 128, 160, 200, 256).get(random.nextInt(9));
        int kvHeads = 1 + random.nextInt(2);
        int heads = kvHeads * (1 + random.nextInt(2));
        int qoLen = random.nextInt(12);
        int kvLen = random.nextInt(12);
        AttentionSpec.Builder spec = AttentionSpec.builder()
                .layout(layout)
                .causal(AttentionSpec.Causal.values()[random.nextInt(3)])
                .lse(random.nextInt(3) == 0)
                .watchV(random.nextBoolean());
        if (random.nextInt(6) == 0) {
            spec.mask(Tensor.allocate(DType.BOOL, 1, 1, 1, kvLen));
        }
        if (random.nextInt(4) > 0) {
            Variant variant = Variant.all().get(random.nextInt(Variant.all().size()));
            spec.variant(variant.isQuantized() ? changed(variant, random) : variant);
        }
        boolean inside = layout == Layout.NHD;
        Tensor q = inside ? Tensor.allocate(type, 1, qoLen, heads, dim) : Tensor.allocate(type, 1, heads, qoLen, dim);
        Tensor k =
                inside ? Tensor.allocate(type, 1, kvLen, kvHeads, dim) : Tensor.allocate(type, 1, kvHeads, kvLen, dim);
        return new Case(q, k, spec.build());
    }

    private static Variant changed(Variant variant, Random random) {
        Scheme s = variant.scheme();
        if (random.nextInt(3) == 0) {
            s = s.withGranularity(Granularity.values()[random.nextInt(Granularity.values().length)]);
        }
        if (random.nextInt(4) == 0) {
            s = s.withSmoothQ(true);
        }
        return variant.with(s);
    }

    /** What no backend computes is refused alike by all, before the driver is asked anything. */
    @Test
    void badInputGetsTheSameErrorEverywhere() {
        Tensor q = halves(1, 2, 4, 8);
        Tensor readOnly = Tensor.of(q.data().asReadOnly(), DType.FLOAT16, 1, 2, 4, 8);
        List<Consumer<Sage>> calls = List.of(
                s -> s.attend(q, halves(1, 3, 4, 8), halves(1, 3, 4, 8)),
                s -> s.attend(q, halves(2, 2, 4, 8), halves(2, 2, 4, 8)),
                s -> s.attend(q, halves(1, 2, 4, 9), halves(1, 2, 4, 9)),
                s -> s.attend(q, Tensor.allocate(DType.FLOAT32, 1, 2, 4, 8), q),
                s -> s.attend(q, q, Tensor.allocate(DType.BFLOAT16, 1, 2, 4, 8)),
                s -> s.attend(halves(1, 2, 4, 300), halves(1, 2, 4, 300), halves(1, 2, 4, 300)),
                s -> s.attend(Tensor.allocate(DType.BOOL, 1, 2, 4, 8), q, q),
                s -> s.attend(q, q, q, null),
                s -> s.attend(null, q, q),
                s -> s.attend(q, q, q, AttentionSpec.defaults(), readOnly),
                s -> s.attend(q, q, q, AttentionSpec.defaults(), q),
                s -> s.attend(q, q, q, spec(b -> b.mask(halves(1, 1, 5, 4)))),
                s -> s.attendPacked(q, q, q, new int[] {0, 3}, new int[] {0, 4}, AttentionSpec.defaults()),
                s -> s.variantFor(257));
        try (FakeDriver other = new FakeDriver();
                Sage cuda = FakeSage.open(other);
                Sage jvm = Sage.open("jvm")) {
            for (int n = 0; n < calls.size(); n++) {
                Consumer<Sage> call = calls.get(n);
                List<String> messages = new ArrayList<>();
                for (Sage sage : List.of(auto, cuda, jvm)) {
                    assertThatThrownBy(() -> call.accept(sage))
                            .as("call %d", n)
                            .isInstanceOf(SageException.class)
                            .satisfies(e -> messages.add(e.getMessage()));
                }
                assertThat(messages).as("call %d", n).containsOnly(messages.get(0));
            }
        }
        assertThat(fake.calls).isEmpty();
    }

    @Test
    void aFailureOfTheGpuIsAnErrorAndNoReasonToGoElsewhere() {
        Tensor t = Tensor.allocate(DType.FLOAT32, 1, 1, 40, 64);
        fake.fail("cuDevicePrimaryCtxRetain", 2);
        refused(
                () -> auto.attend(t, t, t),
                "(starting backend cuda for auto; to do without it open another one by name)");
        fake.fail("cuDevicePrimaryCtxRetain", 0);
        auto.attend(t, t, t);
        for (String function : List.of("cuMemAllocFromPoolAsync", "cuLaunchKernelEx", "cuStreamSynchronize")) {
            fake.fail(function, 2);
            refused(() -> auto.attend(t, t, t), "CUDA_ERROR_OUT_OF_MEMORY");
            fake.fail(function, 0);
            assertThat(auto.attend(t, t, t).backend()).isEqualTo("cuda");
        }
    }

    @Test
    void packedSequencesGoWhereEachIsTaken() {
        Tensor q = Tensor.allocate(DType.FLOAT32, 1, 2, 12, 64);
        int[] starts = {0, 5, 5, 12};
        PackedResult r = auto.attendPacked(q, q, q, starts, starts, AttentionSpec.defaults());
        assertThat(r.sequences()).hasSize(3).allSatisfy(s -> assertThat(s.backend())
                .isEqualTo("cuda"));
        PackedResult plain = auto.attendPacked(q, q, q, starts, starts, spec(s -> s.variant(Variant.FLASH)));
        assertThat(plain.sequences()).allSatisfy(s -> {
            assertThat(s.backend()).isEqualTo("jvm");
            assertThat(s.backendReason()).startsWith("auto: backend cuda computes quantized variants, not flash, no");
        });
    }

    @Test
    void tensorsAndStreamsOfTheGpu() {
        Tensor q = auto.allocate(DType.FLOAT16, 1, 2, 70, 64);
        Tensor out = auto.allocate(DType.FLOAT16, 1, 2, 70, 64);
        AttentionSpec plain = AttentionSpec.defaults();
        GpuStream stream = auto.newStream();
        auto.enqueue(q, q, q, plain, out, stream);
        try (AttentionCall call = auto.prepare(q, q, q, plain, out, null, stream, true)) {
            call.enqueue();
            assertThat(call.variant().name()).isEqualTo("int8-fp8-sm90");
        }
        auto.stream(0x42).close();
        AttentionResult r = auto.attend(q, q, q, plain);
        assertThat(r.backend()).isEqualTo("cuda");
        assertThat(r.output().isOnDevice()).isTrue();
        Tensor host = halves(1, 2, 70, 64);
        auto.copy(host, q);
        auto.free(q);
        refused(() -> auto.free(q), "was not allocated by this Sage");
        Tensor elsewhere = Tensor.ofDevice(0x1000, 1, DType.FLOAT16, new long[] {1, 2, 70, 64});
        refused(() -> auto.attend(elsewhere, elsewhere, elsewhere), "q is on GPU 1, this Sage works on GPU 0");
    }

    /** Nothing but cuda reaches them, so its reason is not the only one. */
    @Test
    void aCallOnGpuTensorsThatCudaDoesNotTakeRunsNowhere() {
        Tensor q = auto.allocate(DType.FLOAT16, 1, 2, 70, 64);
        Tensor mask = Tensor.allocate(DType.BOOL, 1, 1, 1, 70);
        refused(
                () -> auto.attend(q, q, q, spec(s -> s.mask(mask))),
                "no backend takes this call: backend cuda takes no mask tensor; no tornado (");
        refused(
                () -> auto.attend(q, q, q, spec(s -> s.variant(Variant.FLASH))),
                "backend jvm does not reach GPU memory");
        Tensor floats = auto.allocate(DType.FLOAT32, 1, 2, 70, 64);
        refused(
                () -> auto.attend(floats, floats, floats),
                "backend cuda takes float16 and bfloat16 tensors in GPU memory, these are float32");
    }

    @Test
    void withoutADriverAllRunsOnTheNext() {
        DriverSearch none = new DriverSearch(Optional.empty(), Optional.of("no CUDA driver (libcuda.so.1 not found)"));
        noGpu(new Sage(FakeCuda.auto(none)), "no cuda (no CUDA driver (libcuda.so.1 not found))");
        fake.gpus = 0;
        noGpu(FakeSage.auto(fake), "no cuda (the CUDA driver finds no GPU)");
        fake.gpus = 1;
        fake.computeMajor = 6;
        fake.computeMinor = 1;
        noGpu(FakeSage.auto(fake), "no cuda (GPU Fake GPU 0 has ");
        fake.fail("cuInit", 100);
        try (FakeDriver broken = new FakeDriver()) {
            broken.fail("cuInit", 100);
            noGpu(FakeSage.auto(broken), "no cuda (initialising the driver failed: cuInit: CUDA_ERROR_NO_DEVICE (100)");
        }
    }

    private static void noGpu(Sage sage, String why) {
        try (sage) {
            Tensor t = Tensor.allocate(DType.FLOAT32, 1, 1, 3, 8);
            AttentionResult r = sage.attend(t, t, t);
            assertThat(r.backend()).isEqualTo("jvm");
            assertThat(r.backendReason()).startsWith("auto: " + why);
            assertThat(sage.backendReason()).isEqualTo(r.backendReason());
            assertThat(sage.backend()).isEqualTo("jvm");
            Tensor q = Tensor.ofDevice(0x1000, DType.FLOAT16, 1, 1, 4, 8);
            refused(() -> sage.attend(q, q, q), "q is in GPU memory, which backend auto does not reach: " + why);
            refused(sage::newStream, "backend auto has no tensors in GPU memory: " + why);
            refused(() -> sage.allocate(DType.FLOAT16, 1, 1, 1, 1), why);
            refused(() -> sage.enqueue(q, q, q, AttentionSpec.defaults(), q, null), why);
        }
    }
}
