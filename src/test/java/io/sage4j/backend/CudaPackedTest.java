package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import io.sage4j.AttentionResult;
import io.sage4j.AttentionSpec;
import io.sage4j.DType;
import io.sage4j.GpuStream;
import io.sage4j.Layout;
import io.sage4j.PackedResult;
import io.sage4j.Sage;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaGraph;
import io.sage4j.cuda.CudaStream;
import io.sage4j.cuda.DeviceInfo;
import io.sage4j.cuda.DriverSearch;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.BFloat16;
import io.sage4j.numeric.Float16;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;
import io.sage4j.ptx.kernel.WorkPlan;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Predicate;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Packed sequences on a GPU: whichever way they are queued, with one launch of each kernel for all, side by side, or behind each other in a graph,
 * each gives the bits of a call of its own, but for rows whose keys that call splits ({@link WorkPlan}). Skipped where there is no GPU, unless
 * {@code SAGE4J_REQUIRE_CUDA} is set.
 */
class CudaPackedTest {
    private static final short POISON = (short) 0xFFFF;

    /** How far rows whose keys are split may be from those whose are not: FP8 P is rounded against other maxima. */
    private static final double SPLIT = 0.06;

    private static final double SPLIT_LSE = 4e-3;

    private static final int[] HARD_Q = {1, 63, 64, 0, 65, 127, 129, 1000, 40, 128, 2300, 33, 1, 700, 0};
    private static final int[] HARD_K = {1000, 65, 1, 70, 64, 129, 127, 63, 0, 256, 2300, 2177, 9000, 700, 0};

    /** Tensors on the GPU, and what calls of their own gave of them. */
    private record Case(
            AttentionSpec spec,
            int[] qStarts,
            int[] kStarts,
            List<Tensor> made,
            List<Tensor> sums,
            PackedResult expected) {
        Tensor out() {
            return made.get(3);
        }

        void enqueue(Sage sage, GpuStream stream) {
            sage.enqueuePacked(made.get(0), made.get(1), made.get(2), qStarts, kStarts, spec, out(), sums, stream);
        }
    }

    private static Case make(
            Sage sage,
            Random random,
            AttentionSpec spec,
            DType type,
            int heads,
            int kvHeads,
            int dim,
            int[] qStarts,
            int[] kStarts) {
        int sequences = qStarts.length - 1;
        List<Tensor> host = List.of(
                normal(random, type, spec.layout(), heads, qStarts[sequences], dim),
                normal(random, type, spec.layout(), kvHeads, kStarts[sequences], dim),
                normal(random, type, spec.layout(), kvHeads, kStarts[sequences], dim));
        PackedResult expected = sage.attendPacked(host.get(0), host.get(1), host.get(2), qStarts, kStarts, spec);
        List<Tensor> made = new ArrayList<>();
        for (Tensor t : host) {
            Tensor there = sage.allocate(type, t.shape());
            sage.copy(t, there);
            made.add(there);
        }
        made.add(sage.allocate(type, host.get(0).shape()));
        List<Tensor> sums = spec.lse() ? new ArrayList<>() : null;
        for (AttentionResult sequence : expected.sequences()) {
            sequence.lse().ifPresent(t -> sums.add(sage.allocate(DType.FLOAT32, t.shape())));
        }
        return new Case(spec, qStarts, kStarts, made, sums, expected);
    }

