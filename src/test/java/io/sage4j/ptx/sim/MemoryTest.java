package io.sage4j.ptx.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.CopyAsync;
import io.sage4j.ptx.CopyCommit;
import io.sage4j.ptx.CopyWait;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.LoadMatrix;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.SharedArray;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MemoryTest {
    private static final int BYTES = 1024;

    private interface Body {
        void emit(KernelBuilder k, Reg global, Reg shared, Reg tid);
    }

    /** Runs a kernel over {@value #BYTES} bytes of global memory, where byte n is n, and as much shared memory. */
    private static Statistics run(int threads, boolean races, MemorySegment global, Body body) {
        KernelBuilder k = new KernelBuilder("memory", threads);
        Reg base = k.param("global", Type.U64);
        SharedArray shared = k.shared("s", BYTES, 128, false);
        body.emit(k, base, k.read(shared), k.read(Special.TID_X));
        for (int n = 0; n < BYTES; n++) {
            global.set(ValueLayout.JAVA_BYTE, n, (byte) n);
        }
        GlobalMemory memory = new GlobalMemory();
        return new Simulator(memory, races).run(k.build(), 1, 1, 1, memory.map(global));
    }

    private static Statistics run(int threads, Body body) {
        try (Arena arena = Arena.ofConfined()) {
            return run(threads, true, arena.allocate(BYTES), body);
        }
    }

    @Test
    void outOfBoundsNamesKernelInstructionAndLane() {
        assertThatThrownBy(() -> run(
                        64,
                        (k, global, shared, tid) -> k.load(
                                Space.GLOBAL,
                                Type.U32,
                                Address.of(k.index(global, tid, 20)).plus(4))))
                .isInstanceOf(SimulationException.class)
                .hasMessage("memory, line 4 'ld.global.u32 %r2, [%rd1+4];', CTA (0, 0, 0), warp 1, lane 19: "
                        + "global address 0x700000400: 4 bytes at offset 1024 of an allocation of 1024 bytes");
    }

    @Test
    void misalignedVectorsAreReported() {
        assertThatThrownBy(() -> run(
                        32,
                        (k, global, shared, tid) ->
                                k.loadVector(Space.GLOBAL, Type.U32, 4, Address.of(k.index(global, tid, 8)), false)))
                .hasMessageContaining("lane 1")
                .hasMessageContaining("is not aligned to 16 bytes");
    }

    @Test
    void unwrittenRegistersAndSharedBytesAreReported() {
        assertThatThrownBy(() -> run(32, (k, global, shared, tid) -> {
                    Reg r = k.reg(RegType.B32);
                    k.guarded(k.compare(Relation.NE, Type.U32, tid, Imm.of(7)), () -> k.set(r, Type.U32, Imm.of(1)));
                    k.add(Type.U32, r, tid);
                }))
                .hasMessageContaining("lane 7: reads register %r2, which was never written");
        assertThatThrownBy(() -> run(
                        32,
                        (k, global, shared, tid) -> k.load(
                                Space.SHARED, Type.B16, Address.of(shared).plus(6))))
                .hasMessageContaining("reads shared byte 6, which was never written");
        assertThatThrownBy(() -> run(
                        32,
                        (k, global, shared, tid) -> k.store(
                                Space.SHARED, Type.U32, Address.of(shared).plus(1024), tid)))
                .hasMessageContaining("4 bytes at offset 1024 of 1024 bytes of shared memory");
    }

    private static void copyTile(KernelBuilder k, Reg global, Reg shared, Reg tid, Reg valid) {
        Reg to = k.mad(Type.U32, tid, Imm.of(16), shared);
        k.emit(new CopyAsync(Address.of(to), Address.of(k.index(global, tid, 16)), valid));
        k.emit(new CopyCommit());
    }

    @Test
    void aCopyIsThereAfterItsWaitAndNotBefore() {
        assertThatThrownBy(() -> run(32, (k, global, shared, tid) -> {
                    copyTile(k, global, shared, tid, null);
                    k.emit(new CopyWait(1));
                    k.load(Space.SHARED, Type.U32, Address.of(shared));
                }))
                .hasMessageContaining("which an asynchronous copy has not delivered yet");
        assertThatThrownBy(() -> run(64, (k, global, shared, tid) -> {
                    copyTile(k, global, shared, tid, null);
                    k.emit(new CopyWait(0));
                    k.load(Space.SHARED, Type.U32, Address.of(shared));
                }))
                .hasMessageContaining("race: reads shared byte 0, which warp 0 wrote since the last barrier");
    }

    @Test
    void aCopyBringsItsValidBytesAndZeros() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment global = arena.allocate(BYTES);
            run(64, true, global, (k, base, shared, tid) -> {
                copyTile(k, base, shared, tid, k.min(Type.U32, tid, Imm.of(16)));
                k.emit(new CopyWait(0));
                k.barrier();
                Reg from = k.mad(Type.U32, tid, Imm.of(16), shared);
                List<Reg> values = k.loadVector(Space.SHARED, Type.U32, 4, Address.of(from), false);
                k.store(Space.GLOBAL, Type.U32, Address.of(k.index(base, tid, 16)), values.toArray(Reg[]::new));
            });
            for (int n = 0; n < BYTES; n++) {
                int expected = n % 16 < Math.min(16, n / 16) ? n & 0xFF : 0;
                assertThat(global.get(ValueLayout.JAVA_BYTE, n) & 0xFF)
                        .as("byte %d", n)
                        .isEqualTo(expected);
            }
        }
    }

    @Test
    void racesBetweenBarriersAreReportedIfAsked() {
        Body write = (k, global, shared, tid) ->
                k.store(Space.SHARED, Type.U32, Address.of(k.mad(Type.U32, k.and(tid, 31), Imm.of(4), shared)), tid);
        assertThatThrownBy(() -> run(64, write)).hasMessageContaining("race: writes shared byte 0, which warp 0 wrote");
        Body readThenWrite = (k, global, shared, tid) -> {
            Reg first = k.compare(Relation.LT, Type.U32, tid, Imm.of(32));
            k.guardedNot(
                    first,
                    () -> k.store(Space.SHARED, Type.U32, Address.of(shared).plus(4), tid));
            k.barrier();
            k.guarded(
                    first,
                    () -> k.load(Space.SHARED, Type.U32, Address.of(shared).plus(4)));
            k.guardedNot(
                    first,
                    () -> k.store(Space.SHARED, Type.U32, Address.of(shared).plus(4), tid));
        };
        assertThatThrownBy(() -> run(64, readThenWrite))
                .hasMessageContaining("race: writes shared byte 4, which warp 0 read");
        try (Arena arena = Arena.ofConfined()) {
            run(64, false, arena.allocate(BYTES), write);
            run(64, false, arena.allocate(BYTES), readThenWrite);
        }
    }

    @ParameterizedTest
    @CsvSource({"4, 4, 0", "8, 4, 1", "128, 4, 31", "16, 16, 0", "32, 16, 4", "8, 8, 0", "12, 4, 0"})
    void bankConflictsAreCounted(int stride, int bytes, int conflicts) {
        KernelBuilder k = new KernelBuilder("banks", 32);
        Reg at = k.mad(Type.U32, k.read(Special.TID_X), Imm.of(stride), k.read(k.shared("s", 8192, 128, false)));
        Reg zero = k.move(Type.U32, Imm.of(0));
        Reg[] values = new Reg[bytes / 4];
        Arrays.fill(values, zero);
        k.store(Space.SHARED, Type.U32, Address.of(at), values);
        Statistics statistics = new Simulator(new GlobalMemory()).run(k.build(), 1, 1, 1);
        assertThat(statistics.bankConflicts()).isEqualTo(conflicts);
        assertThat(statistics.bankConflictsByLine()).hasSize(conflicts == 0 ? 0 : 1);
    }

    @ParameterizedTest
    @CsvSource({"1, false", "2, false", "4, false", "4, true"})
    void ldmatrixHandsOutRowsOfEightTimesSixteenBytes(int count, boolean transposed) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment global = arena.allocate(BYTES);
            run(32, true, global, (k, base, shared, tid) -> {
                Reg row = k.mad(Type.U32, tid, Imm.of(16), shared);
                for (int n = 0; n < 16; n += 4) {
                    Reg value = k.load(
                            Space.GLOBAL,
                            Type.U32,
                            Address.of(k.index(base, tid, 16)).plus(n));
                    k.store(Space.SHARED, Type.U32, Address.of(row).plus(n), value);
                }
                List<Reg> to = k.regs(RegType.B32, count);
                k.emit(new LoadMatrix(to, transposed, Address.of(row)));
                for (int n = 0; n < count; n++) {
                    k.store(
                            Space.GLOBAL,
                            Type.U32,
                            Address.of(k.index(base, tid, 16)).plus(512 + 4 * n),
                            to.get(n));
                }
            });
            // PTX ISA: element i of thread t is (t / 4, t % 4 * 2 + i), of the transposed matrix likewise.
            for (int lane = 0; lane < 32; lane++) {
                for (int matrix = 0; matrix < count; matrix++) {
                    for (int i = 0; i < 2; i++) {
                        int row = transposed ? lane % 4 * 2 + i : lane / 4;
                        int column = transposed ? lane / 4 : lane % 4 * 2 + i;
                        short expected = global.get(ValueLayout.JAVA_SHORT, (matrix * 8 + row) * 16L + column * 2);
                        short got = global.get(ValueLayout.JAVA_SHORT, 512 + lane * 16L + matrix * 4L + i * 2);
                        assertThat(got).as("lane %d matrix %d", lane, matrix).isEqualTo(expected);
                    }
                }
            }
        }
    }

    @Test
    void argumentsMustFitTheParameters() {
        KernelBuilder k = new KernelBuilder("args", 32);
        k.param("n", Type.U32);
        Simulator simulator = new Simulator(new GlobalMemory());
        assertThatThrownBy(() -> simulator.run(k.build(), 1, 1, 1)).hasMessageContaining("0 arguments, expected 1");
        assertThatThrownBy(() -> simulator.run(k.build(), 1, 1, 1, 5L)).hasMessageContaining("args_n is U32");
    }
}
