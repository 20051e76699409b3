package io.sage4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.AttentionSpec.Causal;
import io.sage4j.backend.Backends;
import io.sage4j.cuda.FakeDriver;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.oracle.AttentionInputs;
import io.sage4j.oracle.ExactAttention;
import io.sage4j.oracle.Metrics;
import io.sage4j.oracle.RandomInputs;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Sequences behind each other: each is exact attention of its own, whatever its neighbours hold. */
class PackedAttentionTest {
    private static final int HEADS = 4;
    private static final int KV_HEADS = 2;
    private static final int DIM = 24;

    private final long seed = new Random().nextLong();

    /** Sequences of these lengths; each has a bias of its own in K, which a mean over all of them would leave there. */
    private List<AttentionInputs> sequences(int[] qoLen, int[] kvLen, Causal causal) {
        return IntStream.range(0, qoLen.length)
                .mapToObj(i -> RandomInputs.normal(
                                new AttentionShape(1, HEADS, KV_HEADS, qoLen[i], kvLen[i], DIM), seed + i)
                        .biasK(20f)
                        .rounded(DType.FLOAT32)
                        .withDiagonal(causal.diagonal(qoLen[i], kvLen[i])))
                .toList();
    }

    private static int[] starts(int... lengths) {
        int[] starts = new int[lengths.length + 1];
        for (int i = 0; i < lengths.length; i++) {
            starts[i + 1] = starts[i] + lengths[i];
        }
        return starts;
    }

    /** Lays the parts, each [heads, tokens, DIM], behind each other along the tokens. */
    private static Tensor pack(List<float[]> parts, int heads, Layout layout) {
        int tokens = parts.stream().mapToInt(p -> p.length / heads / DIM).sum();
        float[] all = new float[heads * tokens * DIM];
        for (int h = 0, first = 0; h < heads; h++, first = 0) {
            for (float[] part : parts) {
                int length = part.length / heads / DIM;
                for (int t = 0; t < length; t++, first++) {
                    int row = layout == Layout.HND ? h * tokens + first : first * heads + h;
                    System.arraycopy(part, (h * length + t) * DIM, all, row * DIM, DIM);
                }
            }
        }
        return layout == Layout.HND ? Tensor.of(all, 1, heads, tokens, DIM) : Tensor.of(all, 1, tokens, heads, DIM);
    }

    @ParameterizedTest
    @EnumSource(Layout.class)
    void each_sequence_is_attention_of_its_own(Layout layout) {
        int[] qoLen = {5, 0, 70, 1, 3};
        int[] kvLen = {7, 4, 70, 90, 0};
        List<AttentionInputs> in = sequences(qoLen, kvLen, Causal.BOTTOM_RIGHT);
        AttentionSpec spec = AttentionSpec.builder()
                .layout(layout)
                .causal(Causal.BOTTOM_RIGHT)
                .lse(true)
                .build();
        Tensor q = pack(in.stream().map(AttentionInputs::q).toList(), HEADS, layout);
        Tensor k = pack(in.stream().map(AttentionInputs::k).toList(), KV_HEADS, layout);
        Tensor v = pack(in.stream().map(AttentionInputs::v).toList(), KV_HEADS, layout);
        try (Sage sage = Sage.open(Backends.javaKernels())) {
            PackedResult packed = sage.attendPacked(q, k, v, starts(qoLen), starts(kvLen), spec);
            assertThat(packed.output().shape()).containsExactly(q.shape());
            assertThat(packed.sequences()).hasSize(qoLen.length);
            for (int i = 0; i < qoLen.length; i++) {
                AttentionResult r = packed.sequences().get(i);
                ExactAttention.Result exact = ExactAttention.of(in.get(i));
                Tensor headsFirst =
                        layout == Layout.HND ? r.output() : r.output().transpose(1, 2);
                Metrics o = Metrics.of(exact.o(), headsFirst.toFloatArray());
                assertThat(o.nonFiniteAgree())
                        .as("seed %d, sequence %d: %s", seed, i, o)
                        .isTrue();
                if (qoLen[i] * kvLen[i] > 0) {
                    assertThat(o.relativeL1())
                            .as("seed %d, sequence %d: %s", seed, i, o)
                            .isLessThan(0.06);
                }
                float[] lse = r.lse().orElseThrow().toFloatArray();
                assertThat(lse).hasSize(HEADS * qoLen[i]);
                for (int n = 0; n < lse.length; n++) {
                    if (Double.isInfinite(exact.lse()[n])) {
                        assertThat((double) lse[n]).isEqualTo(exact.lse()[n]);
                    } else {
                        assertThat(Math.abs(lse[n] - exact.lse()[n]))
                                .as("seed %d, sequence %d, row %d", seed, i, n)
                                .isLessThan(0.05);
                    }
                }
            }
            List<float[]> outputs = packed.sequences().stream()
                    .map(r -> layout == Layout.HND ? r.output() : r.output().transpose(1, 2))
                    .map(Tensor::toFloatArray)
                    .toList();
            assertThat(packed.output().toFloatArray())
                    .isEqualTo(pack(outputs, HEADS, layout).toFloatArray());
        }
    }

