package io.sage4j.tornadojvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.AccessorParameters;
import uk.ac.manchester.tornado.api.DataRange;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.TornadoProfilerResult;
import uk.ac.manchester.tornado.api.annotations.Parallel;
import uk.ac.manchester.tornado.api.annotations.Reduce;
import uk.ac.manchester.tornado.api.common.Access;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.enums.ProfilerMode;
import uk.ac.manchester.tornado.api.enums.TornadoDeviceType;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.exceptions.TornadoMemoryException;
import uk.ac.manchester.tornado.api.exceptions.TornadoRuntimeException;
import uk.ac.manchester.tornado.api.exceptions.TornadoTaskRuntimeException;
import uk.ac.manchester.tornado.api.runtime.TornadoRuntimeProvider;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** Task graphs and execution plans. */
class PlanTest {
    static void twice(FloatArray data) {
        for (@Parallel int i = 0; i < data.getSize(); i++) {
            data.set(i, 2 * data.get(i));
        }
    }

    static void addOne(KernelContext context, FloatArray data) {
        data.set(context.globalIdx, data.get(context.globalIdx) + 1);
    }

    static void sum(FloatArray data, @Reduce FloatArray out) {
        float total = 0;
        for (@Parallel int i = 0; i < data.getSize(); i++) {
            total += data.get(i);
        }
        out.set(0, total);
    }

    static void touch(MemorySegment data) {
        data.fill((byte) 1);
    }

    private static TaskGraph twoSteps(FloatArray data, FloatArray out) {
        return new TaskGraph("g")
                .transferToDevice(DataTransferMode.EVERY_EXECUTION, data)
                .task("double", PlanTest::twice, data)
                .task("add", PlanTest::addOne, new KernelContext(), data)
                .task("sum", PlanTest::sum, data, out)
                .transferToHost(DataTransferMode.EVERY_EXECUTION, data, out);
    }

    private static GridScheduler scheduler() {
        return new GridScheduler("g.add", Kernels.grid(4, 2));
    }

    @Test
    void tasksRunInOrderAndPlansRunAgain() throws TornadoExecutionPlanException {
        FloatArray data = FloatArray.fromElements(1, 2, 3, 4);
        FloatArray out = new FloatArray(1);
        try (TornadoExecutionPlan plan =
                new TornadoExecutionPlan(twoSteps(data, out).snapshot())) {
            plan.withGridScheduler(scheduler());
            plan.execute();
            assertThat(data.toHeapArray()).containsExactly(3, 5, 7, 9);
            assertThat(out.get(0)).isEqualTo(24);
            plan.execute();
            assertThat(data.toHeapArray()).containsExactly(7, 11, 15, 19);
        }
    }

