package io.sage4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.AttentionSpec.Causal;
import io.sage4j.backend.Backends;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.BFloat16;
import io.sage4j.oracle.AttentionInputs;
import io.sage4j.oracle.ExactAttention;
import io.sage4j.oracle.Metrics;
import io.sage4j.oracle.RandomInputs;
import io.sage4j.plan.PlanChecks;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** The public entry: what it accepts, what it refuses, and that what comes out is attention. */
class SageTest {
    private static final AttentionShape SHAPE = new AttentionShape(2, 4, 2, 33, 50, 24);

    private static Sage sage;

    private final long seed = new Random().nextLong();

    @BeforeAll
    static void open() {
        sage = Sage.open(Backends.javaKernels());
    }

    @AfterAll
    static void close() {
        sage.close();
    }

    private static Tensor q(AttentionInputs in) {
        AttentionShape s = in.shape();
        return Tensor.of(in.q(), s.batch(), s.qHeads(), s.qoLen(), s.headDim());
    }

    private static Tensor kv(float[] values, AttentionInputs in) {
        AttentionShape s = in.shape();
        return Tensor.of(values, s.batch(), s.kvHeads(), s.kvLen(), s.headDim());
    }

    private AttentionResult attend(AttentionInputs in, AttentionSpec spec) {
        return sage.attend(q(in), kv(in.k(), in), kv(in.v(), in), spec);
    }

    private void assertAccurate(AttentionInputs in, Tensor output, double relativeL1) {
        Metrics m = Metrics.of(ExactAttention.of(in).o(), output.toFloatArray());
        assertThat(m.nonFiniteAgree()).as("seed %d: %s", seed, m).isTrue();
        assertThat(m.relativeL1()).as("seed %d: %s", seed, m).isLessThan(relativeL1);
    }

    @Test
    void the_default_is_sage_attention_2_plus_plus() {
        AttentionInputs in = RandomInputs.normal(SHAPE, seed).rounded(DType.FLOAT32);
        AttentionResult r = sage.attend(q(in), kv(in.k(), in), kv(in.v(), in));
        assertAccurate(in, r.output(), 0.06);
        assertThat(r.lse()).isEmpty();
        assertThat(r.report().vTotal()).isEqualTo(in.v().length);
        assertThat(r.steps())
                .extracting(AttentionResult.StepTime::name)
                .contains("smooth-k", "quantize-q", "quantize-k", "quantize-v", "attend");
        assertThat(r.backend()).isEqualTo(sage.backend());
    }

    @ParameterizedTest
    @EnumSource(Causal.class)
    void causal_alignments_and_lse(Causal causal) {
        AttentionInputs in = RandomInputs.normal(SHAPE, seed).rounded(DType.FLOAT32);
        int diagonal =
                switch (causal) {
                    case NONE -> in.diagonal();
                    case TOP_LEFT -> 0;
                    case BOTTOM_RIGHT -> SHAPE.kvLen() - SHAPE.qoLen();
                };
        AttentionInputs reference = in.withDiagonal(diagonal).withSmScale(0.3f);
        AttentionResult r = attend(
                in,
                AttentionSpec.builder()
                        .variant(Variant.FLASH)
                        .causal(causal)
                        .smScale(0.3)
                        .lse(true)
                        .build());
        assertAccurate(reference, r.output(), 1e-5);
        Metrics lse = Metrics.of(
                ExactAttention.of(reference).lse(), r.lse().orElseThrow().toFloatArray());
        assertThat(lse.relativeL1()).as("seed %d", seed).isLessThan(1e-5);
    }

    @Test
    void layouts_and_strides_do_not_change_the_result() {
        AttentionInputs in = RandomInputs.normal(SHAPE, seed).rounded(DType.FLOAT32);
        float[] expected = attend(in, AttentionSpec.defaults()).output().toFloatArray();
        AttentionSpec nhd = AttentionSpec.builder().layout(Layout.NHD).build();
        // The same memory seen as NHD.
        Tensor seen = sage.attend(
                        q(in).transpose(1, 2),
                        kv(in.k(), in).transpose(1, 2),
                        kv(in.v(), in).transpose(1, 2),
                        nhd)
                .output();
        assertThat(seen.shape()).containsExactly(2, 33, 4, 24);
        assertThat(seen.transpose(1, 2).toFloatArray()).containsExactly(expected);
        // Contiguous NHD memory, and rows with gaps as in a fused QKV projection.
        Tensor gaps = spread(kv(in.k(), in), 7);
        float[] mixed = sage.attend(q(in), gaps, kv(in.v(), in)).output().toFloatArray();
        assertThat(mixed).containsExactly(expected);
    }

