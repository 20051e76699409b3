package io.sage4j.tornadojvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.common.TornadoFunctions.Task2;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** Errors in kernels name kernel, group and items, keep their cause, and leave nothing waiting. */
class KernelErrorTest {
    private static final Set<Thread> THREADS = ConcurrentHashMap.newKeySet();
    private static volatile CountDownLatch reached;

    private static KernelException failure(Task2<KernelContext, FloatArray> kernel, WorkerGrid grid) {
        TaskGraph graph = new TaskGraph("g").task("t", kernel, new KernelContext(), new FloatArray(256));
        return catchThrowableOfType(KernelException.class, () -> Kernels.run(graph, grid));
    }

    static void skipBarrier(KernelContext context, FloatArray out) {
        if (context.groupIdx != 1 || context.localIdx != 5) {
            context.localBarrier();
        }
        out.set(context.globalIdx, 1);
    }

    @Test
    void barrierThatOneItemSkipsIsReported() {
        KernelException error = failure(KernelErrorTest::skipBarrier, Kernels.grid(128, 32));
        assertThat(error.kernel()).isEqualTo("KernelErrorTest.skipBarrier of task g.t");
        assertThat(error.group()).isEqualTo("(1, 0, 0)");
        assertThat(error.items()).isEqualTo("(5, 0, 0)");
        assertThat(error)
                .hasMessageContaining("not reached by all work-items: 31 waiting at a barrier (0, 0, 0)")
                .hasMessageContaining("1 finished (5, 0, 0)")
                .hasMessageContaining("KernelErrorTest.java:");
    }

    static void onlyLastReachesBarrier(KernelContext context, FloatArray out) {
        if (context.localIdx == 31) {
            context.localBarrier();
        }
    }

    @Test
    void barrierReachedAfterOthersHaveFinishedIsReported() {
        KernelException error = failure(KernelErrorTest::onlyLastReachesBarrier, Kernels.grid(32, 32));
        assertThat(error).hasMessageContaining("1 waiting at a barrier (31, 0, 0); 31 finished (0, 0, 0)");
    }

    static void secondBarrierSkipped(KernelContext context, FloatArray out) {
        context.localBarrier();
        context.localBarrier();
        if (context.localIdx >= 16) {
            context.localBarrier();
        }
    }

    @Test
    void laterBarrierThatSomeSkipIsReported() {
        KernelException error = failure(KernelErrorTest::secondBarrierSkipped, Kernels.grid(32, 32));
        assertThat(error)
                .hasMessageContaining("16 waiting at a barrier (16, 0, 0)")
                .hasMessageContaining("16 finished");
    }

    static void barrierAgainstWarp(KernelContext context, FloatArray out) {
        if (context.localIdx < 32) {
            context.localBarrier();
        } else {
            context.simdSum(1);
            context.localBarrier();
            context.localBarrier();
        }
    }

    static void halfOfWarpAtBarrier(KernelContext context, FloatArray out) {
        if (context.localIdx % 2 == 0) {
            context.localBarrier();
        } else {
            context.simdSum(1);
        }
    }

    @Test
    void itemsInWarpOperationAndAtBarrierBlockEachOther() {
        KernelException mixed = failure(KernelErrorTest::halfOfWarpAtBarrier, Kernels.grid(64, 64));
        assertThat(mixed).hasMessageContaining("32 waiting at a barrier").hasMessageContaining("32 waiting in a warp");
        KernelException uneven = failure(KernelErrorTest::barrierAgainstWarp, Kernels.grid(64, 64));
        assertThat(uneven)
                .hasMessageContaining("32 waiting at a barrier (32, 0, 0)")
                .hasMessageContaining("32 finished");
    }

    static void offHeapOutside(KernelContext context, FloatArray out) {
        context.localBarrier();
        out.set(context.globalIdx == 77 ? -1 : context.globalIdx, 1);
    }

    static void javaOutside(KernelContext context, FloatArray out) {
        float[] own = new float[4];
        own[context.globalIdx == 200 ? 4 : 0] = 1;
    }