    @ParameterizedTest
    @CsvSource({
        "int8-fp8-sm90, NONE, HND, 64, false, FLOAT16, 32, 8",
        "int8-fp8-sm90, NONE, NHD, 128, true, FLOAT16, 32, 32",
        "int8-fp8-sm90, BOTTOM_RIGHT, NHD, 128, true, BFLOAT16, 24, 8",
        "int8-fp8-sm90, TOP_LEFT, HND, 64, true, BFLOAT16, 40, 40",
        "int8-fp8-sm90, BOTTOM_RIGHT, NHD, 40, false, FLOAT16, 32, 4",
        "int8-fp8-sm90-fast, NONE, NHD, 128, false, FLOAT16, 32, 8",
        "int8-fp8-sm90-fast, TOP_LEFT, NHD, 64, true, FLOAT16, 32, 8",
        "int8-fp8-sm90-f16acc, NONE, NHD, 128, true, FLOAT16, 32, 8",
        "int8-fp8-sm90-f16acc, BOTTOM_RIGHT, HND, 64, false, BFLOAT16, 32, 8",
        "int8-fp16-sm90, TOP_LEFT, NHD, 72, false, FLOAT16, 32, 8",
        "int8-fp16-sm90, NONE, NHD, 128, true, BFLOAT16, 32, 16",
        "int8-fp16-sm90, BOTTOM_RIGHT, HND, 64, true, FLOAT16, 32, 8",
        "int8-fp8-sm90, NONE, NHD, 100, false, FLOAT16, 8, 8",
        "int8-fp16, NONE, NHD, 64, true, FLOAT16, 4, 2"
    })
    void everyWayGivesTheBitsOfCallsOfTheirOwn(
            String variant,
            AttentionSpec.Causal causal,
            Layout layout,
            int dim,
            boolean lse,
            DType type,
            int heads,
            int kvHeads) {
        NativeGpu.orSkip();
        long seed = new Random().nextLong();
        System.out.println("CudaPackedTest seed " + seed);
        Random random = new Random(seed);
        AttentionSpec spec = AttentionSpec.builder()
                .variant(Variant.of(variant))
                .causal(causal)
                .layout(layout)
                .lse(lse)
                .watchV(false)
                .build();
        try (Sage sage = Sage.open(Backends.CUDA);
                CudaContext context =
                        DriverSearch.here().driver().orElseThrow().device(0).retainContext();
                CudaStream stream = context.newStream();
                GpuStream ours = sage.stream(stream.handle())) {
            DeviceInfo gpu = context.device().info();
            int whole = 0;
            for (boolean hard : new boolean[] {true, false}) {
                int[] qStarts = hard ? sums(HARD_Q) : starts(random, 24);
                int[] kStarts = hard ? sums(HARD_K) : starts(random, 24);
                Case one = make(sage, random, spec, type, heads, kvHeads, dim, qStarts, kStarts);
                for (int run = 0; run < 2; run++) {
                    poison(sage, one.out());
                    one.enqueue(sage, ours);
                    stream.synchronize();
                    whole += same(sage, one, gpu, false);
                }
                try (CudaGraph graph = stream.capture(() -> one.enqueue(sage, ours))) {
                    poison(sage, one.out());
                    graph.launch(stream);
                    stream.synchronize();
                    same(sage, one, gpu, true);
                }
            }
            System.out.printf("%s head_dim %d: %d rows of heads bit-equal%n", variant, dim, whole);
            assertThat(whole).as("rows that are attended whole alone too").isPositive();
        }
    }

    /** What is queued before the sequences is done before them, and what is queued behind them waits for all: no copy sees half of it. */
    @Test
    void theStreamsOrderHolds() {
        NativeGpu.orSkip();
        long seed = new Random().nextLong();
        System.out.println("CudaPackedTest seed " + seed);
        Random random = new Random(seed);
        int[] starts = starts(random, 40);
        AttentionSpec spec =
                AttentionSpec.builder().variant(Variant.of("int8-fp8-sm90")).build();
        try (Sage sage = Sage.open(Backends.CUDA);
                GpuStream stream = sage.newStream()) {
            Tensor q = normal(random, DType.FLOAT16, Layout.HND, 8, starts[40], 128);
            Tensor dq = sage.allocate(DType.FLOAT16, q.shape());
            Tensor first = sage.allocate(DType.FLOAT16, q.shape());
            Tensor second = sage.allocate(DType.FLOAT16, q.shape());
            sage.copy(q, dq);
            sage.enqueuePacked(dq, dq, dq, starts, starts, spec, first, stream);
            stream.synchronize();
            byte[] once = bytes(sage, first);
            sage.enqueuePacked(first, first, first, starts, starts, spec, second, stream);
            stream.synchronize();
            byte[] twice = bytes(sage, second);
            for (int run = 0; run < 20; run++) {
                poison(sage, first);
                poison(sage, second);
                sage.enqueuePacked(dq, dq, dq, starts, starts, spec, first, stream);
                sage.enqueuePacked(first, first, first, starts, starts, spec, second, stream);
                stream.synchronize();
                assertThat(bytes(sage, first)).isEqualTo(once);
                assertThat(bytes(sage, second)).isEqualTo(twice);
            }
        }
    }

