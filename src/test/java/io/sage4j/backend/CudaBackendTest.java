package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.AttentionResult;
import io.sage4j.AttentionSpec;
import io.sage4j.DType;
import io.sage4j.Layout;
import io.sage4j.Sage;
import io.sage4j.SageException;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.BFloat16;
import io.sage4j.numeric.Float16;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.Rung;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;
import io.sage4j.oracle.AttentionInputs;
import io.sage4j.oracle.HardData;
import io.sage4j.oracle.ModelResult;
import io.sage4j.oracle.VariantModel;
import io.sage4j.ptx.kernel.WorkPlan;
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
import java.util.function.Function;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The native kernels on a GPU against the bit-faithful model; skipped where there is none, unless the environment variable
 * {@code SAGE4J_REQUIRE_CUDA} is set.
 *
 * <p>Bounds, against the call's largest output. FP16 P and V: the exponential is approximate and sums are in another order,
 * {@link #OUTPUT_BOUND}. E4M3: the tensor cores sum products with about 14 bits of fraction, and P rounds to a neighbour,
 * 1/16 away, where the model's lies near a tie, {@link #FP8_OUTPUT_BOUND}. The wgmma kernels also divide by the sum of the
 * rounded P where the model sums P as it was, hence {@link #WGMMA_LSE_BOUND} for the lse, else {@link #LSE_BOUND}, in
 * proportion past 100. On average all this, and the rounding to BF16, stays below {@link #L1_BOUND}; {@link #FEW_KEYS_BOUND}
 * where wgmma has fewer than {@link #FEW_KEYS} keys. Seen on an H100: outputs off by at most 0.023, averages by 0.014.
 */
class CudaBackendTest {
    private static final double OUTPUT_BOUND = 1e-2;
    private static final double FP8_OUTPUT_BOUND = 4e-2;
    private static final double L1_BOUND = 2e-2;
    private static final int FEW_KEYS = 64;
    private static final double FEW_KEYS_BOUND = 8e-2;
    private static final double LSE_BOUND = 1e-4;
    /** Smooth Q adds sums of head_dim products to the scores, rounded once where the model rounds twice. */
    private static final double SMOOTH_Q_LSE_BOUND = 1e-3;

    private static final double WGMMA_LSE_BOUND = 6.5e-2;

    private static Sage sage;

    @BeforeAll
    static void open() {
        NativeGpu.orSkip();
        sage = Sage.open(Backends.CUDA);
    }

    @AfterAll
    static void close() {
        if (sage != null) {
            sage.close();
        }
    }

    /** A tensor of the values, [batch, heads, tokens, dim] or with heads inside, rows {@code gap} elements apart. */
    private static Tensor tensor(
            Arena arena,
            float[] values,
            DType type,
            Layout layout,
            int batch,
            int heads,
            int tokens,
            int dim,
            int gap) {
        boolean inside = layout.headAxis() == 2;
        long row = dim + gap;
        long[] shape = inside ? new long[] {batch, tokens, heads, dim} : new long[] {batch, heads, tokens, dim};
        long[] strides = {row * heads * tokens, row * shape[2], row, 1};
        MemorySegment data = arena.allocate(Math.max(2, 2 * row * heads * tokens * batch));
        data.fill((byte) 0x7E);
        long headStride = inside ? strides[2] : strides[1];
        long tokenStride = inside ? strides[1] : strides[2];
        for (int n = 0; n < values.length; n++) {
            int r = n / dim;
            long at = (long) (r / tokens / heads) * strides[0]
                    + r / tokens % heads * headStride
                    + r % tokens * tokenStride
                    + n % dim;
            short bits = type == DType.FLOAT16 ? Float16.encode(values[n]) : BFloat16.encode(values[n]);
            data.setAtIndex(ValueLayout.JAVA_SHORT, at, bits);
        }
        return Tensor.of(data, type, shape, strides);
    }

    private record Case(Variant variant, DType type, Layout layout, int gap, AttentionSpec.Causal causal) {}

    private static AttentionResult run(Sage on, Arena arena, AttentionInputs in, Case c) {
        AttentionShape s = in.shape();
        Tensor q = tensor(arena, in.q(), c.type, c.layout, s.batch(), s.qHeads(), s.qoLen(), s.headDim(), c.gap);
        Tensor k = tensor(arena, in.k(), c.type, c.layout, s.batch(), s.kvHeads(), s.kvLen(), s.headDim(), c.gap);
        Tensor v = tensor(arena, in.v(), c.type, c.layout, s.batch(), s.kvHeads(), s.kvLen(), s.headDim(), c.gap);
        AttentionSpec spec = AttentionSpec.builder()
                .variant(c.variant)
                .layout(c.layout)
                .causal(c.causal)
                .smScale(in.smScale())
                .watchV(false)
                .lse(true)
                .build();
        return on.attend(q, k, v, spec);
    }

    /** Holds a call to the model, and gives back its steps. */
    private static List<String> check(AttentionInputs in, Case c) {
        return check(in, c, asked -> VariantModel.run(asked, Rung.QUANTIZED, c.variant.scheme()));
    }

    private static List<String> check(AttentionInputs in, Case c, Function<AttentionInputs, ModelResult> modelOf) {
        boolean wgmma = c.variant.scheme().tiles().equals(TileShape.WGMMA);
        String what = in.shape() + " " + c + " sm_scale " + in.smScale();
        AttentionInputs asked =
                in.withDiagonal(c.causal.diagonal(in.shape().qoLen(), in.shape().kvLen()));
        ModelResult model = modelOf.apply(asked);
        try (Arena arena = Arena.ofShared()) {
            AttentionResult result = run(sage, arena, asked, c);
            AttentionShape s = in.shape();
            boolean inside = c.layout.headAxis() == 2;
            float[] expected = ModelResult.rounded(model.o(), c.type);
            double largest = 1e-30;
            for (float e : expected) {
                largest = Float.isFinite(e) ? Math.max(largest, Math.abs(e)) : largest;
            }
            Tensor out = result.output();
            double worst = 0;
            double error = 0;
            double sum = 1e-30;
            for (int n = 0; n < expected.length; n++) {
                int r = n / s.headDim();
                int token = r % s.qoLen();
                int head = r / s.qoLen() % s.qHeads();
                int batch = r / s.qoLen() / s.qHeads();
                float actual = inside
                        ? out.get(batch, token, head, n % s.headDim())
                        : out.get(batch, head, token, n % s.headDim());
                if (Float.isNaN(expected[n])) {
                    assertThat(actual).as("%s: output %d", what, n).isNaN();
                } else if (expected[n] != actual) {
                    worst = Math.max(worst, Math.abs(expected[n] - (double) actual));
                    error += Math.abs(expected[n] - (double) actual);
                }
                sum += Float.isFinite(expected[n]) ? Math.abs(expected[n]) : 0;
            }
            // Over few keys the roundings of P do not average out: the sum itself may be 1/16 off.
            boolean few = wgmma && s.kvLen() < FEW_KEYS;
            double bound = c.variant.scheme().pv().ofV() == PvFormat.E4M3 ? FP8_OUTPUT_BOUND : OUTPUT_BOUND;
            assertThat(worst / largest)
                    .as("%s: largest error of the output", what)
                    .isLessThanOrEqualTo(few ? FEW_KEYS_BOUND : bound);
            assertThat(error / sum).as("%s: relative L1", what).isLessThanOrEqualTo(few ? FEW_KEYS_BOUND : L1_BOUND);
            double lseBound = wgmma ? WGMMA_LSE_BOUND : c.variant.scheme().smoothQ() ? SMOOTH_Q_LSE_BOUND : LSE_BOUND;
            for (int n = 0; n < model.lse().length; n++) {
                float e = model.lse()[n];
                float a = result.lse().orElseThrow().data().getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, n);
                boolean close = Float.isNaN(e)
                        ? Float.isNaN(a)
                        : e == a || Math.abs(e - a) <= lseBound * Math.max(1, Math.abs(e) / 100);
                assertThat(close)
                        .as("%s: lse %d is %s, expected %s", what, n, a, e)
                        .isTrue();
            }
            return result.steps().stream().map(AttentionResult.StepTime::name).toList();
        }
    }

    private static final List<String> VARIANTS = List.of(
            "int8-fp8-sm90",
            "int8-fp8-sm90-f16acc",
            "int8-fp8-sm90-fast",
            "int8-fp16-sm90",
            "int8-fp8",
            "int8-fp8-f16acc",
            "int8-fp8-f32",
            "int8-fp8-f16acc-p224",
            "int8-fp8-f16acc-p112",
            "int8-fp16",
            "int8-fp16-f16acc",
            "int8-fp16-f16f32",
            "int4-fp8",
            "int4-fp8-f16acc");

    private static final List<String> VARIANTS_THAT_MEET_HARD_DATA = List.of(
            "int8-fp8-sm90", "int8-fp8-sm90-f16acc", "int8-fp8-sm90-fast", "int8-fp16-sm90", "int8-fp8", "int8-fp16");

    /** Elements between rows; the Hopper kernel quantizes Q and writes whole rows where they are multiples of 8. */
    private static final int[] GAPS = {0, 1, 2, 8};

    private static List<String> variants() {
        return VARIANTS;
    }

    @ParameterizedTest
    @MethodSource("variants")
    void oddShapesOfEveryVariant(String variant) {
        long seed = new Random().nextLong();
        System.out.println("CudaBackendTest " + variant + " seed " + seed);
        Random random = new Random(seed);
        Granularity[] granularities = {Granularity.PER_THREAD, Granularity.PER_WARP, Granularity.PER_BLOCK};
        for (int n = 0; n < 24; n++) {
            int kvHeads = 1 + random.nextInt(2);
            AttentionShape shape = new AttentionShape(
                    1 + random.nextInt(2),
                    kvHeads * (1 + random.nextInt(3)),
                    kvHeads,
                    1 + random.nextInt(random.nextBoolean() ? 300 : 20),
                    1 + random.nextInt(random.nextBoolean() ? 400 : 20),
                    random.nextInt(3) == 0 ? 64 : random.nextInt(2) == 0 ? 128 : 1 + random.nextInt(128));
            Scheme scheme = Variant.of(variant)
                    .scheme()
                    .withGranularity(granularities[random.nextInt(3)])
                    .withSmoothK(random.nextInt(4) > 0)
                    .withSmoothV(random.nextInt(4) == 0);
            DType type = random.nextBoolean() ? DType.FLOAT16 : DType.BFLOAT16;
            HardData data =
                    HardData.allFinite().get(random.nextInt(HardData.allFinite().size()));
            AttentionSpec.Causal[] causal = AttentionSpec.Causal.values();
            // Running FP16 sums overflow by design where V is large.
            if (variant.equals("int8-fp16-f16acc") || variant.equals("int8-fp16-f16f32")) {
                data = HardData.NORMAL;
            }
            check(
                    data.inputs(shape, seed + n, type),
                    new Case(
                            Variant.of(variant).with(scheme),
                            type,
                            random.nextBoolean() ? Layout.HND : Layout.NHD,
                            GAPS[random.nextInt(GAPS.length)],
                            causal[random.nextInt(causal.length)]));
        }
    }

    /** Few work tiles and many keys, as in decoding: all are attended in parts, twice with the same bits. */
    @ParameterizedTest
    @MethodSource("hopperVariants")
    void keysAreSplitWhereWorkTilesAreFew(String variant) {
        long seed = new Random().nextLong();
        System.out.println("CudaBackendTest few work tiles " + variant + " seed " + seed);
        Random random = new Random(seed);
        for (int n = 0; n < 10; n++) {
            int kvHeads = 1 + random.nextInt(2);
            AttentionShape shape = new AttentionShape(
                    1 + random.nextInt(2),
                    kvHeads * (1 + random.nextInt(3)),
                    kvHeads,
                    1 + random.nextInt(random.nextBoolean() ? 250 : 3),
                    2000 + random.nextInt(3000),
                    random.nextInt(3) == 0 ? 64 : random.nextInt(2) == 0 ? 128 : 1 + random.nextInt(128));
            Scheme scheme = Variant.of(variant)
                    .scheme()
                    .withSmoothK(random.nextInt(4) > 0)
                    .withSmoothV(random.nextInt(4) == 0);
            DType type = random.nextBoolean() ? DType.FLOAT16 : DType.BFLOAT16;
            HardData data =
                    HardData.allFinite().get(random.nextInt(HardData.allFinite().size()));
            Case c = new Case(
                    Variant.of(variant).with(scheme),
                    type,
                    random.nextBoolean() ? Layout.HND : Layout.NHD,
                    GAPS[random.nextInt(GAPS.length)],
                    random.nextBoolean() ? AttentionSpec.Causal.NONE : AttentionSpec.Causal.BOTTOM_RIGHT);
            AttentionInputs in = data.inputs(shape, seed + n, type);
            assertThat(check(in, c, asked -> modelInParts(asked, c.variant.scheme())))
                    .contains("join-parts")
                    .doesNotContain("attend");
            checkRepeats(in, c);
        }
    }

    /** The model of a call some of whose rows are attended in parts. */
    private static ModelResult modelInParts(AttentionInputs in, Scheme scheme) {
        AttentionShape s = in.shape();
        WorkPlan.Call call;
        try (TestGpu gpu = new TestGpu()) {
            call = WorkPlan.Call.of(s, scheme, in.diagonal(), gpu.multiprocessors(), gpu.cacheBytes(), true);
        }
        WorkPlan plan = WorkPlan.of(call);
        int sharers = call.warpgroups();
        ModelResult whole = VariantModel.run(in, Rung.QUANTIZED, scheme);
        if (plan.tiles() == 0) {
            return whole;
        }
        ModelResult model = VariantModel.runInParts(
                in, Rung.QUANTIZED, scheme, tile -> plan.partOf(tile, sharers), plan.parts() * sharers);
        for (int r = 0; r < model.lse().length; r++) {
            if (plan.isWhole(call, r / s.qoLen(), r % s.qoLen())) {
                System.arraycopy(whole.o(), r * s.headDim(), model.o(), r * s.headDim(), s.headDim());
                model.lse()[r] = whole.lse()[r];
            }
        }
        return model;
    }

    /** What is left behind the last whole round, or the last whole work tile of each head, goes in parts. */
    @ParameterizedTest
    @MethodSource("hopperVariants")
    void keysOfTheLastRoundAreSplit(String variant) {
        // Of 136 work tiles of 128 rows 4; of 132 heads 250 rows the last 58; of 138 causal work tiles 6, Q as codes.
        checkLastRound(variant, new AttentionShape(1, 68, 1, 200, 3000, 128), AttentionSpec.Causal.NONE);
        checkLastRound(variant, new AttentionShape(2, 66, 1, 250, 4000, 64), AttentionSpec.Causal.NONE);
        checkLastRound(variant, new AttentionShape(1, 46, 2, 330, 3000, 100), AttentionSpec.Causal.BOTTOM_RIGHT);
    }

    private static void checkLastRound(String variant, AttentionShape shape, AttentionSpec.Causal causal) {
        AttentionInputs in = HardData.NORMAL.inputs(shape, 5, DType.FLOAT16);
        Case c = new Case(Variant.of(variant), DType.FLOAT16, Layout.NHD, 0, causal);
        assertThat(check(in, c, asked -> modelInParts(asked, c.variant.scheme())))
                .endsWith("attend", "attend-parts", "join-parts");
        checkRepeats(in, c);
    }

    private static List<String> hopperVariants() {
        return VARIANTS.stream().filter(v -> v.contains("sm90")).toList();
    }

    private static void checkRepeats(AttentionInputs in, Case c) {
        AttentionInputs asked =
                in.withDiagonal(c.causal.diagonal(in.shape().qoLen(), in.shape().kvLen()));
        try (Arena arena = Arena.ofShared()) {
            AttentionResult first = run(sage, arena, asked, c);
            for (int n = 0; n < 3; n++) {
                AttentionResult again = run(sage, arena, asked, c);
                assertThat(again.output().toFloatArray())
                        .isEqualTo(first.output().toFloatArray());
                assertThat(again.lse().orElseThrow().toFloatArray())
                        .isEqualTo(first.lse().orElseThrow().toFloatArray());
            }
        }
    }

    @ParameterizedTest
    @EnumSource(HardData.class)
    void hardDataOnHopperTiles(HardData data) {
        AttentionInputs in = data.inputs(new AttentionShape(1, 2, 1, 200, 300, 64), 17, DType.FLOAT16);
        for (String variant : VARIANTS_THAT_MEET_HARD_DATA) {
            check(in, new Case(Variant.of(variant), DType.FLOAT16, Layout.HND, 0, AttentionSpec.Causal.TOP_LEFT));
        }
    }

    /** Two work tiles for each multiprocessor of an H100: what is no number in one stays out of the next of its CTA. */
    @ParameterizedTest
    @MethodSource("hopperVariants")
    void whatIsNoNumberStaysInItsWorkTile(String variant) {
        AttentionInputs in = HardData.NAN_IN_K.inputs(new AttentionShape(1, 264, 264, 65, 130, 128), 29, DType.FLOAT16);
        check(in, new Case(Variant.of(variant), DType.FLOAT16, Layout.HND, 0, AttentionSpec.Causal.NONE));
    }

    @ParameterizedTest
    @ValueSource(floats = {0f, 1e-6f, 3f, 1000f, -0f, -0.1f, -3f, -1000f})
    void scoreFactors(float smScale) {
        AttentionInputs in = HardData.NORMAL
                .inputs(new AttentionShape(1, 1, 1, 130, 257, 128), 3, DType.FLOAT16)
                .withSmScale(smScale);
        for (String variant : VARIANTS_THAT_MEET_HARD_DATA) {
            check(in, new Case(Variant.of(variant), DType.FLOAT16, Layout.HND, 0, AttentionSpec.Causal.TOP_LEFT));
        }
    }

    @Test
    void runsAreEqualAlsoSideBySide() throws Exception {
        List<AttentionInputs> inputs = new ArrayList<>();
        for (int n = 0; n < 8; n++) {
            inputs.add(HardData.NORMAL.inputs(
                    new AttentionShape(1, 2 + n % 3, 1, 100 + 97 * n, 200 + 31 * n, n % 2 == 0 ? 128 : 64),
                    n,
                    DType.FLOAT16));
        }
        Case c = new Case(Variant.of("int8-fp8-sm90"), DType.FLOAT16, Layout.HND, 0, AttentionSpec.Causal.TOP_LEFT);
        try (Arena arena = Arena.ofShared()) {
            List<float[]> alone = new ArrayList<>();
            for (AttentionInputs in : inputs) {
                alone.add(run(sage, arena, in, c).output().toFloatArray());
            }
            ExecutorService threads = Executors.newFixedThreadPool(8);
            try {
                List<Future<?>> done = new ArrayList<>();
                for (int thread = 0; thread < 8; thread++) {
                    int first = thread;
                    done.add(threads.submit(() -> {
                        for (int n = 0; n < 40; n++) {
                            int which = (first + n) % inputs.size();
                            assertThat(run(sage, arena, inputs.get(which), c)
                                            .output()
                                            .toFloatArray())
                                    .isEqualTo(alone.get(which));
                        }
                    }));
                }
                for (Future<?> future : done) {
                    future.get(5, TimeUnit.MINUTES);
                }
            } finally {
                threads.shutdownNow();
            }
        }
    }

    @Test
    void emptySequences() {
        for (int[] lengths : new int[][] {{0, 5}, {5, 0}, {0, 0}}) {
            Tensor q = Tensor.allocate(DType.FLOAT16, 1, 1, lengths[0], 64);
            Tensor k = Tensor.allocate(DType.FLOAT16, 1, 1, lengths[1], 64);
            AttentionResult result = sage.attend(
                    q,
                    k,
                    k,
                    AttentionSpec.builder()
                            .variant(Variant.of("int8-fp8-sm90"))
                            .lse(true)
                            .build());
            for (float o : result.output().toFloatArray()) {
                assertThat(o).isZero();
            }
            for (float lse : result.lse().orElseThrow().toFloatArray()) {
                assertThat(lse).isEqualTo(Float.NEGATIVE_INFINITY);
            }
        }
    }

    @Test
    void whatItDoesNotTakeIsRefusedByName() {
        Tensor floats = sage.allocate(DType.FLOAT32, 1, 1, 4, 64);
        Tensor halves = Tensor.allocate(DType.FLOAT16, 1, 1, 4, 64);
        AttentionSpec.Builder spec = AttentionSpec.builder().variant(Variant.INT8_FP8);
        assertThatThrownBy(() -> sage.attend(floats, floats, floats, spec.build()))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("float16 and bfloat16 tensors in GPU memory");
        sage.free(floats);
        assertThatThrownBy(() -> sage.attend(
                        halves,
                        halves,
                        halves,
                        AttentionSpec.builder().variant(Variant.FLASH).build()))
                .hasMessageContaining("quantized variants");
        Tensor mask = Tensor.of(new float[16], 1, 1, 4, 4);
        assertThatThrownBy(() -> sage.attend(
                        halves,
                        halves,
                        halves,
                        AttentionSpec.builder()
                                .variant(Variant.INT8_FP8)
                                .mask(mask)
                                .build()))
                .hasMessageContaining("no mask tensor");
    }
}