    /** The same elements with {@code gap} unused ones after each row. */
    private static Tensor spread(Tensor t, int gap) {
        long row = t.size(3) + gap;
        long[] strides = {t.size(1) * t.size(2) * row, t.size(2) * row, row, 1};
        float[] memory = new float[(int) (t.size(0) * strides[0])];
        Arrays.fill(memory, Float.NaN);
        for (int b = 0; b < t.size(0); b++) {
            for (int h = 0; h < t.size(1); h++) {
                for (int n = 0; n < t.size(2); n++) {
                    for (int d = 0; d < t.size(3); d++) {
                        memory[(int) (b * strides[0] + h * strides[1] + n * row + d)] = t.get(b, h, n, d);
                    }
                }
            }
        }
        return Tensor.of(MemorySegment.ofArray(memory), DType.FLOAT32, t.shape(), strides);
    }

    @Test
    void half_precision_in_and_out() {
        for (DType type : List.of(DType.FLOAT16, DType.BFLOAT16)) {
            AttentionInputs in = RandomInputs.normal(SHAPE, seed).rounded(type);
            Tensor q = encode(q(in), type);
            Tensor out = sage.attend(q, encode(kv(in.k(), in), type), encode(kv(in.v(), in), type))
                    .output();
            assertThat(out.dtype()).isEqualTo(type);
            assertAccurate(in, out, 0.06);
        }
    }

    private static Tensor encode(Tensor t, DType type) {
        Tensor coded = Tensor.allocate(type, t.shape());
        float[] values = t.toFloatArray();
        for (int i = 0; i < values.length; i++) {
            short bits = type == DType.FLOAT16 ? Float.floatToFloat16(values[i]) : BFloat16.encode(values[i]);
            coded.data().set(ValueLayout.JAVA_SHORT, 2L * i, bits);
        }
        return coded;
    }

