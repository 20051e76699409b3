package io.sage4j.tornadojvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.WorkerGrid1D;
import uk.ac.manchester.tornado.api.WorkerGrid2D;
import uk.ac.manchester.tornado.api.WorkerGrid3D;
import uk.ac.manchester.tornado.api.exceptions.TornadoRuntimeException;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.LongArray;

/** Work-items, groups and their ids. */
class GridTest {
    private static final int FIELDS = 15;

    static void ids(KernelContext context, IntArray out) {
        int item = (context.globalIdz * context.globalGroupSizeY + context.globalIdy) * context.globalGroupSizeX
                + context.globalIdx;
        int at = item * FIELDS;
        out.set(at, out.get(at) + 1 + context.globalIdx);
        out.set(at + 1, context.globalIdy);
        out.set(at + 2, context.globalIdz);
        out.set(at + 3, context.groupIdx);
        out.set(at + 4, context.groupIdy);
        out.set(at + 5, context.groupIdz);
        out.set(at + 6, context.localIdx);
        out.set(at + 7, context.localIdy);
        out.set(at + 8, context.localIdz);
        out.set(at + 9, context.globalGroupSizeX);
        out.set(at + 10, context.globalGroupSizeY);
        out.set(at + 11, context.globalGroupSizeZ);
        out.set(at + 12, context.localGroupSizeX);
        out.set(at + 13, context.localGroupSizeY);
        out.set(at + 14, context.localGroupSizeZ);
    }

    @ParameterizedTest
    @CsvSource({"8,1,1, 4,1,1", "6,4,1, 3,2,1", "4,6,10, 2,3,5", "7,5,3, 1,1,1", "3,3,3, 3,3,3"})
    void everyItemRunsOnceWithItsIds(int gx, int gy, int gz, int lx, int ly, int lz) {
        WorkerGrid grid =
                gz > 1 ? new WorkerGrid3D(gx, gy, gz) : gy > 1 ? new WorkerGrid2D(gx, gy) : new WorkerGrid1D(gx);
        grid.setLocalWork(lx, ly, lz);
        IntArray out = new IntArray(gx * gy * gz * FIELDS);
        Kernels.run(new TaskGraph("g").task("t", GridTest::ids, new KernelContext(), out), grid);
        for (int z = 0; z < gz; z++) {
            for (int y = 0; y < gy; y++) {
                for (int x = 0; x < gx; x++) {
                    int[] seen =
                            out.slice(((z * gy + y) * gx + x) * FIELDS, FIELDS).toHeapArray();
                    assertThat(seen)
                            .containsExactly(
                                    x + 1, y, z, x / lx, y / ly, z / lz, x % lx, y % ly, z % lz, gx, gy, gz, lx, ly,
                                    lz);
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1000, 250", "1024, 256", "997, 1", "64, 64"})
    void groupSizeIsChosenWhereNoneIsSet(int global, int expected) {
        IntArray out = new IntArray(global * FIELDS);
        Kernels.run(new TaskGraph("g").task("t", GridTest::ids, new KernelContext(), out), new WorkerGrid1D(global));
        assertThat(out.get((global - 1) * FIELDS)).isEqualTo(global);
        assertThat(out.get(12)).isEqualTo(expected);
    }

    @Test
    void kernelWithoutGridRunsOneItem() {
        IntArray out = new IntArray(FIELDS);
        Kernels.run(new TaskGraph("g").task("t", GridTest::ids, new KernelContext(), out), null);
        assertThat(out.toHeapArray()).containsExactly(1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1);
    }

    private static void refuse(WorkerGrid grid, String message) {
        TaskGraph graph = new TaskGraph("g").task("t", GridTest::ids, new KernelContext(), new IntArray(1));
        assertThatThrownBy(() -> Kernels.run(graph, grid))
                .isInstanceOf(TornadoRuntimeException.class)
                .hasMessageContaining(message);
    }

    @Test
    void impossibleGridsAreRefused() {
        refuse(Kernels.grid(100, 32), "global work [100, 1, 1] is no multiple of local work [32, 1, 1]");
        refuse(Kernels.grid(2048, 2048), "too large, at most 1024");
        refuse(new WorkerGrid1D(0), "must be 1 to 2147483647");
        refuse(new WorkerGrid1D(-4), "must be 1 to 2147483647");
        WorkerGrid shifted = Kernels.grid(32, 32);
        shifted.setGlobalOffset(1, 0, 0);
        refuse(shifted, "setGlobalOffset is not supported");
        assertThatThrownBy(() -> new WorkerGrid1D(4).setLocalWork(0, 1, 1))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void workerGridsTellTheirGroups() {
        WorkerGrid grid = new WorkerGrid2D(64, 8);
        assertThat(grid.dimension()).isEqualTo(2);
        assertThat(grid.getLocalWork()).isNull();
        assertThat(grid.getNumberOfWorkgroups()).isNull();
        grid.setLocalWork(16, 2, 1);
        assertThat(grid.getNumberOfWorkgroups()).containsExactly(4, 4, 1);
        grid.setGlobalWork(32, 8, 1);
        assertThat(grid.getNumberOfWorkgroups()).containsExactly(2, 4, 1);
        grid.setLocalWorkToNull();
        assertThat(grid.getLocalWork()).isNull();
        GridScheduler scheduler = new GridScheduler("g.t", grid);
        assertThat(scheduler.contains("g", "t")).isTrue();
        assertThat(scheduler.contains("g", "u")).isFalse();
        assertThat(scheduler.get("g.t")).isSameAs(grid);
        assertThat(scheduler.keySet()).containsExactly("g.t");
    }

    static void count(KernelContext context, IntArray ints, LongArray longs, FloatArray floats, DoubleArray doubles) {
        context.atomicAdd(ints, 1, 3);
        context.atomicAdd(longs, 1, 1L << 33);
        context.atomicAdd(floats, 1, 0.5f);
        context.atomicAdd(doubles, 1, 0.25);
    }

    @Test
    void atomicAdditionsLoseNothing() {
        int n = 1 << 16;
        IntArray ints = new IntArray(2);
        LongArray longs = new LongArray(2);
        FloatArray floats = new FloatArray(2);
        DoubleArray doubles = new DoubleArray(2);
        Kernels.run(
                new TaskGraph("g").task("t", GridTest::count, new KernelContext(), ints, longs, floats, doubles),
                Kernels.grid(n, 64));
        assertThat(ints.toHeapArray()).containsExactly(0, 3 * n);
        assertThat(longs.toHeapArray()).containsExactly(0, (1L << 33) * n);
        assertThat(floats.toHeapArray()).containsExactly(0, n / 2f);
        assertThat(doubles.toHeapArray()).containsExactly(0, n / 4.0);
        TaskGraph outside = new TaskGraph("g")
                .task("t", GridTest::count, new KernelContext(), new IntArray(1), longs, floats, doubles);
        assertThatThrownBy(() -> Kernels.run(outside, null)).hasMessageContaining("index 1 outside IntArray of 1");
    }
}
