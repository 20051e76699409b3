package io.sage4j.tornado;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sage4j.DType;
import io.sage4j.SageException;
import io.sage4j.Variant;
import io.sage4j.kernel.Elements;
import io.sage4j.kernel.PvCodes;
import io.sage4j.kernel.QuantizeQk;
import io.sage4j.kernel.QuantizeV;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Float16;
import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.ScaleGroups;
import io.sage4j.numeric.Scheme;
import io.sage4j.oracle.AttentionInputs;
import io.sage4j.oracle.ExactAttention;
import io.sage4j.oracle.Metrics;
import io.sage4j.oracle.RandomInputs;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.kernel.KMean;
import io.sage4j.ptx.kernel.MmaAttention;
import io.sage4j.ptx.kernel.MmaAttentionSpec;
import io.sage4j.ptx.kernel.MmaTarget;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.WorkerGrid1D;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.ShortArray;

/**
 * Native mean of K, Java-compiled quantizers, native attention in one task graph on the CUDA backend, with and without a CUDA
 * graph. Skipped on other backends, unless {@code -Dsage4j.test.nativeTasks=require}.
 */
class NativeTaskGraphTest {
    private static final String NAME = "native";
    private static final AttentionShape SHAPE = new AttentionShape(2, 4, 2, 200, 300, 64);
    private static final Scheme SCHEME = Variant.INT8_FP16.scheme();
    private static final Arch ARCH = Arch.SM_80;

    private final OperandLayout layout = new OperandLayout(SHAPE, SCHEME.tiles());
    private final TaskGraph graph = new TaskGraph(NAME);
    private final GridScheduler grids = new GridScheduler();
    private final KernelContext context = new KernelContext();
    private final FloatArray noFloats = new FloatArray(1);
    private final ShortArray noShorts = new ShortArray(1);
    private final IntArray noInts = new IntArray(1);

    private static void requireCudaBackend() {
        boolean cuda = "cuda".equals(System.getProperty("sage4j.tornado.backend"));
        if (System.getProperty("sage4j.test.nativeTasks", "").equals("require")) {
            assertThat(cuda).as("this JVM runs TornadoVM's CUDA backend").isTrue();
        }
        assumeTrue(cuda, "TornadoVM's CUDA backend only");
    }

    private static HalfFloatArray halves(float[] values) {
        HalfFloatArray array = new HalfFloatArray(values.length);
        for (int i = 0; i < values.length; i++) {
            array.set(i, new HalfFloat(Float16.encode(values[i])));
        }
        return array;
    }

    private static IntArray view(int heads, int tokens) {
        int dim = SHAPE.headDim();
        return IntArray.fromElements(0, heads * tokens * dim, tokens * dim, dim, heads, tokens, dim);
    }

    private String grid(String step, int groups, int items) {
        WorkerGrid1D grid = new WorkerGrid1D(groups * items);
        grid.setGlobalWork((long) groups * items, 1, 1);
        grid.setLocalWork(items, 1, 1);
        grids.addWorkerGrid(NAME + "." + step, grid);
        return step;
    }

    private FloatArray quantize(
            String step,
            HalfFloatArray x,
            int heads,
            int tokens,
            ScaleGroups groups,
            int rows,
            FloatArray mean,
            ByteArray codes) {
        int all = SHAPE.batch() * heads;
        IntArray view = view(heads, tokens);
        IntArray grouping = IntArray.fromArray(
                QuantizeQk.grouping(groups, 1, rows, rows, mean == noFloats ? 0 : 1, 0, groups.count(rows)));
        FloatArray scales = new FloatArray(all * groups.count(rows));
        IntArray counts = new IntArray(all * groups.count(rows));
        graph.transferToDevice(DataTransferMode.FIRST_EXECUTION, view, grouping)
                .task(
                        grid(step, all * groups.count(rows), QuantizeQk.WARP),
                        QuantizeQk::quantize,
                        context,
                        view,
                        grouping,
                        noFloats,
                        x,
                        noShorts,
                        mean,
                        codes,
                        scales,
                        counts,
                        layout.paddedDim(),
                        SCHEME.qk().limit(),
                        Elements.FLOAT16,
                        groups.groups(),
                        groups.width(),
                        QuantizeQk.WARP,
                        QuantizeQk.WARP,
                        1,
                        groups.tile() / groups.groups(),
                        QuantizeQk.SHUFFLE);
        return scales;
    }

    private HalfFloatArray quantizeV(HalfFloatArray v) {
        HalfFloatArray codes = new HalfFloatArray((int) layout.kSize());
        int groups = SHAPE.batch() * SHAPE.kvHeads() * layout.kTiles() * layout.paddedDim() / QuantizeV.CHANNELS;
        IntArray view = view(SHAPE.kvHeads(), SHAPE.kvLen());
        IntArray counts = new IntArray(groups * QuantizeV.COUNTS);
        graph.transferToDevice(DataTransferMode.FIRST_EXECUTION, view)
                .task(
                        grid("quantize-v", groups, QuantizeV.ITEMS),
                        QuantizeV::quantize,
                        context,
                        view,
                        noFloats,
                        v,
                        noShorts,
                        noFloats,
                        noFloats,
                        noInts,
                        codes,
                        noFloats,
                        counts,
                        SCHEME.vRange(),
                        view.get(Elements.TOKEN_STRIDE),
                        layout.paddedDim(),
                        SCHEME.tiles().blockK(),
                        PvCodes.FP16,
                        0,
                        Elements.FLOAT16);
        return codes;
    }

