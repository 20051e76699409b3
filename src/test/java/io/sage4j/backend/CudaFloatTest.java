package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sage4j.AttentionResult;
import io.sage4j.AttentionSpec;
import io.sage4j.AttentionSpec.Causal;
import io.sage4j.DType;
import io.sage4j.GpuStream;
import io.sage4j.Layout;
import io.sage4j.Sage;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.oracle.AttentionInputs;
import io.sage4j.oracle.ExactAttention;
import io.sage4j.oracle.HardData;
import io.sage4j.oracle.Metrics;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * FP32 tensors of the host, and backend {@code auto}, on a GPU; skipped where there is none, unless the environment variable {@code
 * SAGE4J_REQUIRE_CUDA} is set. The kernels themselves are held to the model by {@link CudaBackendTest}: here FP32 must give the very
 * bits that FP16 gives on {@link Tensor#to} of it, and come as near to exact attention on the FP32 numbers as the variant does.
 */
class CudaFloatTest {
    private static Sage auto;

    private final long seed = new Random().nextLong();
    private final Random random = new Random(seed);

    @BeforeAll
    static void open() {
        NativeGpu.orSkip();
        auto = Sage.open();
    }

    @AfterAll
    static void close() {
        if (auto != null) {
            auto.close();
        }
    }

    /** The values as FP32, rows a number of elements apart, in memory of one of three kinds. */
    private static Tensor tensor(Arena arena, float[] values, Layout layout, int heads, int tokens, int dim, int gap) {
        boolean inside = layout == Layout.NHD;
        long batch = values.length / ((long) heads * tokens * dim);
        long row = dim + gap;
        long[] shape = inside ? new long[] {batch, tokens, heads, dim} : new long[] {batch, heads, tokens, dim};
        long[] strides = {row * heads * tokens, row * shape[2], row, 1};
        long elements = row * heads * tokens * batch;
        MemorySegment data =
                gap % 2 == 0 ? arena.allocate(4 * elements) : MemorySegment.ofArray(new float[(int) elements]);
        data.fill((byte) 0x7F);
        for (int n = 0; n < values.length; n++) {
            int r = n / dim;
            long token = r % tokens * (inside ? strides[1] : strides[2]);
            long head = r / tokens % heads * (inside ? strides[2] : strides[1]);
            long at = r / tokens / heads * strides[0] + head + token + n % dim;
            data.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * at, values[n]);
        }
        return Tensor.of(data, DType.FLOAT32, shape, strides);
    }

    private record Inputs(Tensor q, Tensor k, Tensor v) {
        static Inputs of(Arena arena, AttentionInputs in, Layout layout, int gap) {
            AttentionShape s = in.shape();
            return new Inputs(
                    tensor(arena, in.q(), layout, s.qHeads(), s.qoLen(), s.headDim(), gap),
                    tensor(arena, in.k(), layout, s.kvHeads(), s.kvLen(), s.headDim(), gap),
                    tensor(arena, in.v(), layout, s.kvHeads(), s.kvLen(), s.headDim(), gap));
        }

        Inputs to(DType type) {
            return new Inputs(q.to(type), k.to(type), v.to(type));
        }

        AttentionResult on(Sage sage, AttentionSpec spec) {
            return sage.attend(q, k, v, spec);
        }
    }

    private AttentionShape shape(int longest) {
        int kvHeads = 1 + random.nextInt(2);
        return new AttentionShape(
                1 + random.nextInt(2),
                kvHeads * (1 + random.nextInt(3)),
                kvHeads,
                1 + random.nextInt(random.nextBoolean() ? longest : 20),
                1 + random.nextInt(random.nextBoolean() ? longest : 20),
                random.nextInt(3) == 0 ? 64 : random.nextInt(2) == 0 ? 128 : 1 + random.nextInt(128));
    }

    private void checkLikeHalves(HardData data, AttentionShape shape, AttentionSpec.Builder spec, int gap) {
        AttentionInputs in = data.inputs(shape, seed, DType.FLOAT32);
        AttentionSpec s = spec.lse(true).build();
        try (Arena arena = Arena.ofConfined()) {
            Inputs floats = Inputs.of(arena, in, s.layout(), gap);
            AttentionResult found = floats.on(auto, s);
            AttentionResult halves = floats.to(DType.FLOAT16).on(auto, s);
            String what = "seed " + seed + " " + data + " " + shape + " " + s.variant() + " gap " + gap;
            assertThat(found.backend()).as(what).isEqualTo("cuda");
            assertThat(found.backendReason()).isEqualTo("auto: the fastest");
            assertThat(found.inputs()).as(what).isEqualTo("float32 rounded to float16");
            assertThat(found.variant().name()).isEqualTo(halves.variant().name());
            assertThat(found.output().dtype()).isEqualTo(DType.FLOAT32);
            assertThat(found.output().toFloatArray())
                    .as(what)
                    .isEqualTo(halves.output().toFloatArray());
            assertThat(found.lse().orElseThrow().toFloatArray())
                    .as(what)
                    .isEqualTo(halves.lse().orElseThrow().toFloatArray());
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"int8-fp8-sm90", "int8-fp16-sm90", "int8-fp8-sm90-f16acc", "int8-fp8", "int8-fp16", "int4-fp8"})
    void oddShapesLikeHalves(String variant) {
        System.out.println("CudaFloatTest " + variant + " seed " + seed);
        for (int n = 0; n < 12; n++) {
            HardData data =
                    HardData.allFinite().get(random.nextInt(HardData.allFinite().size()));
            checkLikeHalves(
                    // At the bound V is outside of what goes as it is.
                    data == HardData.OVERFLOW_BOUND ? HardData.NORMAL : data,
                    shape(300),
                    AttentionSpec.builder()
                            .variant(Variant.of(variant))
                            .layout(Layout.values()[random.nextInt(2)])
                            .causal(Causal.values()[random.nextInt(3)]),
                    random.nextInt(4));
        }
    }

    @ParameterizedTest
    @EnumSource(HardData.class)
    void nanAndInfinityLikeHalves(HardData data) {
        for (String variant : List.of("int8-fp8-sm90", "int8-fp16-sm90", "int8-fp8", "int8-fp16")) {
            if (data != HardData.OVERFLOW_BOUND) {
                checkLikeHalves(
                        data,
                        new AttentionShape(1, 2, 1, 150, 200, 64),
                        AttentionSpec.builder().variant(Variant.of(variant)),
                        0);
            }
        }
    }

    /** Past FP16 on either side, each tensor its own way: as near to exact attention as numbers of the usual size are. */
    @ParameterizedTest
    @CsvSource({
        "0, 0, 0",
        "18, -18, 0",
        "-40, 40, 0",
        "0, 0, 17",
        "0, 0, -30",
        "60, -60, 100",
        "-100, 100, -120",
        "-5, 5, -140",
    })
    void numbersThatFp16DoesNotHold(int ofQ, int ofK, int ofV) {
        for (String variant : List.of("int8-fp8-sm90", "int8-fp16-sm90", "int8-fp8", "int8-fp16")) {
            AttentionShape s = new AttentionShape(1, 2, 1, 130, 300, 128);
            AttentionInputs normal = HardData.NORMAL.inputs(s, seed, DType.FLOAT32);
            AttentionInputs in =
                    AttentionInputs.of(s, times(normal.q(), ofQ), times(normal.k(), ofK), times(normal.v(), ofV));
            AttentionSpec spec = AttentionSpec.builder()
                    .variant(Variant.of(variant))
                    .lse(true)
                    .build();
            try (Arena arena = Arena.ofShared()) {
                AttentionResult found = Inputs.of(arena, in, Layout.HND, 0).on(auto, spec);
                ExactAttention.Result exact = ExactAttention.of(normal);
                // Powers of two are exact, so this is the exact output of what was asked, without its power.
                float[] out = times(found.output().toFloatArray(), -ofV);
                Metrics metrics = Metrics.of(exact.o(), out);
                String what = variant + " seed " + seed + " " + found.inputs() + ": " + metrics;
                assertThat(metrics.isWithin(0.998, 0.06)).as(what).isTrue();
                float[] lse = found.lse().orElseThrow().toFloatArray();
                for (int n = 0; n < lse.length; n++) {
                    assertThat((double) lse[n]).as(what).isCloseTo(exact.lse()[n], within(0.1));
                }
            }
        }
    }

    private static float[] times(float[] numbers, int exponent) {
        float[] product = new float[numbers.length];
        for (int n = 0; n < product.length; n++) {
            product[n] = (float) (numbers[n] * Math.scalb(1.0, exponent));
        }
        return product;
    }

    /** Many numbers, which several threads round and widen, also from several calls at a time. */
    @Test
    void longSequencesSideBySide() throws Exception {
        AttentionShape s = new AttentionShape(1, 8, 8, 2048, 2048, 128);
        AttentionInputs in = HardData.NORMAL.inputs(s, seed, DType.FLOAT32);
        Inputs floats = Inputs.of(Arena.ofAuto(), in, Layout.HND, 1);
        float[] halves = floats.to(DType.FLOAT16)
                .on(auto, AttentionSpec.defaults())
                .output()
                .toFloatArray();
        try (ExecutorService threads = Executors.newFixedThreadPool(6)) {
            List<Future<?>> done = new ArrayList<>();
            for (int n = 0; n < 12; n++) {
                done.add(threads.submit(() -> assertThat(floats.on(auto, AttentionSpec.defaults())
                                .output()
                                .toFloatArray())
                        .isEqualTo(halves)));
            }
            for (Future<?> future : done) {
                future.get(2, TimeUnit.MINUTES);
            }
        }
    }

    @Test
    void autoGivesTheNextBackendWhatTheGpuDoesNotTake() {
        AttentionShape s = new AttentionShape(1, 2, 1, 9, 13, 16);
        AttentionInputs in = HardData.NORMAL.inputs(s, seed, DType.FLOAT32);
        Inputs floats = Inputs.of(Arena.ofAuto(), in, Layout.HND, 0);
        Tensor mask = Tensor.allocate(DType.FLOAT32, 1, 1, 1, 13);
        mask.data().set(ValueLayout.JAVA_FLOAT_UNALIGNED, 8, Float.NEGATIVE_INFINITY);
        checkElsewhere(floats, AttentionSpec.builder().mask(mask), "auto: backend cuda takes no mask tensor");
        checkElsewhere(
                floats,
                AttentionSpec.builder().variant(Variant.FLASH),
                "auto: backend cuda computes quantized variants, not flash");
        checkElsewhere(
                floats,
                AttentionSpec.builder().variant(Variant.of("int8-int8")),
                "auto: no native kernel for this call: ");
        assertThat(floats.on(auto, AttentionSpec.defaults()).backend()).isEqualTo("cuda");
        assertThat(floats.to(DType.BFLOAT16).on(auto, AttentionSpec.defaults()).backend())
                .isEqualTo("cuda");
    }

    private static void checkElsewhere(Inputs inputs, AttentionSpec.Builder spec, String reason) {
        AttentionResult found = inputs.on(auto, spec.build());
        assertThat(found.backend()).isEqualTo(Backends.javaKernels());
        assertThat(found.backendReason()).startsWith(reason);
        try (Sage next = Sage.open(Backends.javaKernels())) {
            assertThat(found.output().toFloatArray())
                    .isEqualTo(inputs.on(next, spec.build()).output().toFloatArray());
        }
    }

    @Test
    void autoHasTensorsAndStreamsOfTheGpu() {
        AttentionShape s = new AttentionShape(1, 2, 2, 70, 70, 64);
        AttentionInputs in = HardData.NORMAL.inputs(s, seed, DType.FLOAT32);
        Tensor host = Inputs.of(Arena.ofAuto(), in, Layout.HND, 0).q().to(DType.FLOAT16);
        float[] expected = auto.attend(host, host, host).output().toFloatArray();
        Tensor there = auto.allocate(DType.FLOAT16, 1, 2, 70, 64);
        Tensor out = auto.allocate(DType.FLOAT16, 1, 2, 70, 64);
        auto.copy(host, there);
        try (GpuStream stream = auto.newStream()) {
            auto.enqueue(there, there, there, AttentionSpec.defaults(), out, stream);
            stream.synchronize();
        }
        Tensor back = Tensor.allocate(DType.FLOAT16, 1, 2, 70, 64);
        auto.copy(out, back);
        assertThat(back.toFloatArray()).isEqualTo(expected);
        assertThat(auto.backend()).isEqualTo("cuda");
        auto.free(there);
        auto.free(out);
    }
}