    @Test
    void nothing_but_the_sequences_is_written_into_the_callers_output() {
        float[] all = new float[HEADS * 12 * DIM];
        Arrays.fill(all, 7f);
        Tensor out = Tensor.of(all, 1, HEADS, 12, DIM).slice(2, 2, 11);
        List<AttentionInputs> in = sequences(new int[] {4, 5}, new int[] {6, 2}, Causal.NONE);
        Tensor q = pack(in.stream().map(AttentionInputs::q).toList(), HEADS, Layout.HND);
        Tensor k = pack(in.stream().map(AttentionInputs::k).toList(), KV_HEADS, Layout.HND);
        Tensor v = pack(in.stream().map(AttentionInputs::v).toList(), KV_HEADS, Layout.HND);
        try (Sage sage = Sage.open(Backends.javaKernels())) {
            PackedResult packed =
                    sage.attendPacked(q, k, v, new int[] {0, 4, 9}, new int[] {0, 6, 8}, AttentionSpec.defaults(), out);
            assertThat(packed.output()).isSameAs(out);
        }
        for (int h = 0; h < HEADS; h++) {
            for (int t = 0; t < 12; t++) {
                boolean untouched = t < 2 || t == 11;
                assertThat(all[(h * 12 + t) * DIM] == 7f)
                        .as("head %d, row %d", h, t)
                        .isEqualTo(untouched);
            }
        }
    }

    @Test
    void on_a_gpu_each_sequence_starts_at_its_rows() {
        try (FakeDriver fake = new FakeDriver();
                Sage sage = FakeSage.open(fake)) {
            Tensor q = sage.allocate(DType.FLOAT16, 1, 100, 2, 64);
            Tensor k = sage.allocate(DType.FLOAT16, 1, 60, 2, 64);
            AttentionSpec spec = AttentionSpec.builder()
                    .layout(Layout.NHD)
                    .variant(Variant.of("int8-fp8-sm90"))
                    .build();
            PackedResult packed = sage.attendPacked(q, k, k, new int[] {0, 40, 100}, new int[] {0, 50, 60}, spec);
            List<Long> outputs = new ArrayList<>();
            fake.launches.stream()
                    .filter(l -> l.kernel().equals("sage_wgmma_attention"))
                    .forEach(l -> outputs.add(ByteBuffer.wrap(l.arguments().get(8))
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .getLong()));
            long first = packed.output().address();
            assertThat(outputs).containsExactly(first, first + 40L * 2 * 64 * 2);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
            0 9     | 0 4 8 | cu_seqlens_q has 2 numbers, cu_seqlens_k 3
            0 4     | 0 8   | cu_seqlens_q is [0, 4], expected 0 first and the 9 tokens last
            1 9     | 0 8   | cu_seqlens_q is [1, 9], expected 0 first
            0 4 9   | 0 8 4 8 | cu_seqlens_k falls from 8 to 4 at position 2
            9       | 0 8   | cu_seqlens_q is [9]
            """)
    void starts_that_do_not_fit_are_refused(String startsQ, String startsK, String message) {
        try (Sage sage = Sage.open(Backends.javaKernels())) {
            Tensor q = Tensor.allocate(DType.FLOAT32, 1, HEADS, 9, DIM);
            Tensor k = Tensor.allocate(DType.FLOAT32, 1, KV_HEADS, 8, DIM);
            assertThatThrownBy(() ->
                            sage.attendPacked(q, k, k, numbers(startsQ), numbers(startsK), AttentionSpec.defaults()))
                    .isInstanceOf(SageException.class)
                    .hasMessageContaining(message);
        }
    }

    private static int[] numbers(String text) {
        return Arrays.stream(text.trim().split(" +"))
                .mapToInt(Integer::parseInt)
                .toArray();
    }

    @Test
    void batches_masks_and_missing_starts_are_refused() {
        int[] starts = {0, 8};
        Tensor two = Tensor.allocate(DType.FLOAT32, 2, HEADS, 8, DIM);
        Tensor one = Tensor.allocate(DType.FLOAT32, 1, HEADS, 8, DIM);
        AttentionSpec masked = AttentionSpec.builder()
                .mask(Tensor.allocate(DType.BOOL, 1, 1, 8, 8))
                .build();
        try (Sage sage = Sage.open(Backends.javaKernels())) {
            assertThatThrownBy(() -> sage.attendPacked(two, two, two, starts, starts, AttentionSpec.defaults()))
                    .isInstanceOf(SageException.class)
                    .hasMessageContaining("expected batch 1");
            assertThatThrownBy(() -> sage.attendPacked(one, one, one, starts, starts, masked))
                    .isInstanceOf(SageException.class)
                    .hasMessageContaining("has a mask");
            assertThatThrownBy(() -> sage.attendPacked(one, one, one, starts, null, AttentionSpec.defaults()))
                    .isInstanceOf(SageException.class)
                    .hasMessageContaining("cu_seqlens_k");
        }
    }
}
