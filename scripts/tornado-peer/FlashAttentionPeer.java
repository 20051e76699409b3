import java.util.Locale;
import java.util.SplittableRandom;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.WorkerGrid1D;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.enums.ProfilerMode;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.unittests.kernelcontext.api.TestFlashAttentionKernelContext;

/**
 * Times the flash attention kernel of TornadoVM's own test suite (GPULlama3's, head_dim 64, FP32, a work-group of 32 per query) on
 * attention of all queries: each query is a head to it, and all queries of a head share K and V (kvMul = tokens).
 *
 * <p>Needs TornadoVM's classes and those of its unit tests; arguments: heads, then lengths. Prints a line of JSON for each.
 */
public final class FlashAttentionPeer {
    private static final int DIM = 64;
    private static final int ITEMS = 32;
    private static final int RUNS = 5;

    private FlashAttentionPeer() {}

    public static void main(String[] arguments) throws Exception {
        int heads = Integer.parseInt(arguments[0]);
        for (int i = 1; i < arguments.length; i++) {
            run(heads, Integer.parseInt(arguments[i]));
        }
        System.exit(0);
    }

    private static FloatArray normal(int size, long seed) {
        FloatArray array = new FloatArray(size);
        SplittableRandom random = new SplittableRandom(seed);
        for (int i = 0; i < size; i++) {
            array.set(i, (float) random.nextGaussian());
        }
        return array;
    }

    private static void run(int heads, int tokens) throws Exception {
        FloatArray q = normal(heads * tokens * DIM, 1); // [head][token][dim]
        FloatArray k = normal(heads * tokens * DIM, 2); // [token][head][dim]
        FloatArray v = normal(heads * tokens * DIM, 3);
        FloatArray out = new FloatArray(heads * tokens * DIM);
        IntArray position = new IntArray(1);
        position.set(0, tokens - 1);
        WorkerGrid1D grid = new WorkerGrid1D(heads * tokens * ITEMS);
        grid.setLocalWork(ITEMS, 1, 1);
        TaskGraph graph = new TaskGraph("peer")
                .transferToDevice(DataTransferMode.FIRST_EXECUTION, q, k, v, position)
                .task(
                        "attend",
                        TestFlashAttentionKernelContext::processHeadsFlashAttentionOptV2,
                        new KernelContext(),
                        q,
                        k,
                        v,
                        out,
                        heads * tokens,
                        DIM,
                        heads * DIM,
                        tokens,
                        position,
                        0,
                        tokens)
                .transferToHost(DataTransferMode.EVERY_EXECUTION, out);
        long[] nanos = new long[RUNS];
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            plan.withGridScheduler(new GridScheduler("peer.attend", grid)).withProfiler(ProfilerMode.SILENT);
            plan.execute();
            for (int i = 0; i < RUNS; i++) {
                nanos[i] = plan.execute().getProfilerResult().getDeviceKernelTime();
            }
        }
        java.util.Arrays.sort(nanos);
        double ms = nanos[RUNS / 2] / 1e6;
        System.out.printf(
                Locale.ROOT,
                "{\"kernel\": \"TestFlashAttentionKernelContext.processHeadsFlashAttentionOptV2\", \"shape\": [1, %d, %d, %d], "
                        + "\"runs\": %d, \"ms\": %.4f, \"tflops\": %.4f, \"relativeL1\": %.3e}%n",
                heads,
                tokens,
                DIM,
                RUNS,
                ms,
                4.0 * heads * tokens * tokens * DIM / ms / 1e9,
                error(q, k, v, out, heads, tokens));
    }

    /** Relative L1 error on 64 rows, against attention in double. */
    private static double error(FloatArray q, FloatArray k, FloatArray v, FloatArray out, int heads, int tokens) {
        SplittableRandom random = new SplittableRandom(7);
        double off = 0;
        double all = 0;
        for (int sample = 0; sample < 64; sample++) {
            int head = random.nextInt(heads);
            int row = head * tokens + random.nextInt(tokens);
            double[] p = new double[tokens];
            double sum = 0;
            for (int t = 0; t < tokens; t++) {
                double score = 0;
                for (int d = 0; d < DIM; d++) {
                    score += (double) q.get(row * DIM + d) * k.get((t * heads + head) * DIM + d);
                }
                p[t] = Math.exp(score / Math.sqrt(DIM));
                sum += p[t];
            }
            for (int d = 0; d < DIM; d++) {
                double o = 0;
                for (int t = 0; t < tokens; t++) {
                    o += p[t] * v.get((t * heads + head) * DIM + d);
                }
                off += Math.abs(o / sum - out.get(row * DIM + d));
                all += Math.abs(o / sum);
            }
        }
        return off / all;
    }
}
