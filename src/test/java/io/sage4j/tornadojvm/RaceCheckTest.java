package io.sage4j.tornadojvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.common.TornadoFunctions.Task2;
import uk.ac.manchester.tornado.api.exceptions.TornadoRuntimeException;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** The race check finds conflicts in local memory, and only those. */
@Isolated
class RaceCheckTest {
    private static int sharedStatic;

    @BeforeEach
    void checkingOn() {
        TornadoJvm.setChecking(true);
    }

    @AfterEach
    void checkingOff() {
        TornadoJvm.setChecking(false);
    }

    private static KernelException race(Task2<KernelContext, FloatArray> kernel) {
        TaskGraph graph = new TaskGraph("g").task("t", kernel, new KernelContext(), new FloatArray(128));
        return catchThrowableOfType(KernelException.class, () -> Kernels.run(graph, Kernels.grid(128, 64)));
    }

    private static FloatArray clean(Task2<KernelContext, FloatArray> kernel) {
        FloatArray out = new FloatArray(128);
        Kernels.run(new TaskGraph("g").task("t", kernel, new KernelContext(), out), Kernels.grid(128, 64));
        return out;
    }

    static void writeWrite(KernelContext context, FloatArray out) {
        float[] unused = context.allocateFloatLocalArray(4);
        int[] cells = context.allocateIntLocalArray(64);
        context.localBarrier();
        cells[context.localIdx / 2] = 1;
    }

    static void readAfterWrite(KernelContext context, FloatArray out) {
        float[] cells = context.allocateFloatLocalArray(64);
        cells[context.localIdx] = 1;
        out.set(context.globalIdx, cells[(context.localIdx + 63) % 64]);
    }

    static void writeAfterRead(KernelContext context, FloatArray out) {
        double[] cells = context.allocateDoubleLocalArray(64);
        cells[context.localIdx] = 1;
        context.localBarrier();
        double next = cells[(context.localIdx + 1) % 64];
        cells[context.localIdx] = next;
    }

    /** Item 0 reads what it then writes itself; only the second reader makes the race. */
    static void writeAfterOwnAndOtherRead(KernelContext context, FloatArray out) {
        long[] cells = context.allocateLongLocalArray(1);
        long value = cells[0];
        if (context.localIdx == 2) {
            cells[0] = value + 1;
        }
    }

    /** Item 0 read first; after the exchange, which is no barrier, it overwrites what all others have read too. */
    static void writeAfterExchange(KernelContext context, FloatArray out) {
        float[] cells = context.allocateFloatLocalArray(1);
        float value = cells[0] + context.simdSum(1);
        if (context.localIdx == 0) {
            cells[0] = value;
        }
    }

    static void halfArray(KernelContext context, FloatArray out) {
        HalfFloat[] cells = context.allocateHalfFloatLocalArray(64);
        cells[0] = new HalfFloat(1);
    }

    static void byteArray(KernelContext context, FloatArray out) {
        byte[] cells = context.allocateByteLocalArray(64);
        cells[context.localIdx] = 1;
        context.localBarrier();
        if (context.localIdx == 7) {
            cells[9] += 1;
        } else {
            out.set(context.globalIdx, cells[context.localIdx]);
        }
    }

    @Test
    void everyKindOfConflictIsReported() {
        KernelException writes = race(RaceCheckTest::writeWrite);
        assertThat(writes)
                .hasMessageContaining("work-item (1, 0, 0) writes index 0 of local array 1 (int[64]), "
                        + "which work-item (0, 0, 0) has written since the last barrier")
                .hasMessageContaining("RaceCheckTest.java:");
        assertThat(writes.kernel()).isEqualTo("RaceCheckTest.writeWrite of task g.t");
        assertThat(writes.group()).isEqualTo("(0, 0, 0)");
        assertThat(race(RaceCheckTest::readAfterWrite))
                .hasMessageContaining("work-item (1, 0, 0) reads index 0 of local array 0 (float[64]), "
                        + "which work-item (0, 0, 0) has written");
        assertThat(race(RaceCheckTest::writeAfterRead))
                .hasMessageContaining("work-item (1, 0, 0) writes index 1 of local array 0 (double[64]), "
                        + "which work-item (0, 0, 0) has read");
        assertThat(race(RaceCheckTest::writeAfterOwnAndOtherRead))
                .hasMessageContaining("work-item (2, 0, 0) writes index 0 of local array 0 (long[1])");
        assertThat(race(RaceCheckTest::writeAfterExchange))
                .hasMessageContaining("work-item (0, 0, 0) writes index 0 of local array 0 (float[1]), "
                        + "which work-item (1, 0, 0) has read");
        assertThat(race(RaceCheckTest::halfArray)).hasMessageContaining("(HalfFloat[64])");
        assertThat(race(RaceCheckTest::byteArray))
                .hasMessageContaining("work-item (9, 0, 0) reads index 9 of local array 0 (byte[64]), "
                        + "which work-item (7, 0, 0) has written");
    }

    static void swizzled(KernelContext context, FloatArray out) {
        HalfFloat[] tile = context.allocateHalfFloatLocalArray(128);
        context.swizzleStoreFp16Stride32(tile, 0, 0, 8, new HalfFloat(1));
    }

    static void asynchronous(KernelContext context, FloatArray out, HalfFloatArray in) {
        int[] tile = context.allocateIntLocalArray(64);
        context.asyncCopyToLocal(tile, 0, in, 0);
        context.asyncCopyCommit();
        context.asyncCopyWaitGroup(0);
    }