    @Test
    void masks_of_every_type_agree() {
        AttentionInputs in = RandomInputs.normal(SHAPE, seed).rounded(DType.FLOAT32);
        int rows = SHAPE.qoLen();
        int keys = SHAPE.kvLen();
        Random random = new Random(seed);
        byte[] bits = new byte[rows * keys];
        float[] addends = new float[bits.length];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = (byte) (random.nextInt(3) == 0 ? 0 : 1);
            addends[i] = bits[i] == 0 ? Float.NEGATIVE_INFINITY : 0f;
        }
        Tensor bool = Tensor.of(MemorySegment.ofArray(bits), DType.BOOL, 1, 1, rows, keys);
        Tensor additive = Tensor.of(addends, 1, 1, rows, keys);
        float[] expected = masked(in, bool);
        assertThat(masked(in, additive)).containsExactly(expected);
        assertThat(masked(in, encode(additive, DType.FLOAT16))).containsExactly(expected);
        assertThat(masked(in, encode(additive, DType.BFLOAT16))).containsExactly(expected);
        assertThat(expected)
                .isNotEqualTo(attend(in, AttentionSpec.defaults()).output().toFloatArray());
    }

    private float[] masked(AttentionInputs in, Tensor mask) {
        return attend(in, AttentionSpec.builder().mask(mask).build()).output().toFloatArray();
    }

    @Test
    void the_caller_s_output_is_filled_and_gaps_stay() {
        AttentionInputs in = RandomInputs.normal(SHAPE, seed).rounded(DType.FLOAT32);
        float[] expected = attend(in, AttentionSpec.defaults()).output().toFloatArray();
        Tensor out = spread(q(in), 5);
        AttentionResult r = sage.attend(q(in), kv(in.k(), in), kv(in.v(), in), AttentionSpec.defaults(), out);
        assertThat(r.output()).isSameAs(out);
        assertThat(out.toFloatArray()).containsExactly(expected);
        float[] memory = out.data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
        for (int i = 0; i < memory.length; i++) {
            assertThat(Float.isNaN(memory[i])).as("element %d", i).isEqualTo(i % (24 + 5) >= 24);
        }
    }

    @Test
    void tornado_arrays_are_used_as_they_are() {
        AttentionInputs in = RandomInputs.normal(SHAPE, seed).rounded(DType.FLOAT32);
        float[] expected = attend(in, AttentionSpec.defaults()).output().toFloatArray();
        FloatArray k = FloatArray.fromArray(in.k());
        FloatArray out = new FloatArray(in.q().length);
        Tensor outTensor = Tensor.of(out, 2, 4, 33, 24);
        Tensor kTensor = Tensor.of(k, 2, 2, 50, 24);
        sage.attend(q(in), kTensor, kv(in.v(), in), AttentionSpec.defaults(), outTensor);
        assertThat(out.toHeapArray()).containsExactly(expected);
        // New numbers in the same array reach the next call.
        k.init(0f);
        sage.attend(q(in), kTensor, kv(in.v(), in), AttentionSpec.defaults(), outTensor);
        assertThat(out.toHeapArray()).isNotEqualTo(expected);
    }

    @Test
    void inputs_stay_as_they_are() {
        AttentionInputs in = RandomInputs.normal(SHAPE, seed).biasK(5f).rounded(DType.FLOAT32);
        float[] q = in.q().clone();
        float[] k = in.k().clone();
        float[] v = in.v().clone();
        for (Variant variant : PlanChecks.runnable(Variant.all())) {
            attend(in, AttentionSpec.builder().variant(variant).lse(true).build());
        }
        assertThat(in.q()).containsExactly(q);
        assertThat(in.k()).containsExactly(k);
        assertThat(in.v()).containsExactly(v);
    }

    @Test
    void huge_scores_do_not_push_p_past_its_range() {
        float[] same = new float[64 * 64];
        Arrays.fill(same, 3000f);
        float[] three = new float[same.length];
        Arrays.fill(three, 3f);
        Tensor x = Tensor.of(same, 1, 1, 64, 64);
        Tensor v = Tensor.of(three, 1, 1, 64, 64);
        for (Variant plain : PlanChecks.runnable(Variant.all())) {
            Variant variant = plain.isQuantized()
                    ? plain.with(plain.scheme().withSmoothK(false).withSmoothQ(false))
                    : plain;
            AttentionResult r = sage.attend(
                    x, x, v, AttentionSpec.builder().variant(variant).lse(true).build());
            for (float value : r.output().toFloatArray()) {
                assertThat(value).as(plain.name()).isBetween(2.95f, 3.05f);
            }
            double exact = 64 * 9e6 / 8 + Math.log(64);
            assertThat(r.lse().orElseThrow().get(0, 0, 0, 0) / exact)
                    .as(plain.name())
                    .isBetween(1 - 1e-5, 1 + 1e-5);
        }
    }

    @Test
    void threads_side_by_side_get_their_own_results() throws Exception {
        List<AttentionInputs> inputs = new ArrayList<>();
        List<float[]> expected = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            AttentionShape shape = new AttentionShape(1, 2, 1 + i % 2, 20 + 7 * (i / 2), 40, 16);
            inputs.add(RandomInputs.normal(shape, seed + i).rounded(DType.FLOAT32));
            expected.add(
                    attend(inputs.get(i), AttentionSpec.defaults()).output().toFloatArray());
        }
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            List<Future<?>> calls = new ArrayList<>();
            for (int n = 0; n < 64; n++) {
                int i = n % inputs.size();
                calls.add(threads.submit(() -> assertThat(attend(inputs.get(i), AttentionSpec.defaults())
                                .output()
                                .toFloatArray())
                        .containsExactly(expected.get(i))));
            }
            for (Future<?> call : calls) {
                call.get();
            }
        }
    }

    @Test
    void no_keys_and_no_queries() {
        Tensor none = Tensor.of(new float[0], 1, 1, 0, 8);
        Tensor one = Tensor.of(new float[] {1, 2, 3, 4, 5, 6, 7, 8}, 1, 1, 1, 8);
        AttentionSpec lse = AttentionSpec.builder().lse(true).build();
        AttentionResult noKeys = sage.attend(one, none, none, lse);
        assertThat(noKeys.output().toFloatArray()).containsOnly(0f);
        assertThat(noKeys.lse().orElseThrow().get(0, 0, 0, 0)).isEqualTo(Float.NEGATIVE_INFINITY);
        assertThat(sage.attend(none, one, one, lse).output().size()).isZero();
    }

    /** Rows without keys give 0 under every mask that broadcasts, also one that has elements; without rows there is nothing. */
    @Test
    void a_mask_of_no_keys_or_no_queries_is_not_read() {
        for (DType type : DType.values()) {
            for (Variant variant : List.of(Variant.of("flash"), Variant.INT8_FP8_F16ACC)) {
                for (long[] size : new long[][] {{2, 3, 5, 1}, {1, 1, 1, 1}, {2, 3, 5, 0}, {1, 1, 1, 0}}) {
                    Tensor mask = Tensor.allocate(type, size);
                    AttentionSpec spec =
                            AttentionSpec.builder().variant(variant).mask(mask).build();
                    Tensor out = Tensor.of(filled(2 * 3 * 5 * 8, 7f), 2, 3, 5, 8);
                    sage.attend(zeros(2, 3, 5, 8), zeros(2, 1, 0, 8), zeros(2, 1, 0, 8), spec, out);
                    assertThat(out.toFloatArray()).containsOnly(0f);
                }
                Tensor mask = Tensor.allocate(type, 2, 3, 1, 7);
                AttentionSpec spec =
                        AttentionSpec.builder().variant(variant).mask(mask).build();
                AttentionResult none = sage.attend(zeros(2, 3, 0, 8), zeros(2, 1, 7, 8), zeros(2, 1, 7, 8), spec);
                assertThat(none.output().shape()).containsExactly(2, 3, 0, 8);
            }
        }
    }

    private static float[] filled(int count, float value) {
        float[] values = new float[count];
        Arrays.fill(values, value);
        return values;
    }

    @Test
    void an_output_without_elements_may_have_any_strides() {
        Tensor out = Tensor.of(
                MemorySegment.ofArray(new float[0]), DType.FLOAT32, new long[] {2, 3, 0, 8}, new long[] {0, 0, 8, 1});
        Tensor k = zeros(2, 1, 7, 8);
        assertThat(sage.attend(zeros(2, 3, 0, 8), k, k, AttentionSpec.defaults(), out)
                        .output())
                .isSameAs(out);
    }

    @Test
    void a_variant_is_for_a_head_dim_that_there_is() {
        for (int headDim : new int[] {0, -1, 257}) {
            assertThatThrownBy(() -> sage.variantFor(headDim))
                    .isInstanceOf(SageException.class)
                    .hasMessage("head_dim is " + headDim + ", expected 1..256");
        }
        assertThat(sage.variantFor(256)).isEqualTo(Variant.INT8_FP8_F16ACC);
    }

    @Test
    void what_does_not_fit_is_refused_before_any_work() {
        Tensor q = Tensor.allocate(DType.FLOAT32, 1, 3, 5, 8);
        Tensor k = Tensor.allocate(DType.FLOAT32, 1, 1, 7, 8);
        refused("num_heads is 3, expected a multiple of num_kv_heads 2", q, zeros(1, 2, 7, 8), zeros(1, 2, 7, 8));
        refused("head_dim 4", q, zeros(1, 1, 7, 4), zeros(1, 1, 7, 4));
        refused("expected equal shapes", q, k, zeros(1, 1, 6, 8));
        refused("batch", q, zeros(2, 1, 7, 8), zeros(2, 1, 7, 8));
        refused("v has type float16, expected float32", q, k, Tensor.allocate(DType.FLOAT16, 1, 1, 7, 8));
        refused("q has type bool", Tensor.allocate(DType.BOOL, 1, 3, 5, 8), k, k);
        refused("head_dim is 257, expected 1..256", zeros(1, 1, 1, 257), zeros(1, 1, 1, 257), zeros(1, 1, 1, 257));
        refused("head_dim is 0", zeros(1, 1, 1, 0), zeros(1, 1, 1, 0), zeros(1, 1, 1, 0));
        refused("batch is 0", zeros(0, 1, 1, 8), zeros(0, 1, 1, 8), zeros(0, 1, 1, 8));
        Tensor mask = Tensor.of(new float[6], 1, 1, 1, 6);
        assertThatThrownBy(() ->
                        sage.attend(q, k, k, AttentionSpec.builder().mask(mask).build()))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("float32[1, 1, 1, 6]")
                .hasMessageContaining("[1, 3, 5, 7]");
        assertThatThrownBy(() -> sage.attend(q, k, k, AttentionSpec.defaults(), zeros(1, 3, 4, 8)))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("out is float32[1, 3, 4, 8], expected float32[1, 3, 5, 8]");
        assertThatThrownBy(() -> sage.attend(q, k, k, AttentionSpec.defaults(), q))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("shares memory");
        Tensor folded = Tensor.of(
                MemorySegment.ofArray(new float[120]), DType.FLOAT32, new long[] {1, 3, 5, 8}, new long[] {0, 8, 8, 1});
        assertThatThrownBy(() -> sage.attend(q, k, k, AttentionSpec.defaults(), folded))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("overlap");
        Tensor readOnly = Tensor.of(MemorySegment.ofArray(new float[120]).asReadOnly(), DType.FLOAT32, 1, 3, 5, 8);
        assertThatThrownBy(() -> sage.attend(q, k, k, AttentionSpec.defaults(), readOnly))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("read-only");
        assertThatThrownBy(() -> AttentionSpec.builder().smScale(Double.NaN))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("sm_scale is NaN");
        assertThatThrownBy(() -> AttentionSpec.builder().smScale(3e38))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("sm_scale is 3.0E38");
        refused("k is null", q, null, k);
        assertThatThrownBy(() -> sage.attend(q, k, k, null))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("spec is null");
        assertThatThrownBy(() -> Variant.of("int9"))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("int8-fp8");
    }

    @Test
    @SuppressWarnings("restricted")
    void memory_that_cannot_be_used_is_refused_by_name() throws Exception {
        Tensor q = zeros(1, 1, 5, 8);
        Arena arena = Arena.ofConfined();
        Tensor closed = Tensor.of(arena.allocate(160), DType.FLOAT32, 1, 1, 5, 8);
        try (ExecutorService other = Executors.newSingleThreadExecutor()) {
            other.submit(() -> refused("k is in memory of another thread's confined arena", q, closed, q))
                    .get();
        }
        arena.close();
        refused("v is in memory that was freed", q, q, closed);

        FloatArray shared = new FloatArray(40);
        Tensor out = Tensor.of(shared, 1, 1, 5, 8);
        Tensor mask = Tensor.of(shared.getSegment(), DType.FLOAT32, 1, 1, 5, 5);
        AttentionSpec masked = AttentionSpec.builder().mask(mask).build();
        assertThatThrownBy(() -> sage.attend(q, q, q, masked, out))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("shares memory");

        // Never read: the sizes alone are refused.
        MemorySegment large = MemorySegment.ofAddress(4096).reinterpret(1L << 40);
        Tensor k = Tensor.of(large, DType.FLOAT32, new long[] {1, 1 << 15, 1 << 15, 8}, new long[] {0, 1 << 19, 16, 1});
        refused("a TornadoVM array holds at most 2^31 - 1", zeros(1, 1 << 15, 1, 8), k, k);
    }

    private static Tensor zeros(long... shape) {
        return Tensor.allocate(DType.FLOAT32, shape);
    }

    private static void refused(String message, Tensor q, Tensor k, Tensor v) {
        assertThatThrownBy(() -> sage.attend(q, k, v))
                .isInstanceOf(SageException.class)
                .hasMessageContaining(message);
    }

    @Test
    void a_backend_asked_for_by_name_runs_or_says_why_not() {
        for (Sage.Backend b : Sage.backends()) {
            if (b.available()) {
                try (Sage named = Sage.open(b.name())) {
                    assertThat(named.backend()).startsWith(b.name());
                    assertThat(named.backendReason()).isEqualTo("asked for by name");
                }
            } else {
                assertThat(b.detail()).isNotBlank();
                assertThatThrownBy(() -> Sage.open(b.name()))
                        .isInstanceOf(SageException.class)
                        .hasMessageContaining(b.detail());
            }
        }
        assertThatThrownBy(() -> Sage.open("gpu"))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("unknown backend 'gpu'")
                .hasMessageContaining("jvm");
        try (Sage auto = Sage.open("auto")) {
            assertThat(auto.backendReason()).startsWith("auto");
        }
    }

    @Test
    void closed_is_closed() {
        Sage closed = Sage.open(Backends.javaKernels());
        closed.close();
        closed.close();
        Tensor t = zeros(1, 1, 1, 8);
        assertThatThrownBy(() -> closed.attend(t, t, t))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("closed");
    }
}
