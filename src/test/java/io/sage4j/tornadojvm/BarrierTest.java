package io.sage4j.tornadojvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.WorkerGrid3D;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** Barriers make the items of a group wait for each other and see what the others wrote before. */
@Isolated
class BarrierTest {
    private static final AtomicInteger MEETING = new AtomicInteger();
    private static final Set<Thread> THREADS = ConcurrentHashMap.newKeySet();

    @AfterEach
    void checkingOff() {
        TornadoJvm.setChecking(false);
    }

    /** Tree reduction of a group in local memory. */
    static void reduce(KernelContext context, IntArray in, IntArray out, int size) {
        int[] sums = context.allocateIntLocalArray(size);
        int item = context.localIdx;
        sums[item] = in.get(context.globalIdx);
        for (int half = size / 2; half > 0; half /= 2) {
            context.localBarrier();
            if (item < half) {
                sums[item] += sums[item + half];
            }
        }
        if (item == 0) {
            out.set(context.groupIdx, sums[0]);
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "1, 2", "3, 32", "48, 128", "5, 256", "2, 1024"})
    void reductionInLocalMemorySumsEveryGroup(int groups, int size) {
        long seed = 20261123L + groups * 31L + size;
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        IntArray in = new IntArray(groups * size);
        int[] expected = new int[groups];
        for (int i = 0; i < in.getSize(); i++) {
            in.set(i, random.nextInt());
            expected[i / size] += in.get(i);
        }
        for (boolean checking : new boolean[] {false, true}) {
            TornadoJvm.setChecking(checking);
            IntArray out = new IntArray(groups);
            Kernels.run(
                    new TaskGraph("g").task("t", BarrierTest::reduce, new KernelContext(), in, out, size),
                    Kernels.grid(groups * size, size));
            assertThat(out.toHeapArray()).isEqualTo(expected);
        }
    }

    /** Every item adds what its neighbour had in the round before: wrong as soon as one item runs ahead or behind. */
    static void lockStep(KernelContext context, IntArray out, int rounds) {
        int size = context.localGroupSizeX;
        int item = context.localIdx;
        int[] values = context.allocateIntLocalArray(size);
        values[item] = item;
        context.localBarrier();
        for (int round = 0; round < rounds; round++) {
            int neighbour = values[(item + 1) % size];
            context.localBarrier();
            values[item] = values[item] * 31 + neighbour;
            context.globalBarrier();
        }
        out.set(context.globalIdx, values[item]);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 7, 33, 128})
    void itemsStayInStepOverManyBarriers(int size) {
        int rounds = 200;
        int groups = 3;
        int[] values = new int[size];
        for (int i = 0; i < size; i++) {
            values[i] = i;
        }
        for (int round = 0; round < rounds; round++) {
            int[] next = new int[size];
            for (int i = 0; i < size; i++) {
                next[i] = values[i] * 31 + values[(i + 1) % size];
            }
            values = next;
        }
        for (boolean checking : new boolean[] {false, true}) {
            TornadoJvm.setChecking(checking);
            IntArray out = new IntArray(groups * size);
            Kernels.run(
                    new TaskGraph("g").task("t", BarrierTest::lockStep, new KernelContext(), out, rounds),
                    Kernels.grid(groups * size, size));
            for (int i = 0; i < out.getSize(); i++) {
                assertThat(out.get(i)).as("item %d, checking %s", i, checking).isEqualTo(values[i % size]);
            }
        }
    }

    static void noteThread(KernelContext context, IntArray out) {
        THREADS.add(Thread.currentThread());
        out.set(context.globalIdx, 1);
    }

    @Test
    void kernelWithoutBarriersHasNoThreadPerItem() {
        THREADS.clear();
        IntArray out = new IntArray(64 * 256);
        Kernels.run(
                new TaskGraph("g").task("t", BarrierTest::noteThread, new KernelContext(), out),
                Kernels.grid(64 * 256, 256));
        assertThat(out.toHeapArray()).containsOnly(1);
        assertThat(THREADS).hasSizeLessThanOrEqualTo(Runtime.getRuntime().availableProcessors());
    }

    static void meet(KernelContext context, IntArray out) {
        MEETING.incrementAndGet();
        long end = System.nanoTime() + 10_000_000_000L;
        while (MEETING.get() < 2 && System.nanoTime() < end) {
            Thread.onSpinWait();
        }
        out.set(context.groupIdx, MEETING.get());
    }

    @Test
    void groupsRunOnSeveralCores() {
        assumeTrue(Runtime.getRuntime().availableProcessors() > 1);
        MEETING.set(0);
        IntArray out = new IntArray(2);
        Kernels.run(new TaskGraph("g").task("t", BarrierTest::meet, new KernelContext(), out), Kernels.grid(2, 1));
        assertThat(out.toHeapArray()).containsOnly(2);
    }

    static void noteThreadAfterBarrier(KernelContext context, IntArray out) {
        context.localBarrier();
        THREADS.add(Thread.currentThread());
        out.set(context.globalIdx, 1);
    }

    @Test
    void noThreadOutlivesTheExecution() throws InterruptedException {
        THREADS.clear();
        IntArray out = new IntArray(8 * 64);
        Kernels.run(
                new TaskGraph("g").task("t", BarrierTest::noteThreadAfterBarrier, new KernelContext(), out),
                Kernels.grid(8 * 64, 64));
        assertThat(THREADS).hasSizeGreaterThan(63);
        for (Thread thread : THREADS) {
            thread.join(1000);
            assertThat(thread.isAlive()).isFalse();
        }
    }

    static void transposeBlock(KernelContext context, FloatArray in, FloatArray out, int n) {
        float[] tile = context.allocateFloatLocalArray(4 * 4 * 2);
        int plane = context.localIdz * 16;
        tile[plane + context.localIdy * 4 + context.localIdx] =
                in.get((context.globalIdz * n + context.globalIdy) * n + context.globalIdx);
        context.localBarrier();
        int row = context.groupIdx * 4 + context.localIdy;
        int column = context.groupIdy * 4 + context.localIdx;
        out.set((context.globalIdz * n + row) * n + column, tile[plane + context.localIdx * 4 + context.localIdy]);
    }

    @Test
    void barriersWorkInThreeDimensions() {
        int n = 12;
        FloatArray in = new FloatArray(4 * n * n);
        for (int i = 0; i < in.getSize(); i++) {
            in.set(i, i);
        }
        WorkerGrid grid = new WorkerGrid3D(n, n, 4);
        grid.setLocalWork(4, 4, 2);
        FloatArray out = new FloatArray(in.getSize());
        Kernels.run(new TaskGraph("g").task("t", BarrierTest::transposeBlock, new KernelContext(), in, out, n), grid);
        for (int z = 0; z < 4; z++) {
            for (int y = 0; y < n; y++) {
                for (int x = 0; x < n; x++) {
                    assertThat(out.get((z * n + y) * n + x)).isEqualTo(in.get((z * n + x) * n + y));
                }
            }
        }
    }
}
