package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.AttentionCall;
import io.sage4j.AttentionResult;
import io.sage4j.AttentionSpec;
import io.sage4j.AttentionSpec.Causal;
import io.sage4j.DType;
import io.sage4j.GpuStream;
import io.sage4j.Layout;
import io.sage4j.Sage;
import io.sage4j.SageException;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaGraph;
import io.sage4j.cuda.CudaStream;
import io.sage4j.cuda.DriverSearch;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Float16;
import io.sage4j.oracle.AttentionInputs;
import io.sage4j.oracle.ExactAttention;
import io.sage4j.oracle.Metrics;
import io.sage4j.oracle.RowIndex;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tensors in GPU memory, streams, graphs, long and large tensors on a GPU. What the kernels compute is held to the model in
 * {@link CudaBackendTest}, on host tensors; here the same call on tensors in GPU memory must give the same bits, and large
 * ones are held to exact attention on sampled rows, within {@link #L1_BOUND}. Skipped where there is no GPU, unless the
 * environment variable {@code SAGE4J_REQUIRE_CUDA} is set.
 */
class CudaDeviceTest {
    private static final double L1_BOUND = 0.06;
    private static final short POISON = (short) 0xFFFF;

    private static Sage sage;
    private static CudaContext context;

    @BeforeAll
    static void open() {
        NativeGpu.orSkip();
        sage = Sage.open(Backends.CUDA);
        context = DriverSearch.here().driver().orElseThrow().device(0).retainContext();
    }

    @AfterAll
    static void close() {
        if (sage != null) {
            sage.close();
            context.close();
        }
    }

    private static long seed(String test) {
        long seed = new Random().nextLong();
        System.out.println("CudaDeviceTest." + test + " seed " + seed);
        return seed;
    }

    /** Normally distributed FP16 numbers on the host. */
    private static Tensor host(Random random, long... shape) {
        Tensor t = Tensor.allocate(DType.FLOAT16, shape);
        for (long n = 0; n < t.size(); n++) {
            t.data().setAtIndex(ValueLayout.JAVA_SHORT, n, Float16.encode((float) random.nextGaussian()));
        }
        return t;
    }

    private static Tensor onGpu(Tensor host) {
        Tensor there = sage.allocate(host.dtype(), host.shape());
        sage.copy(host, there);
        return there;
    }

    private static byte[] bytes(Tensor t) {
        Tensor host = t;
        if (t.isOnDevice()) {
            host = Tensor.allocate(t.dtype(), t.shape());
            sage.copy(t, host);
        }
        return host.toSegment().toArray(ValueLayout.JAVA_BYTE);
    }

    private static void free(Tensor... tensors) {
        for (Tensor t : tensors) {
            sage.free(t);
        }
    }

    private static void poison(Tensor there) {
        Tensor host = Tensor.allocate(there.dtype(), there.shape());
        host.data().fill((byte) POISON);
        sage.copy(host, there);
    }

    private static AttentionSpec spec(String variant, Causal causal, Layout layout, boolean lse) {
        return AttentionSpec.builder()
                .variant(Variant.of(variant))
                .causal(causal)
                .layout(layout)
                .lse(lse)
                .build();
    }

    /** A tensor inside a larger allocation, rows {@code gap} elements apart, at an odd place if asked for. */
    private record Gapped(Tensor memory, Tensor tensor, long offset) {
        static Gapped of(long[] shape, int gap, int offset) {
            long row = shape[3] + gap;
            long[] strides = {shape[1] * shape[2] * row, shape[2] * row, row, 1};
            Tensor memory = sage.allocate(DType.FLOAT16, 1, 1, 1, shape[0] * strides[0] + offset + 8);
            poison(memory);
            return new Gapped(
                    memory, Tensor.ofDevice(memory.address() + 2L * offset, 0, DType.FLOAT16, shape, strides), offset);
        }

        /** The elements, after a check that nothing between them was written. */
        byte[] elements() {
            Tensor all = Tensor.allocate(DType.FLOAT16, memory.shape());
            sage.copy(memory, all);
            MemorySegment data = all.data();
            MemorySegment found = Arena.ofAuto().allocate(2 * tensor.size());
            long row = tensor.stride(2);
            long dim = tensor.size(3);
            for (long n = 0; n < memory.size(); n++) {
                long in = n - offset;
                short bits = data.getAtIndex(ValueLayout.JAVA_SHORT, n);
                if (in >= 0 && in < tensor.span() && in % row < dim) {
                    found.setAtIndex(ValueLayout.JAVA_SHORT, in / row * dim + in % row, bits);
                } else {
                    assertThat(bits).as("element %d between the rows", n).isEqualTo(POISON);
                }
            }
            return found.toArray(ValueLayout.JAVA_BYTE);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"int8-fp8-sm90", "int8-fp8-sm90-f16acc", "int8-fp16-sm90", "int8-fp8", "int8-fp16"})
    void everyWayGivesTheSameBits(String variant) {
        Random random = new Random(seed("everyWayGivesTheSameBits " + variant));
        for (int n = 0; n < 12; n++) {
            int dim = random.nextInt(3) == 0 ? 1 + random.nextInt(128) : 64 << random.nextInt(2);
            int kvHeads = 1 + random.nextInt(2);
            long[] qShape = {1 + random.nextInt(2), kvHeads * (1 + random.nextInt(2)), 1 + random.nextInt(400), dim};
            // Where keys are many and work tiles few, keys are split.
            long[] kShape = {qShape[0], kvHeads, 1 + random.nextInt(n % 3 == 0 ? 4000 : 500), dim};
            Causal causal = Causal.values()[random.nextInt(3)];
            AttentionSpec spec = spec(variant, causal, Layout.HND, true);
            Tensor q = host(random, qShape);
            Tensor k = host(random, kShape);
            Tensor v = host(random, kShape);
            AttentionResult expected = sage.attend(q, k, v, spec);
            byte[] out = bytes(expected.output());
            byte[] lse = bytes(expected.lse().orElseThrow());
            Tensor dq = onGpu(q);
            Tensor dk = onGpu(k);
            Tensor dv = onGpu(v);
            AttentionResult inPlace = sage.attend(dq, dk, dv, spec);
            assertThat(bytes(inPlace.output())).isEqualTo(out);
            assertThat(bytes(inPlace.lse().orElseThrow())).isEqualTo(lse);
            Gapped gapped = Gapped.of(qShape, random.nextInt(4), random.nextInt(3));
            Tensor sums = inPlace.lse().orElseThrow();
            try (GpuStream stream = n % 2 == 0 ? sage.newStream() : sage.stream(0)) {
                poison(sums);
                sage.enqueue(dq, dk, dv, spec, gapped.tensor(), sums, stream);
                stream.synchronize();
                assertThat(gapped.elements()).as("queued").isEqualTo(out);
                assertThat(bytes(sums)).as("queued").isEqualTo(lse);
                for (boolean graph : new boolean[] {false, true}) {
                    try (AttentionCall call = sage.prepare(dq, dk, dv, spec, gapped.tensor(), sums, stream, graph)) {
                        poison(gapped.memory());
                        poison(sums);
                        call.enqueue();
                        call.enqueue();
                        stream.synchronize();
                        assertThat(gapped.elements())
                                .as("prepared, graph %s", graph)
                                .isEqualTo(out);
                        assertThat(bytes(sums)).as("prepared, graph %s", graph).isEqualTo(lse);
                    }
                }
            }
            free(dq, dk, dv, inPlace.output(), sums, gapped.memory());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {300, 3000})
    void callersGraphIsReplayedWithNewNumbers(int keys) {
        Random random = new Random(seed("callersGraphIsReplayedWithNewNumbers"));
        AttentionSpec spec = spec("int8-fp8-sm90", Causal.BOTTOM_RIGHT, Layout.HND, false);
        Tensor q = sage.allocate(DType.FLOAT16, 1, 4, 300, 128);
        Tensor k = sage.allocate(DType.FLOAT16, 1, 4, keys, 128);
        Tensor out = sage.allocate(DType.FLOAT16, 1, 4, 300, 128);
        AttentionResult first = sage.attend(q, k, k, spec);
        assertThat(first.steps().stream().anyMatch(step -> step.name().equals("join-parts")))
                .isEqualTo(keys > 1000);
        sage.free(first.output());
        try (CudaStream stream = context.newStream();
                GpuStream ours = sage.stream(stream.handle());
                CudaGraph queued = stream.capture(() -> sage.enqueue(q, k, k, spec, out, ours));
                AttentionCall call = sage.prepare(q, k, k, spec, out, null, ours, false);
                CudaGraph prepared = stream.capture(call::enqueue)) {
            for (int n = 0; n < 4; n++) {
                Tensor queries = host(random, q.shape());
                Tensor numbers = host(random, k.shape());
                sage.copy(queries, q);
                sage.copy(numbers, k);
                byte[] expected =
                        bytes(sage.attend(queries, numbers, numbers, spec).output());
                for (CudaGraph graph : List.of(queued, prepared)) {
                    poison(out);
                    graph.launch(stream);
                    stream.synchronize();
                    assertThat(bytes(out)).isEqualTo(expected);
                }
            }
        }
        free(q, k, out);
    }

    /**
     * A V too heavy-tailed for FP16 sums, found on the GPU: what runs is the variant with FP32 sums, whichever way the call is
     * started, and a graph that was captured before the numbers were there decides anew at each start.
     */
    @ParameterizedTest
    @CsvSource({
        "int8-fp8-f16acc, 64, int8-fp8", "int8-fp8-f16acc, 128, int8-fp8",
        "int8-fp8-sm90-f16acc, 128, int8-fp8-sm90", "int4-fp8-f16acc, 64, int4-fp8"
    })
    void heavyTailsAreFoundOnTheGpu(String narrow, int dim, String wide) {
        Random random = new Random(seed("heavyTailsAreFoundOnTheGpu"));
        int keys = 250; // so few that the variant named does not split them, which a watched call never does
        AttentionSpec watched = spec(narrow, Causal.NONE, Layout.HND, false);
        Tensor q = host(random, 2, 4, 300, dim);
        Tensor k = host(random, 2, 2, keys, dim);
        Tensor dq = onGpu(q);
        Tensor dk = onGpu(k);
        Tensor dv = sage.allocate(DType.FLOAT16, 2, 2, keys, dim);
        Tensor out = sage.allocate(DType.FLOAT16, q.shape());
        try (CudaStream stream = context.newStream();
                GpuStream ours = sage.stream(stream.handle());
                AttentionCall call = sage.prepare(dq, dk, dv, watched, out, null, ours, false);
                AttentionCall graph = sage.prepare(dq, dk, dv, watched, out, null, ours, true)) {
            assertThat(call.variant().name()).isEqualTo(narrow);
            assertThat(call.heavyVChannels()).isZero();
            sage.free(sage.attend(dq, dk, dv, watched).output());
            try (CudaGraph captured = stream.capture(() -> sage.enqueue(dq, dk, dv, watched, out, ours))) {
                for (int round = 0; round < 4; round++) {
                    boolean heavy = round % 2 == 1;
                    Tensor v = host(random, 2, 2, keys, dim);
                    if (heavy) {
                        // One channel of the last head.
                        for (long n = 3L * keys * dim + 5; n < v.size(); n += dim) {
                            double x = Float16.decode(v.data().getAtIndex(ValueLayout.JAVA_SHORT, n));
                            v.data().setAtIndex(ValueLayout.JAVA_SHORT, n, Float16.encode((float) Math.pow(x, 7)));
                        }
                    }
                    sage.copy(v, dv);
                    String ran = heavy ? wide : narrow;
                    AttentionSpec direct = AttentionSpec.builder()
                            .variant(Variant.of(ran))
                            .watchV(false)
                            .build();
                    byte[] expected = bytes(sage.attend(q, k, v, direct).output());
                    AttentionResult onHost = sage.attend(q, k, v, watched);
                    AttentionResult onGpu = sage.attend(dq, dk, dv, watched);
                    assertThat(bytes(onHost.output())).isEqualTo(expected);
                    assertThat(bytes(onGpu.output())).isEqualTo(expected);
                    for (AttentionResult result : List.of(onHost, onGpu)) {
                        assertThat(result.variant().name()).isEqualTo(ran);
                        assertThat(result.report().heavyVChannels()).isEqualTo(heavy ? 1 : 0);
                    }
                    sage.free(onGpu.output());
                    for (Runnable start : List.<Runnable>of(
                            () -> sage.enqueue(dq, dk, dv, watched, out, ours),
                            call::enqueue,
                            graph::enqueue,
                            () -> captured.launch(stream))) {
                        poison(out);
                        start.run();
                        stream.synchronize();
                        assertThat(bytes(out)).isEqualTo(expected);
                    }
                    for (AttentionCall prepared : List.of(call, graph)) {
                        assertThat(prepared.variant().name()).isEqualTo(ran);
                        assertThat(prepared.heavyVChannels()).isEqualTo(heavy ? 1 : 0);
                    }
                }
            }
        }
        free(dq, dk, dv, out);
    }

    @Test
    void eightThreadsOnEightStreamsWithShapesInterleaved() throws Exception {
        Random random = new Random(seed("eightThreads"));
        List<Tensor> inputs = new ArrayList<>();
        List<AttentionSpec> specs = new ArrayList<>();
        List<byte[]> alone = new ArrayList<>();
        String[] variants = {"int8-fp8-sm90", "int8-fp8", "int8-fp16", "int8-fp8-sm90-f16acc"};
        for (int n = 0; n < 8; n++) {
            Tensor numbers = host(random, 1, 1 + n % 3, 100 + 97 * n, n % 2 == 0 ? 128 : 64);
            inputs.add(onGpu(numbers));
            specs.add(spec(variants[n % 4], Causal.values()[n % 3], Layout.HND, false));
            alone.add(bytes(sage.attend(numbers, numbers, numbers, specs.get(n)).output()));
        }
        ExecutorService threads = Executors.newFixedThreadPool(8);
        try {
            List<Future<?>> done = new ArrayList<>();
            for (int thread = 0; thread < 8; thread++) {
                int first = thread;
                done.add(threads.submit(() -> {
                    List<Tensor> outs = new ArrayList<>();
                    for (Tensor in : inputs) {
                        outs.add(sage.allocate(DType.FLOAT16, in.shape()));
                    }
                    try (GpuStream stream = sage.newStream()) {
                        for (int round = 0; round < 12; round++) {
                            for (int n = 0; n < 64; n++) {
                                int which = (first + n * (1 + round % 3)) % inputs.size();
                                Tensor in = inputs.get(which);
                                sage.enqueue(in, in, in, specs.get(which), outs.get(which), stream);
                            }
                            stream.synchronize();
                            int checked = (first + round) % inputs.size();
                            Tensor in = inputs.get(checked);
                            sage.enqueue(in, in, in, specs.get(checked), outs.get(checked), stream);
                            stream.synchronize();
                            assertThat(bytes(outs.get(checked))).isEqualTo(alone.get(checked));
                        }
                    }
                    outs.forEach(sage::free);
                }));
            }
            for (Future<?> future : done) {
                future.get(5, TimeUnit.MINUTES);
            }
        } finally {
            threads.shutdownNow();
        }
        inputs.forEach(sage::free);
    }

    @Test
    void tenThousandCallsTakeNoMemory() {
        Random random = new Random(seed("tenThousandCalls"));
        Tensor[] q = new Tensor[6];
        Tensor[] out = new Tensor[6];
        Tensor[] host = new Tensor[6];
        for (int n = 0; n < q.length; n++) {
            host[n] = host(random, 1, 2, 64 + 190 * n, n % 2 == 0 ? 128 : 64);
            q[n] = onGpu(host[n]);
            out[n] = sage.allocate(DType.FLOAT16, q[n].shape());
        }
        AttentionSpec spec = spec("int8-fp8-sm90", Causal.TOP_LEFT, Layout.HND, false);
        AttentionSpec mma = spec("int8-fp8", Causal.NONE, Layout.HND, false);
        long before = 0;
        try (GpuStream stream = sage.newStream()) {
            for (int n = 0; n < 10_600; n++) {
                if (n == 600) {
                    stream.synchronize();
                    before = context.freeBytes();
                }
                int which = n % q.length;
                if (n % 100 == 0) {
                    sage.attend(host[which], host[which], host[which], spec);
                } else if (n % 100 == 1) {
                    sage.prepare(q[which], q[which], q[which], spec, out[which], null, stream, n % 200 == 1)
                            .close();
                } else {
                    sage.enqueue(q[which], q[which], q[which], n % 3 == 0 ? mma : spec, out[which], stream);
                }
            }
            stream.synchronize();
        }
        assertThat(context.freeBytes())
                .as("free device memory after 10,000 calls")
                .isGreaterThanOrEqualTo(before);
        free(q);
        free(out);
    }

    /** Normal numbers from a table, so that a large tensor is filled fast; every head starts elsewhere in it. */
    private static final class Table {
        private final Tensor table;
        private final long slack;
        private final Random random;

        Table(Random random, long head, long slack) {
            table = host(random, 1, 1, 1, head + slack);
            this.slack = slack;
            this.random = random;
        }

        /** Fills heads of [heads, tokens, dim] and tells where each begins in the table. */
        long[] fill(Tensor there, long heads, long elements) {
            long[] starts = new long[(int) heads];
            for (int h = 0; h < heads; h++) {
                starts[h] = random.nextLong(slack);
                Tensor part =
                        Tensor.of(table.data().asSlice(2 * starts[h], 2 * elements), DType.FLOAT16, 1, 1, 1, elements);
                sage.copy(part, Tensor.ofDevice(there.address() + 2L * h * elements, DType.FLOAT16, 1, 1, 1, elements));
            }
            return starts;
        }

        float[] values(long start, long count) {
            float[] values = new float[Math.toIntExact(count)];
            for (int n = 0; n < values.length; n++) {
                values[n] = Float16.decode(table.data().getAtIndex(ValueLayout.JAVA_SHORT, start + n));
            }
            return values;
        }
    }

    /** Compares sampled rows of one head with exact attention. */
    private static void checkRows(
            Tensor out,
            Table table,
            int head,
            long qStart,
            long kStart,
            long vStart,
            int qoLen,
            int kvLen,
            int dim,
            Causal causal,
            Random random) {
        List<Integer> rows = new ArrayList<>(List.of(0, qoLen - 1, qoLen / 2));
        for (int n = 0; n < 13; n++) {
            rows.add(random.nextInt(qoLen));
        }
        Tensor there = Tensor.ofDevice(out.address() + 2L * head * qoLen * dim, DType.FLOAT16, 1, 1, qoLen, dim);
        float[] k = table.values(kStart, (long) kvLen * dim);
        float[] v = table.values(vStart, (long) kvLen * dim);
        float[] found = new float[rows.size() * dim];
        double[] exact = new double[found.length];
        for (int n = 0; n < rows.size(); n++) {
            int row = rows.get(n);
            float[] q = table.values(qStart + (long) row * dim, dim);
            AttentionInputs in = AttentionInputs.of(new AttentionShape(1, 1, 1, 1, kvLen, dim), q, k, v)
                    .withSmScale((float) (1 / Math.sqrt(dim)))
                    .withDiagonal(causal == Causal.NONE ? Integer.MAX_VALUE / 4 : row + causal.diagonal(qoLen, kvLen));
            double[] one =
                    ExactAttention.ofRows(in, List.of(new RowIndex(0, 0, 0))).o();
            System.arraycopy(one, 0, exact, n * dim, dim);
            Tensor part = Tensor.allocate(DType.FLOAT16, 1, 1, 1, dim);
            sage.copy(Tensor.ofDevice(there.address() + 2L * row * dim, DType.FLOAT16, 1, 1, 1, dim), part);
            System.arraycopy(part.toFloatArray(), 0, found, n * dim, dim);
        }
        Metrics metrics = Metrics.of(exact, found);
        System.out.println("CudaDeviceTest rows of head " + head + ", " + qoLen + " x " + kvLen + " x " + dim + " "
                + causal + ": " + metrics);
        assertThat(metrics.nonFiniteAgree()).isTrue();
        assertThat(metrics.relativeL1()).isLessThan(L1_BOUND);
    }

    @ParameterizedTest
    @CsvSource({
        "int8-fp8-sm90, 128, NONE",
        "int8-fp8-sm90, 128, TOP_LEFT",
        "int8-fp8-sm90, 64, NONE",
        "int8-fp8-sm90-f16acc, 128, TOP_LEFT",
        "int8-fp8-sm90-fast, 128, NONE",
        "int8-fp16-sm90, 128, NONE",
        "int8-fp16, 128, NONE"
    })
    void lengthsTo131072(String variant, int dim, Causal causal) {
        Random random = new Random(seed("lengthsTo131072 " + variant + dim + causal));
        int tokens = 131_072;
        Table table = new Table(random, (long) tokens * dim, 1 << 20);
        Tensor q = sage.allocate(DType.FLOAT16, 1, 2, tokens, dim);
        Tensor k = sage.allocate(DType.FLOAT16, 1, 2, tokens, dim);
        Tensor v = sage.allocate(DType.FLOAT16, 1, 2, tokens, dim);
        Tensor out = sage.allocate(DType.FLOAT16, 1, 2, tokens, dim);
        long[] qs = table.fill(q, 2, (long) tokens * dim);
        long[] ks = table.fill(k, 2, (long) tokens * dim);
        long[] vs = table.fill(v, 2, (long) tokens * dim);
        poison(out);
        sage.attend(q, k, v, spec(variant, causal, Layout.HND, false), out);
        checkRows(out, table, 1, qs[1], ks[1], vs[1], tokens, tokens, dim, causal, random);
        free(q, k, v, out);
    }

    @ParameterizedTest
    @CsvSource({"int8-fp8-sm90, 131200, 200", "int8-fp8-sm90, 24, 131200", "int8-fp16, 131200, 200"})
    void tensorsOfMoreThan2To31Elements(String variant, int qoLen, int kvLen) {
        Random random = new Random(seed("moreThan2To31 " + variant + qoLen));
        int heads = 128;
        int dim = 128;
        assertThat((long) heads * Math.max(qoLen, kvLen) * dim).isGreaterThan(1L << 31);
        Table table = new Table(random, (long) Math.max(qoLen, kvLen) * dim, 1 << 20);
        Tensor q = sage.allocate(DType.FLOAT16, 1, heads, qoLen, dim);
        Tensor k = sage.allocate(DType.FLOAT16, 1, heads, kvLen, dim);
        Tensor v = sage.allocate(DType.FLOAT16, 1, heads, kvLen, dim);
        Tensor out = sage.allocate(DType.FLOAT16, 1, heads, qoLen, dim);
        long[] qs = table.fill(q, heads, (long) qoLen * dim);
        long[] ks = table.fill(k, heads, (long) kvLen * dim);
        long[] vs = table.fill(v, heads, (long) kvLen * dim);
        try (GpuStream stream = sage.newStream()) {
            sage.enqueue(q, k, v, spec(variant, Causal.NONE, Layout.HND, false), out, stream);
            stream.synchronize();
        }
        for (int head : new int[] {0, heads / 2, heads - 1}) {
            checkRows(out, table, head, qs[head], ks[head], vs[head], qoLen, kvLen, dim, Causal.NONE, random);
        }
        free(q, k, v, out);
    }

    @Test
    void compiledKernelsAreTakenFromFiles(@TempDir Path folder) throws Exception {
        Random random = new Random(seed("compiledKernels"));
        Tensor q = host(random, 1, 2, 200, 64);
        AttentionSpec spec = spec("int8-fp8-sm90", Causal.TOP_LEFT, Layout.HND, false);
        AttentionResult result = sage.attend(q, q, q, spec);
        byte[] expected = bytes(result.output());
        String before = System.getProperty("sage4j.cache");
        System.setProperty("sage4j.cache", folder.toString());
        try {
            List<Long> nanos = new ArrayList<>();
            for (int n = 0; n < 3; n++) {
                if (n == 2) {
                    try (Stream<Path> files = Files.walk(folder)) {
                        Files.write(
                                files.filter(Files::isRegularFile).findFirst().orElseThrow(), new byte[] {1, 2, 3});
                    }
                }
                long start = System.nanoTime();
                try (Sage fresh = Sage.open(Backends.CUDA)) {
                    assertThat(bytes(fresh.attend(q, q, q, spec).output())).isEqualTo(expected);
                }
                nanos.add((System.nanoTime() - start) / 1_000_000);
            }
            try (Stream<Path> files = Files.walk(folder)) {
                assertThat(files.filter(Files::isRegularFile))
                        .hasSize(result.steps().size());
            }
            System.out.println("CudaDeviceTest first result in ms: compiled, from files, one file bad: " + nanos);
            assertThat(nanos.get(1)).isLessThan(nanos.get(0));
        } finally {
            if (before == null) {
                System.clearProperty("sage4j.cache");
            } else {
                System.setProperty("sage4j.cache", before);
            }
        }
    }

    @Test
    void memoryThatIsNotThereIsRefusedByName() {
        Tensor q = sage.allocate(DType.FLOAT16, 1, 1, 64, 64);
        Tensor out = sage.allocate(DType.FLOAT16, 1, 1, 64, 64);
        AttentionSpec spec = spec("int8-fp8-sm90", Causal.NONE, Layout.HND, false);
        try (GpuStream stream = sage.newStream()) {
            Tensor wild = Tensor.ofDevice(0x10000, DType.FLOAT16, 1, 1, 64, 64);
            assertThatThrownBy(() -> sage.enqueue(wild, q, q, spec, out, stream))
                    .isInstanceOf(SageException.class)
                    .hasMessageContaining("q is at 0x10000, which is no GPU memory");
            sage.enqueue(q, q, q, spec, out, stream);
            stream.synchronize();
        }
        free(q, out);
    }
}