    /** K mean natively, quantizers in Java, attention natively. */
    private HalfFloatArray build(AttentionInputs in) {
        HalfFloatArray q = halves(in.q());
        HalfFloatArray k = halves(in.k());
        HalfFloatArray v = halves(in.v());
        int dim = SHAPE.headDim();
        int kvHeads = SHAPE.batch() * SHAPE.kvHeads();
        graph.transferToDevice(DataTransferMode.FIRST_EXECUTION, noFloats, noShorts, noInts)
                .transferToDevice(DataTransferMode.EVERY_EXECUTION, q, k, v);
        FloatArray mean = new FloatArray(kvHeads * dim);
        NativeTask meanTask = new NativeTask(KMean.kernel(DType.FLOAT16, dim), ARCH, kvHeads, dim / 32, 1);
        graph.libraryTask(
                "smooth-k",
                NativeTask::call,
                meanTask,
                new Object[] {
                    k,
                    SHAPE.kvHeads(),
                    (long) SHAPE.kvHeads() * SHAPE.kvLen() * dim,
                    (long) SHAPE.kvLen() * dim,
                    (long) dim,
                    SHAPE.kvLen(),
                    dim,
                    mean
                },
                7);
        ByteArray qCodes = new ByteArray((int) layout.qSize());
        ByteArray kCodes = new ByteArray((int) layout.kSize());
        ScaleGroups ofQ = ScaleGroups.ofQ(SCHEME.granularity(), SCHEME.tiles(), layout.qRows());
        ScaleGroups ofK = ScaleGroups.ofK(SCHEME.granularity(), SCHEME.tiles(), layout.kRows());
        FloatArray qScales =
                quantize("quantize-q", q, SHAPE.qHeads(), SHAPE.qoLen(), ofQ, layout.qRows(), noFloats, qCodes);
        FloatArray kScales =
                quantize("quantize-k", k, SHAPE.kvHeads(), SHAPE.kvLen(), ofK, layout.kRows(), mean, kCodes);
        HalfFloatArray vCodes = quantizeV(v);
        HalfFloatArray out = new HalfFloatArray(in.q().length);
        MmaAttentionSpec spec = new MmaAttentionSpec(
                SCHEME, dim, MmaTarget.of(ARCH, SCHEME, dim, false), false, false, false, DType.FLOAT16, true);
        NativeTask attention =
                new NativeTask(MmaAttention.kernel(spec), ARCH, layout.qTiles(), SHAPE.qHeads(), SHAPE.batch());
        graph.libraryTask(
                        "attend",
                        NativeTask::call,
                        attention,
                        new Object[] {
                            qCodes,
                            kCodes,
                            vCodes,
                            qScales,
                            kScales,
                            out,
                            (long) SHAPE.qHeads() * SHAPE.qoLen() * dim,
                            (long) SHAPE.qoLen() * dim,
                            (long) dim,
                            SHAPE.qoLen(),
                            SHAPE.kvLen(),
                            SHAPE.kvHeads(),
                            SHAPE.groupSize(),
                            dim,
                            in.smScale() * Numbers.LOG2E
                        },
                        5)
                .transferToHost(DataTransferMode.EVERY_EXECUTION, out);
        return out;
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void nativeAndJavaKernelsInOneGraph(boolean cudaGraph) throws TornadoExecutionPlanException {
        requireCudaBackend();
        AttentionInputs in = RandomInputs.normal(SHAPE, 7).biasK(3f).rounded(DType.FLOAT16);
        HalfFloatArray out = build(in);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            plan.withGridScheduler(grids);
            if (cudaGraph) {
                plan.withCUDAGraph();
            }
            short[] first = null;
            for (int run = 0; run < 3; run++) {
                out.init(new HalfFloat(0f));
                plan.execute();
                short[] bits = new short[out.getSize()];
                float[] values = new float[bits.length];
                for (int i = 0; i < bits.length; i++) {
                    bits[i] = out.get(i).getHalfFloatValue();
                    values[i] = Float16.decode(bits[i]);
                }
                Metrics m = Metrics.of(ExactAttention.of(in).o(), values);
                assertThat(m.isWithin(0.9999, 0.016)).as("run %d %s", run, m).isTrue();
                first = first == null ? bits : first;
                assertThat(bits).as("run %d, bit by bit", run).containsExactly(first);
            }
        }
    }

    @Test
    void wrongArgumentsAreRefusedBeforeTheGraphIsBuilt() {
        NativeTask task = new NativeTask(KMean.kernel(DType.FLOAT16, 64), ARCH, 1, 2, 1);
        HalfFloatArray k = new HalfFloatArray(64);
        FloatArray mean = new FloatArray(64);
        assertThatThrownBy(() -> NativeTask.call(task, new Object[] {k, mean}, 1))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("takes 8 arguments, got 2");
        assertThatThrownBy(() -> NativeTask.call(task, new Object[] {k, 1, 64L, 64L, 64L, 1, 64, mean}, 6))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("output of kernel sage_token_mean is argument 6, which is no array");
        assertThatThrownBy(() -> NativeTask.call(task, new Object[] {k, 1, 64L, 64L, 64L, 1, "64", mean}, 7))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("expected an array of TornadoVM, an Integer, Long or Float");
    }
}
