package io.sage4j.tornadojvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.WorkerGrid2D;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** Warp operations work on 32 items with consecutive ids. */
class WarpTest {
    static void all(
            KernelContext context, FloatArray in, FloatArray sum, FloatArray shuffled, FloatArray first, int delta) {
        float value = in.get(context.globalIdx);
        sum.set(context.globalIdx, context.simdSum(value));
        shuffled.set(context.globalIdx, context.simdShuffleDown(value, delta));
        first.set(context.globalIdx, context.simdBroadcastFirst(value));
    }

    /** Group sizes with whole warps, a partial last warp, and less than one warp. */
    @ParameterizedTest
    @CsvSource({"32, 1", "64, 5", "96, 31", "32, 0", "32, 32", "40, 3", "5, 2", "1, 1"})
    void exchangeMatchesReference(int size, int delta) {
        int groups = 3;
        int n = groups * size;
        long seed = 5L * size + delta;
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        FloatArray in = new FloatArray(n);
        for (int i = 0; i < n; i++) {
            in.set(i, random.nextInt(1 << 12)); // sums are exact in any order
        }
        FloatArray sum = new FloatArray(n);
        FloatArray shuffled = new FloatArray(n);
        FloatArray first = new FloatArray(n);
        Kernels.run(
                new TaskGraph("g").task("t", WarpTest::all, new KernelContext(), in, sum, shuffled, first, delta),
                Kernels.grid(n, size));
        for (int i = 0; i < n; i++) {
            int begin = i - i % size % 32;
            int end = Math.min(begin + 32, i - i % size + size);
            float total = 0;
            for (int j = begin; j < end; j++) {
                total += in.get(j);
            }
            assertThat(sum.get(i)).as("sum %d", i).isEqualTo(total);
            assertThat(first.get(i)).as("first %d", i).isEqualTo(in.get(begin));
            assertThat(shuffled.get(i)).as("shuffle %d", i).isEqualTo(in.get(i + delta < end ? i + delta : i));
        }
    }

    static void sumOnly(KernelContext context, FloatArray in, FloatArray out) {
        int item = context.localIdy * context.localGroupSizeX + context.localIdx;
        out.set(item, context.simdSum(in.get(item)));
    }

    @Test
    void sumAddsInTheOrderOfATreeAndXRunsFastest() {
        FloatArray in = new FloatArray(64);
        float[] lanes = new float[32];
        for (int i = 0; i < 32; i++) {
            lanes[i] = 1f / (3 + i);
            in.set(i, lanes[i]);
            in.set(32 + i, 1);
        }
        for (int half = 16; half > 0; half /= 2) {
            for (int i = 0; i < half; i++) {
                lanes[i] += lanes[i + half];
            }
        }
        FloatArray out = new FloatArray(64);
        WorkerGrid grid = new WorkerGrid2D(16, 4);
        grid.setLocalWork(16, 4, 1);
        Kernels.run(new TaskGraph("g").task("t", WarpTest::sumOnly, new KernelContext(), in, out), grid);
        for (int i = 0; i < 32; i++) {
            assertThat(out.get(i)).isEqualTo(lanes[0]);
            assertThat(out.get(32 + i)).isEqualTo(32);
        }
    }

    static void secondWarpOnly(KernelContext context, FloatArray out) {
        float value = 0;
        if (context.localIdx >= 32) {
            value = context.simdSum(1);
        }
        out.set(context.localIdx, value);
    }

    @Test
    void warpsNeedNotAgreeWithEachOther() {
        FloatArray out = new FloatArray(64);
        Kernels.run(
                new TaskGraph("g").task("t", WarpTest::secondWarpOnly, new KernelContext(), out), Kernels.grid(64, 64));
        for (int i = 0; i < 64; i++) {
            assertThat(out.get(i)).isEqualTo(i < 32 ? 0 : 32);
        }
    }

    static void manySums(KernelContext context, FloatArray errors, int rounds) {
        float lane = context.localIdx % 32;
        float wrong = 0;
        for (int round = 0; round < rounds; round++) {
            if (context.simdSum(lane + round) != 496 + 32 * round
                    || context.simdBroadcastFirst(lane + round) != round) {
                wrong++;
            }
        }
        errors.set(context.globalIdx, wrong);
    }

    /** Lanes run on several cores, so that some are released before they have begun to wait. */
    @Test
    void longRowsOfOperationsNeitherHangNorSlip() {
        FloatArray errors = new FloatArray(3 * 96);
        errors.init(-1);
        Kernels.run(
                new TaskGraph("g").task("t", WarpTest::manySums, new KernelContext(), errors, 3000),
                Kernels.grid(3 * 96, 96));
        assertThat(errors.toHeapArray()).containsOnly(0);
    }

    static void oneLaneMissing(KernelContext context, FloatArray out) {
        if (context.localIdx != 9) {
            context.simdSum(1);
        }
    }

    static void differentOperations(KernelContext context, FloatArray out) {
        if (context.localIdx == 9) {
            context.simdBroadcastFirst(1);
        } else {
            context.simdSum(1);
        }
    }

    @Test
    void lanesThatDoNotTakePartAreReported() {
        TaskGraph missing =
                new TaskGraph("g").task("t", WarpTest::oneLaneMissing, new KernelContext(), new FloatArray(1));
        assertThatThrownBy(() -> Kernels.run(missing, Kernels.grid(32, 32)))
                .isInstanceOf(KernelException.class)
                .hasMessageContaining("warp operation at WarpTest.java:")
                .hasMessageContaining("31 waiting in a warp operation")
                .hasMessageContaining("1 finished (9, 0, 0)");
        TaskGraph mixed =
                new TaskGraph("g").task("t", WarpTest::differentOperations, new KernelContext(), new FloatArray(1));
        assertThatThrownBy(() -> Kernels.run(mixed, Kernels.grid(32, 32)))
                .isInstanceOf(KernelException.class)
                .hasMessageContaining("different operations")
                .hasMessageContaining("simdBroadcastFirst")
                .hasMessageContaining("simdSum");
    }
}