    @Test
    void snapshotDoesNotFollowTheGraph() throws TornadoExecutionPlanException {
        FloatArray data = FloatArray.fromElements(1);
        TaskGraph graph = new TaskGraph("g").task("a", PlanTest::twice, data);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            graph.task("b", PlanTest::twice, data);
            plan.execute();
            assertThat(data.get(0)).isEqualTo(2);
        }
        assertThat(graph.getTaskGraphName()).isEqualTo("g");
        assertThat(graph.getArgumentsLookup()).hasSize(1);
    }

    @Test
    void graphsOfAPlanCanBeSelected() throws TornadoExecutionPlanException {
        FloatArray data = FloatArray.fromElements(1);
        TaskGraph first = new TaskGraph("one").task("t", PlanTest::twice, data).persistOnDevice(data);
        TaskGraph second = new TaskGraph("two")
                .consumeFromDevice("one", data)
                .task("t", PlanTest::addOne, new KernelContext(), data);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(first.snapshot(), second.snapshot())) {
            plan.execute();
            assertThat(data.get(0)).isEqualTo(3);
            plan.withGraph(1).execute();
            assertThat(data.get(0)).isEqualTo(4);
            plan.withAllGraphs().execute();
            assertThat(data.get(0)).isEqualTo(9);
            assertThatThrownBy(() -> plan.withGraph(2)).hasMessageContaining("withGraph(2) of a plan of 2 task graphs");
            assertThat(plan.getDevice(1)).isSameAs(TornadoExecutionPlan.DEFAULT_DEVICE);
        }
        assertThatThrownBy(() -> new TornadoExecutionPlan(second.snapshot()))
                .hasMessageContaining("task graph two consumes a FloatArray");
        TaskGraph stranger = new TaskGraph("three").consumeFromDevice(new FloatArray(1));
        assertThatThrownBy(() -> new TornadoExecutionPlan(first.snapshot(), stranger.snapshot()))
                .hasMessageContaining("no other task graph of this plan persists there");
    }

    @Test
    void twentyArgumentsArriveInOrder() {
        IntArray out = new IntArray(19);
        TaskGraph graph = new TaskGraph("g")
                .task("t", PlanTest::store, out, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19);
        Kernels.run(graph, null);
        for (int i = 0; i < 19; i++) {
            assertThat(out.get(i)).isEqualTo(i + 1);
        }
    }

    @SuppressWarnings("checkstyle:ParameterNumber")
    static void store(
            IntArray out,
            int a,
            int b,
            int c,
            int d,
            int e,
            int f,
            int g,
            int h,
            int i,
            int j,
            int k,
            int l,
            int m,
            int n,
            int o,
            int p,
            int q,
            int r,
            int s) {
        int[] all = {a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s};
        for (int x = 0; x < all.length; x++) {
            out.set(x, all[x]);
        }
    }

    @Test
    void wrongGraphsAreRefused() {
        FloatArray data = new FloatArray(1);
        TaskGraph graph = new TaskGraph("g").task("t", PlanTest::twice, data);
        assertThatThrownBy(() -> graph.task("t", PlanTest::twice, data))
                .isInstanceOf(TornadoTaskRuntimeException.class)
                .hasMessageContaining("task graph g has a task t already");
        assertThatThrownBy(() -> graph.task("u", PlanTest::twice, null))
                .isInstanceOf(TornadoTaskRuntimeException.class)
                .hasMessageContaining("task g.u: argument 0 is null");
        assertThatThrownBy(() -> graph.transferToDevice(DataTransferMode.FIRST_EXECUTION, data, null))
                .hasMessageContaining("transferToDevice of null");
        assertThatThrownBy(() -> graph.transferToHost(DataTransferMode.EVERY_EXECUTION, 3))
                .hasMessageContaining("transferToHost of a Integer, expected arrays");
        assertThatCode(() -> graph.transferToDevice(DataTransferMode.EVERY_EXECUTION, 3, new KernelContext()))
                .doesNotThrowAnyException();
        assertThatThrownBy(() -> graph.task("s", PlanTest::touch, data.getSegment()))
                .hasMessageContaining("task g.s: argument 0 is a MemorySegment");
        assertThatThrownBy(() -> graph.transferToDevice(3, data)).hasMessageContaining("mode 3");
        assertThatThrownBy(() -> graph.transferToHost(DataTransferMode.FIRST_EXECUTION, data))
                .hasMessageContaining("transferToHost with mode 0");
        assertThatThrownBy(() -> new TaskGraph("h")
                        .transferToHost(DataTransferMode.EVERY_EXECUTION, data)
                        .snapshot())
                .hasMessageContaining("transferToHost of a FloatArray that no task uses");
        TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot());
        assertThatThrownBy(() -> plan.withGridScheduler(new GridScheduler("g.x", Kernels.grid(1, 1))))
                .hasMessageContaining("worker grid for g.x: task graph g has no such task");
        GridScheduler shared = new GridScheduler("other.x", Kernels.grid(1, 1));
        assertThatThrownBy(() -> plan.withGridScheduler(shared))
                .hasMessageContaining("worker grids for [other.x], but this plan has no such task");
        shared.addWorkerGrid("g.t", Kernels.grid(1, 1));
        assertThatCode(() -> plan.withGridScheduler(shared)).doesNotThrowAnyException();
    }

    @Test
    void profilerMeasuresEveryTask() throws TornadoExecutionPlanException {
        FloatArray data = new FloatArray(4);
        FloatArray out = new FloatArray(1);
        try (TornadoExecutionPlan plan =
                new TornadoExecutionPlan(twoSteps(data, out).snapshot())) {
            plan.withGridScheduler(scheduler());
            assertThat(plan.execute().getProfilerResult().getTotalTime()).isZero();
            TornadoProfilerResult profile =
                    plan.withProfiler(ProfilerMode.SILENT).execute().getProfilerResult();
            assertThat(profile.getDeviceKernelTime()).isPositive();
            assertThat(profile.getTotalTime()).isGreaterThanOrEqualTo(profile.getDeviceKernelTime());
            assertThat(profile.getTotalBytesCopyIn()).isEqualTo(32);
            assertThat(profile.getTotalBytesCopyOut()).isEqualTo(32 + 20);
            assertThat(profile.getTotalDeviceMemoryUsage()).isEqualTo(32 + 20);
            assertThat(profile.getProfileLog()).contains("\"g.double\"", "\"g.add\"", "\"g.sum\"", "TASK_KERNEL_TIME");
            assertThat(plan.getPlanResult(1).getProfilerResult().getDeviceKernelTime())
                    .isEqualTo(profile.getDeviceKernelTime());
            assertThat(plan.withoutProfiler().execute().getProfilerResult().getDeviceKernelTime())
                    .isZero();
            plan.clearProfiles();
            assertThatThrownBy(() -> plan.getPlanResult(0)).isInstanceOf(TornadoRuntimeException.class);
        }
    }

    @Test
    void firstExecutionTransfersCountOnce() throws TornadoExecutionPlanException {
        FloatArray data = new FloatArray(4);
        TaskGraph graph = new TaskGraph("g")
                .transferToDevice(DataTransferMode.FIRST_EXECUTION, data)
                .task("t", PlanTest::twice, data)
                .transferToHost(DataTransferMode.UNDER_DEMAND, data);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            plan.withProfiler(ProfilerMode.SILENT);
            assertThat(plan.execute().getProfilerResult().getTotalBytesCopyIn()).isEqualTo(32);
            TornadoExecutionResult result = plan.execute();
            assertThat(result.getProfilerResult().getTotalBytesTransferred()).isZero();
            assertThat(result.isReady()).isTrue();
            result.transferToHost(data)
                    .transferToHost(new DataRange(data).withOffset(1).withSize(3));
            assertThatThrownBy(() -> result.transferToHost(new FloatArray(1)))
                    .hasMessageContaining("transferToHost of a FloatArray that no task graph of this plan uses");
            assertThatThrownBy(() -> result.transferToHost(new DataRange(data).withOffset(2)))
                    .hasMessageContaining("leaves an array of 4");
        }
    }

    @Test
    void limitsAndWarmUpTakeEffect() throws Exception {
        FloatArray data = FloatArray.fromElements(1);
        TaskGraph graph = new TaskGraph("g").task("t", PlanTest::twice, data);
        TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot());
        plan.withWarmUpIterations(3);
        assertThat(data.get(0)).isEqualTo(8);
        plan.withWarmUpTime(1);
        assertThat(data.get(0)).isGreaterThan(8);
        assertThat(plan.getCurrentDeviceMemoryUsage()).isEqualTo(20);
        plan.withMemoryLimit("19B");
        assertThatThrownBy(plan::execute)
                .isInstanceOf(TornadoMemoryException.class)
                .hasMessageContaining("20 bytes");
        plan.withMemoryLimit("1KB").execute();
        assertThatThrownBy(() -> plan.withMemoryLimit("much")).hasMessageContaining("size \"much\"");
        assertThat(plan.getTraceExecutionPlan()).contains("withMemoryLimit(1KB)");
        plan.close();
        assertThatThrownBy(plan::execute).hasMessageContaining("closed");
    }

    @Test
    void unsupportedCallsSaySoByName() {
        FloatArray data = new FloatArray(1);
        TaskGraph graph = new TaskGraph("g").task("t", PlanTest::twice, data);
        TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot());
        refused("TornadoExecutionPlan.withBatch", () -> plan.withBatch("1MB"));
        refused("TornadoExecutionPlan.withConcurrentDevices", plan::withConcurrentDevices);
        refused("TornadoExecutionPlan.withPrintKernel", plan::withPrintKernel);
        refused(
                "TornadoExecutionPlan.withCompilerFlags",
                () -> plan.withCompilerFlags(TornadoVMBackendType.JAVA, "-O3"));
        refused("TornadoExecutionPlan.withCUDAGraph", plan::withCUDAGraph);
        refused(
                "TornadoExecutionPlan.mapOnDeviceMemoryRegion",
                () -> plan.mapOnDeviceMemoryRegion(data, data, 0, 0, 0));
        AccessorParameters parameters = new AccessorParameters(1);
        parameters.set(0, data, Access.READ_WRITE);
        refused("TaskGraph.prebuiltTask", () -> graph.prebuiltTask("p", "add", "add.cu", parameters));
        assertThatThrownBy(() -> new KernelContext().localBarrier())
                .isInstanceOf(TornadoRuntimeException.class)
                .hasMessageContaining("KernelContext.localBarrier outside a running task");
        assertThatThrownBy(() -> plan.withDevice(null)).hasMessageContaining("withDevice");
        assertThatThrownBy(() -> plan.withDevice("g.x", TornadoExecutionPlan.DEFAULT_DEVICE))
                .hasMessageContaining("no task g.x");
    }

    private static void refused(String call, ThrowingCallable action) {
        assertThatThrownBy(action)
                .isInstanceOf(TornadoRuntimeException.class)
                .hasMessage(call + " is not supported by tornado-jvm");
    }

    @Test
    void theDeviceIsTheJvm() {
        TornadoDevice device = TornadoExecutionPlan.getDevice(0, 0);
        assertThat(device).isSameAs(TornadoExecutionPlan.DEFAULT_DEVICE);
        assertThat(device.getDeviceName()).isEqualTo("tornado-jvm");
        assertThat(device.getTornadoVMBackend()).isEqualTo(TornadoVMBackendType.JAVA);
        assertThat(device.getPhysicalDevice().getDeviceMaxComputeUnits())
                .isEqualTo(Runtime.getRuntime().availableProcessors());
        assertThat(TornadoRuntimeProvider.getTornadoRuntime().getNumBackends()).isEqualTo(1);
        assertThat(TornadoExecutionPlan.getTornadoDeviceMap().getDevicesByName("JVM"))
                .containsExactly(device);
        assertThat(TornadoExecutionPlan.getTornadoDeviceMap().getDevicesByType(TornadoDeviceType.GPU))
                .isEmpty();
        assertThatThrownBy(() -> TornadoExecutionPlan.getDevice(1, 0)).hasMessageContaining("only backend 0");
        assertThatThrownBy(() -> TornadoExecutionPlan.getDevice(0, 1)).hasMessageContaining("only device 0");
    }

    static void rounds(KernelContext context, IntArray out, int seed) {
        int[] cells = context.allocateIntLocalArray(64);
        int item = context.localIdx;
        cells[item] = seed + item;
        for (int round = 0; round < 50; round++) {
            context.localBarrier();
            int next = cells[(item + 1) % 64];
            context.localBarrier();
            cells[item] = cells[item] * 3 + next;
        }
        out.set(context.globalIdx, cells[item]);
    }

    @Test
    void plansRunAtOnceWithoutDisturbingEachOther() throws Exception {
        int plans = 4;
        List<Callable<int[]>> jobs = new ArrayList<>();
        for (int seed = 0; seed < plans; seed++) {
            int own = seed;
            jobs.add(() -> {
                IntArray out = new IntArray(8 * 64);
                TaskGraph graph = new TaskGraph("g").task("t", PlanTest::rounds, new KernelContext(), out, own);
                try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
                    plan.withGridScheduler(new GridScheduler("g.t", Kernels.grid(8 * 64, 64)));
                    for (int i = 0; i < 5; i++) {
                        plan.execute();
                    }
                }
                return out.toHeapArray();
            });
        }
        try (ExecutorService threads = Executors.newFixedThreadPool(plans)) {
            List<Future<int[]>> results = Kernels.inTime(() -> threads.invokeAll(jobs));
            for (int seed = 0; seed < plans; seed++) {
                int[] cells = new int[64];
                for (int i = 0; i < 64; i++) {
                    cells[i] = seed + i;
                }
                for (int round = 0; round < 50; round++) {
                    int[] next = new int[64];
                    for (int i = 0; i < 64; i++) {
                        next[i] = cells[i] * 3 + cells[(i + 1) % 64];
                    }
                    cells = next;
                }
                int[] got = results.get(seed).get();
                for (int i = 0; i < got.length; i++) {
                    assertThat(got[i]).isEqualTo(cells[i % 64]);
                }
            }
        }
    }

    @Test
    void onePlanUsedByManyThreadsRunsOneExecutionAtATime() throws Exception {
        FloatArray data = FloatArray.fromElements(1);
        TornadoExecutionPlan plan = new TornadoExecutionPlan(new TaskGraph("g")
                .task("t", PlanTest::addOne, new KernelContext(), data)
                .snapshot());
        List<Callable<Object>> jobs = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            jobs.add(plan::execute);
        }
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            Kernels.inTime(() -> threads.invokeAll(jobs));
        }
        assertThat(data.get(0)).isEqualTo(101);
    }
}