    /**
     * Checks the output and the log-sum-exp against calls of their own.
     *
     * @param alone whether they were calls of their own
     * @return how many rows of heads had to be equal to the bit
     */
    private static int same(Sage sage, Case one, DeviceInfo gpu, boolean alone) {
        AttentionSpec spec = one.spec();
        Scheme scheme = spec.variant().orElseThrow().scheme();
        Tensor found = onHost(sage, one.out());
        Tensor expected = one.expected().output();
        int axis = spec.layout().tokenAxis();
        int heads = (int) found.size(spec.layout().headAxis());
        int kvHeads = (int) one.made().get(1).size(spec.layout().headAxis());
        int dim = (int) found.size(3);
        int equal = 0;
        for (int i = 0; i + 1 < one.qStarts().length; i++) {
            int qoLen = one.qStarts()[i + 1] - one.qStarts()[i];
            int kvLen = one.kStarts()[i + 1] - one.kStarts()[i];
            Tensor o = found.slice(axis, one.qStarts()[i], one.qStarts()[i + 1]);
            Tensor e = expected.slice(axis, one.qStarts()[i], one.qStarts()[i + 1]);
            AttentionShape shape = new AttentionShape(1, heads, kvHeads, qoLen, kvLen, dim);
            Predicate<int[]> isWhole = alone || kvLen == 0
                    ? row -> true
                    : isWhole(shape, scheme, spec.causal().diagonal(qoLen, kvLen), gpu);
            float[] sums = one.sums() == null || qoLen == 0
                    ? null
                    : onHost(sage, one.sums().get(i)).toFloatArray();
            float[] expectedSums = sums == null
                    ? null
                    : one.expected().sequences().get(i).lse().orElseThrow().toFloatArray();
            List<float[]> split = new ArrayList<>();
            for (int head = 0; head < heads; head++) {
                for (int row = 0; row < qoLen; row++) {
                    int at = head * qoLen + row;
                    if (isWhole.test(new int[] {head, row})) {
                        equal++;
                        if (bytes(o, spec.layout(), head, row).mismatch(bytes(e, spec.layout(), head, row)) != -1) {
                            float[] there = row(o, spec.layout(), head, row);
                            float[] wanted = row(e, spec.layout(), head, row);
                            fail("sequence %d head %d row %d: %s, alone %s", i, head, row, list(there), list(wanted));
                        }
                        if (sums != null && sums[at] != expectedSums[at]) {
                            fail(
                                    "lse of sequence %d head %d row %d: %s, alone %s",
                                    i, head, row, sums[at], expectedSums[at]);
                        }
                    } else {
                        split.add(row(o, spec.layout(), head, row));
                        split.add(row(e, spec.layout(), head, row));
                        if (sums != null) {
                            assertThat((double) sums[at])
                                    .as("lse of sequence %d head %d row %d", i, head, row)
                                    .isCloseTo(
                                            expectedSums[at],
                                            Offset.offset(SPLIT_LSE * (1 + Math.abs(expectedSums[at]))));
                        }
                    }
                }
            }
            double difference = 0;
            double size = 0;
            for (int n = 0; n < split.size(); n += 2) {
                for (int d = 0; d < dim; d++) {
                    difference += Math.abs(split.get(n)[d] - (double) split.get(n + 1)[d]);
                    size += Math.abs(split.get(n + 1)[d]);
                }
            }
            assertThat(difference)
                    .as("sequence %d, %d rows", i, split.size() / 2)
                    .isLessThanOrEqualTo(SPLIT * size);
        }
        return equal;
    }