    @Test
    void indexOutsideAnArrayIsReportedWithItsPlace() {
        KernelException offHeap = failure(KernelErrorTest::offHeapOutside, Kernels.grid(256, 64));
        assertThat(offHeap).hasMessageContaining("index -1 outside FloatArray of 256 elements");
        assertThat(offHeap.group()).isEqualTo("(1, 0, 0)");
        assertThat(offHeap.items()).isEqualTo("(13, 0, 0)");
        assertThat(offHeap.kernel()).isEqualTo("KernelErrorTest.offHeapOutside of task g.t");
        assertThat(offHeap).hasCauseInstanceOf(IndexOutOfBoundsException.class);

        KernelException heap = failure(KernelErrorTest::javaOutside, Kernels.grid(256, 64));
        assertThat(heap).hasMessageContaining("Index 4 out of bounds for length 4 at KernelErrorTest.java:");
        assertThat(heap.group()).isEqualTo("(3, 0, 0)");
        assertThat(heap.items()).isEqualTo("(8, 0, 0)");
        assertThat(heap).hasCauseInstanceOf(ArrayIndexOutOfBoundsException.class);
    }

    static void failWhileOthersWait(KernelContext context, FloatArray out) {
        THREADS.add(Thread.currentThread());
        context.localBarrier();
        if (context.globalIdx == 40) {
            throw new IllegalStateException("on purpose");
        }
        for (int i = 0; i < 1000; i++) {
            context.localBarrier();
        }
        out.set(0, 1);
    }

    @Test
    void failingItemReleasesAllOthers() throws InterruptedException {
        THREADS.clear();
        KernelException error = failure(KernelErrorTest::failWhileOthersWait, Kernels.grid(256, 64));
        assertThat(error).hasRootCauseMessage("on purpose").hasMessageContaining("IllegalStateException: on purpose");
        assertThat(error.items()).isEqualTo("(40, 0, 0)");
        for (Thread thread : THREADS) {
            thread.join(5000);
            assertThat(thread.isAlive()).isFalse();
        }
    }

    static void differentSizes(KernelContext context, FloatArray out) {
        context.allocateFloatLocalArray(context.localIdx == 3 ? 65 : 64);
    }

    static void differentTypes(KernelContext context, FloatArray out) {
        if (context.localIdx == 0) {
            context.allocateFloatLocalArray(8);
        } else {
            context.allocateIntLocalArray(8);
        }
    }

    @Test
    void localArraysThatDisagreeAreReported() {
        assertThat(failure(KernelErrorTest::differentSizes, Kernels.grid(32, 32)))
                .hasMessageContaining("local array 0 is float[65] here but float[64] for work-item (0, 0, 0)");
        assertThat(failure(KernelErrorTest::differentTypes, Kernels.grid(32, 32)))
                .hasMessageContaining("local array 0 is int[8] here but float[8]");
    }

    static void waitForever(KernelContext context, FloatArray out) {
        reached.countDown();
        while (true) {
            context.localBarrier();
        }
    }

    @Test
    void interruptEndsTheExecution() throws InterruptedException {
        reached = new CountDownLatch(1);
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        AtomicReference<Boolean> flag = new AtomicReference<>();
        Thread caller = new Thread(() -> {
            TaskGraph graph =
                    new TaskGraph("g").task("t", KernelErrorTest::waitForever, new KernelContext(), new FloatArray(1));
            try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
                plan.withGridScheduler(new GridScheduler("g.t", Kernels.grid(64, 32)))
                        .execute();
            } catch (Throwable e) {
                thrown.set(e);
                flag.set(Thread.currentThread().isInterrupted());
            }
        });
        caller.start();
        assertThat(reached.await(30, TimeUnit.SECONDS)).isTrue();
        caller.interrupt();
        caller.join(30_000);
        assertThat(caller.isAlive()).isFalse();
        assertThat(thrown.get()).isInstanceOf(KernelException.class).hasMessageContaining("interrupted");
        assertThat(flag.get()).isTrue();
    }

    static void plain(FloatArray out, int index) {
        out.set(index, 1);
    }

    @Test
    void errorInPlainTaskNamesTheMethod() {
        TaskGraph graph = new TaskGraph("g").task("t", KernelErrorTest::plain, new FloatArray(4), 4);
        KernelException error = catchThrowableOfType(KernelException.class, () -> Kernels.run(graph, null));
        assertThat(error.kernel()).isEqualTo("KernelErrorTest.plain of task g.t");
        assertThat(error).hasMessageContaining("index 4 outside FloatArray of 4 elements at KernelErrorTest.java:");
    }

    /** HotSpot throws exceptions without a stack from code that throws often. */
    @Test
    void anErrorWithoutAStackIsStillDescribed() {
        NullPointerException error = new NullPointerException("why");
        error.setStackTrace(new StackTraceElement[0]);
        assertThat(KernelFrames.describe(error))
                .contains("NullPointerException")
                .contains("why");
        assertThat(KernelFrames.programFrames(error.getStackTrace())).isEmpty();
    }
}