    @Test
    void accessThroughTheContextCounts() {
        assertThat(race(RaceCheckTest::swizzled)).hasMessageContaining("writes index 0 of local array 0");
        TaskGraph graph = new TaskGraph("g")
                .task("t", RaceCheckTest::asynchronous, new KernelContext(), new FloatArray(1), new HalfFloatArray(2));
        assertThatThrownBy(() -> Kernels.run(graph, Kernels.grid(64, 64)))
                .hasMessageContaining("writes index 0 of local array 0 (int[64])");
    }

    static void properUse(KernelContext context, FloatArray out) {
        int item = context.localIdx;
        float[] cells = context.allocateFloatLocalArray(64);
        double[] doubles = context.allocateDoubleLocalArray(64);
        float[] own = new float[3];
        own[1] = item;
        cells[item] = own[1];
        doubles[63 - item] = item;
        cells[item] += 1;
        context.localBarrier();
        float sum = 0;
        for (int i = 0; i < 64; i++) {
            sum += cells[i];
        }
        sum += (float) doubles[item];
        context.localBarrier();
        cells[item] = sum;
        context.localBarrier();
        out.set(context.globalIdx, cells[63 - item]);
    }

    @Test
    void properUseIsNoRaceAndComputesTheSame() {
        FloatArray checked = clean(RaceCheckTest::properUse);
        TornadoJvm.setChecking(false);
        FloatArray unchecked = clean(RaceCheckTest::properUse);
        assertThat(checked.toHeapArray()).isEqualTo(unchecked.toHeapArray()).doesNotContain(0f);
    }

    static void atomics(KernelContext context, FloatArray out) {
        int[] counter = context.allocateIntLocalArray(1);
        if (context.localIdx == 0) {
            counter[0] = 0;
        }
        context.localBarrier();
        context.atomicAdd(counter, 0, 2);
        context.localBarrier();
        out.set(context.globalIdx, counter[0]);
    }

    @Test
    void atomicsDoNotConflictWithEachOther() {
        assertThat(clean(RaceCheckTest::atomics).toHeapArray()).containsOnly(128f);
    }

    static void readUnwritten(KernelContext context, FloatArray out) {
        out.set(context.globalIdx, context.allocateFloatLocalArray(64)[context.localIdx]);
    }

    @Test
    void unwrittenLocalMemoryHoldsNoZeros() {
        assertThat(clean(RaceCheckTest::readUnwritten).toHeapArray()).containsOnly(Float.NaN);
    }

    static void barriersOnTwoLines(KernelContext context, FloatArray out) {
        if (context.localIdx == 3) {
            context.localBarrier();
        } else {
            context.localBarrier();
        }
    }

    @Test
    void differentBarriersAreNotOneBarrier() {
        assertThat(race(RaceCheckTest::barriersOnTwoLines))
                .hasMessageContaining("wait at different barriers: (0, 0, 0)");
    }

    static void localOutside(KernelContext context, FloatArray out) {
        float[] cells = context.allocateFloatLocalArray(63);
        cells[context.localIdx] = 1;
    }

    static void globalOutside(KernelContext context, FloatArray out) {
        context.localBarrier();
        out.set(context.globalIdx + 1, 1);
    }

    @Test
    void indexErrorsKeepTheirSourceLine() {
        assertThat(race(RaceCheckTest::localOutside))
                .hasMessageContaining("index 63 outside local array 0 (float[63]) at RaceCheckTest.java:");
        KernelException global = race(RaceCheckTest::globalOutside);
        assertThat(global).hasMessageContaining("index 128 outside FloatArray of 128 elements at RaceCheckTest.java:");
        assertThat(global.items()).isEqualTo("(63, 0, 0)");
    }

    private static float first(float[] cells) {
        return cells[0];
    }

    static void throughHelper(KernelContext context, FloatArray out) {
        float[] cells = context.allocateFloatLocalArray(2);
        if (context.localIdx == 0) {
            cells[0] = Neighbour.constant();
        }
        out.set(context.globalIdx, first(cells));
    }

    /** Another class of the same package, with a member that only the package may call. */
    static final class Neighbour {
        private Neighbour() {}

        static float constant() {
            return 3;
        }
    }

    @Test
    void helperMethodsOfTheKernelClassAreCheckedToo() {
        assertThat(race(RaceCheckTest::throughHelper))
                .hasMessageContaining("work-item (1, 0, 0) reads index 0 of local array 0 (float[2])");
    }

    static void staticState(KernelContext context, FloatArray out) {
        context.localBarrier();
        if (context.globalIdx == 0) {
            sharedStatic = 17;
        }
    }

    @Test
    void staticFieldsAreThoseOfTheOriginalClass() {
        sharedStatic = 0;
        clean(RaceCheckTest::staticState);
        assertThat(sharedStatic).isEqualTo(17);
    }

    static void inPlace(KernelContext context, IntArray data) {
        data.set(context.globalIdx, data.get(context.globalIdx) * 2 + 1);
    }

    @Test
    void lookingForTheKernelChangesNothing() {
        IntArray data = new IntArray(128);
        Kernels.run(
                new TaskGraph("g").task("t", RaceCheckTest::inPlace, new KernelContext(), data), Kernels.grid(128, 64));
        assertThat(data.toHeapArray()).containsOnly(1);
    }

    @Test
    void lambdaAroundTheKernelIsRefusedByName() {
        float[] captured = new float[1];
        assertThatThrownBy(() -> clean((context, out) -> out.set(context.globalIdx, captured[0])))
                .isInstanceOf(TornadoRuntimeException.class)
                .hasMessageContaining("task g.t cannot run under the race check")
                .hasMessageContaining("without captured values");
        assertThatThrownBy(
                        () -> clean((context, out) -> BarrierTest.noteThreadAfterBarrier(context, new IntArray(128))))
                .hasMessageContaining("pass the kernel as a method reference");
    }
}