    private static String list(float[] values) {
        return Arrays.toString(Arrays.copyOf(values, Math.min(8, values.length)));
    }

    /** Whether a call of its own attends a head's row whole. */
    private static Predicate<int[]> isWhole(AttentionShape shape, Scheme scheme, int diagonal, DeviceInfo gpu) {
        if (!scheme.tiles().equals(TileShape.WGMMA)) {
            return row -> true;
        }
        WorkPlan.Call call = WorkPlan.Call.of(shape, scheme, diagonal, gpu.multiprocessors(), gpu.l2Bytes(), true);
        WorkPlan plan = shape.qoLen() == 0 ? null : WorkPlan.of(call);
        return row -> plan.isWhole(call, row[0], row[1]);
    }

    private static MemorySegment bytes(Tensor t, Layout layout, int head, int row) {
        long at = head * t.stride(layout.headAxis()) + row * t.stride(layout.tokenAxis());
        return t.data().asSlice(at * Short.BYTES, t.size(3) * Short.BYTES);
    }

    private static float[] row(Tensor t, Layout layout, int head, int row) {
        float[] values = new float[(int) t.size(3)];
        MemorySegment data = bytes(t, layout, head, row);
        for (int d = 0; d < values.length; d++) {
            short bits = data.getAtIndex(ValueLayout.JAVA_SHORT, d);
            values[d] = t.dtype() == DType.FLOAT16 ? Float16.decode(bits) : BFloat16.decode(bits);
        }
        return values;
    }

    private static Tensor onHost(Sage sage, Tensor t) {
        Tensor host = Tensor.allocate(t.dtype(), t.shape());
        sage.copy(t, host);
        return host;
    }

    private static int[] sums(int[] lengths) {
        int[] starts = new int[lengths.length + 1];
        for (int i = 0; i < lengths.length; i++) {
            starts[i + 1] = starts[i] + lengths[i];
        }
        return starts;
    }

    /** Starts of sequences from 0 to 700 tokens, empty ones among them. */
    private static int[] starts(Random random, int sequences) {
        int[] starts = new int[sequences + 1];
        for (int i = 0; i < sequences; i++) {
            starts[i + 1] = starts[i] + (i % 7 == 3 ? 0 : random.nextInt(1, 700));
        }
        return starts;
    }

    private static Tensor normal(Random random, DType type, Layout layout, int heads, int tokens, int dim) {
        Tensor t = layout == Layout.HND
                ? Tensor.allocate(type, 1, heads, tokens, dim)
                : Tensor.allocate(type, 1, tokens, heads, dim);
        short[] drawn = new short[1 << 20];
        for (int n = 0; n < drawn.length; n++) {
            float value = (float) random.nextGaussian();
            drawn[n] = type == DType.FLOAT16 ? Float16.encode(value) : BFloat16.encode(value);
        }
        for (long n = 0; n < t.size(); n += drawn.length) {
            int count = (int) Math.min(drawn.length, t.size() - n);
            int first = count < drawn.length ? random.nextInt(drawn.length - count) : 0;
            MemorySegment.copy(drawn, first, t.data(), ValueLayout.JAVA_SHORT, n * Short.BYTES, count);
        }
        return t;
    }

    private static void poison(Sage sage, Tensor t) {
        Tensor host = Tensor.allocate(t.dtype(), t.shape());
        for (long n = 0; n < t.size(); n++) {
            host.data().setAtIndex(ValueLayout.JAVA_SHORT, n, POISON);
        }
        sage.copy(host, t);
    }

    private static byte[] bytes(Sage sage, Tensor t) {
        Tensor host = t;
        if (t.isOnDevice()) {
            host = Tensor.allocate(t.dtype(), t.shape());
            sage.copy(t, host);
        }
        return host.toSegment().toArray(ValueLayout.JAVA_BYTE);
    }
}
