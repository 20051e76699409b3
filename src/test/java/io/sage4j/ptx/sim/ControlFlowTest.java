package io.sage4j.ptx.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.Shuffle;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.IntUnaryOperator;
import org.junit.jupiter.api.Test;

class ControlFlowTest {
    /** What a test writes: the value of a thread. */
    private interface Body {
        Reg value(KernelBuilder k, Reg tid);
    }

    private static Statistics check(int threads, Body body, IntUnaryOperator expected) {
        KernelBuilder k = new KernelBuilder("flow", threads);
        Reg out = k.param("out", Type.U64);
        Reg tid = k.read(Special.TID_X);
        Reg value = body.value(k, tid);
        Reg at = k.mad(Type.U32, k.read(Special.CTAID_X), Imm.of(threads), tid);
        k.store(Space.GLOBAL, Type.U32, Address.of(k.index(out, at, 4)), value);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment output = arena.allocate(2L * threads * 4);
            GlobalMemory memory = new GlobalMemory();
            Statistics statistics = new Simulator(memory).run(k.build(), 2, 1, 1, memory.map(output));
            for (int n = 0; n < 2 * threads; n++) {
                assertThat(output.getAtIndex(ValueLayout.JAVA_INT, n))
                        .as("thread %d", n)
                        .isEqualTo(expected.applyAsInt(n % threads));
            }
            return statistics;
        }
    }

    @Test
    void lanesThatLoopDifferentlyOftenMeetAgain() {
        Statistics statistics = check(
                32,
                (k, tid) -> {
                    Reg sum = k.move(Type.U32, Imm.of(0));
                    k.range(Imm.of(0), tid, 1, i -> k.set(sum, Operation.ADD, Type.U32, sum, i));
                    // All lanes must be back for this one.
                    return k.add(Type.U32, sum, k.shuffleXor(tid, 1));
                },
                tid -> tid * (tid - 1) / 2 + (tid ^ 1));
        // Lock-step: the loop's 31 rounds run once, not once a lane.
        assertThat(statistics.executed()).containsEntry("add.s32", 2L * 31);
    }

    @Test
    void nestedBranchesTakeBothSides() {
        check(
                64,
                (k, tid) -> {
                    Reg value = k.move(Type.U32, Imm.of(0));
                    Reg odd = k.compare(Relation.EQ, Type.U32, k.and(tid, 1), Imm.of(1));
                    Reg high = k.compare(Relation.GE, Type.U32, tid, Imm.of(20));
                    k.whenElse(
                            odd,
                            () -> k.whenElse(
                                    high,
                                    () -> k.set(value, Type.U32, Imm.of(11)),
                                    () -> k.set(value, Type.U32, Imm.of(10))),
                            () -> k.when(high, () -> k.set(value, Type.U32, Imm.of(1))));
                    return value;
                },
                tid -> (tid & 1) * 10 + (tid >= 20 ? 1 : 0));
    }

    @Test
    void lanesThatReturnEarlyLeaveTheOthersAlone() {
        KernelBuilder k = new KernelBuilder("early", 32);
        Reg out = k.param("out", Type.U64);
        Reg tid = k.read(Special.TID_X);
        k.guarded(k.compare(Relation.LT, Type.U32, tid, Imm.of(5)), k::exit);
        k.store(Space.GLOBAL, Type.U32, Address.of(k.index(out, tid, 4)), tid);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment output = arena.allocate(128);
            GlobalMemory memory = new GlobalMemory();
            new Simulator(memory).run(k.build(), 1, 1, 1, memory.map(output));
            for (int n = 0; n < 32; n++) {
                assertThat(output.getAtIndex(ValueLayout.JAVA_INT, n)).isEqualTo(n < 5 ? 0 : n);
            }
        }
    }

    @Test
    void barriersOrderWarps() {
        check(
                128,
                (k, tid) -> {
                    Reg base = k.read(k.shared("s", 512, 4, false));
                    Reg mine = k.mad(Type.U32, tid, Imm.of(4), base);
                    k.store(Space.SHARED, Type.U32, Address.of(mine), tid);
                    k.barrier();
                    Reg other = k.mad(Type.U32, k.xor(tid, Imm.of(127)), Imm.of(4), base);
                    return k.load(Space.SHARED, Type.U32, Address.of(other));
                },
                tid -> tid ^ 127);
    }

    @Test
    void shufflesReadOtherLanes() {
        for (Shuffle.Mode mode : Shuffle.Mode.values()) {
            check(
                    32,
                    (k, tid) -> {
                        Reg to = k.reg(RegType.B32);
                        k.emit(new Shuffle(mode, to, tid, Imm.of(3)));
                        return to;
                    },
                    tid -> mode == Shuffle.Mode.IDX
                            ? 3
                            : mode == Shuffle.Mode.BFLY ? tid ^ 3 : tid < 29 ? tid + 3 : tid);
        }
    }

    @Test
    void aBarrierThatOnlySomeLanesReachIsReported() {
        assertThatThrownBy(() -> check(
                        32,
                        (k, tid) -> {
                            k.when(k.compare(Relation.LT, Type.U32, tid, Imm.of(4)), k::barrier);
                            return tid;
                        },
                        tid -> tid))
                .isInstanceOf(SimulationException.class)
                .hasMessageContaining("flow, line 4 'bar.sync 0;', CTA (0, 0, 0), warp 0")
                .hasMessageContaining("only the lanes of 0x0000000f reach the barrier");
    }

    @Test
    void aBarrierThatOnlySomeWarpsReachIsReported() {
        assertThatThrownBy(() -> check(
                        64,
                        (k, tid) -> {
                            k.when(k.compare(Relation.LT, Type.U32, tid, Imm.of(32)), k::barrier);
                            return tid;
                        },
                        tid -> tid))
                .hasMessageContaining("warp 0")
                .hasMessageContaining("waits for 1 warps that have ended");
    }

    @Test
    void aShuffleThatOnlySomeLanesReachIsReported() {
        assertThatThrownBy(() -> check(
                        32,
                        (k, tid) -> {
                            k.when(k.compare(Relation.LT, Type.U32, tid, Imm.of(4)), () -> k.shuffleXor(tid, 1));
                            return tid;
                        },
                        tid -> tid))
                .hasMessageContaining("all 32 lanes must take part");
    }
}
