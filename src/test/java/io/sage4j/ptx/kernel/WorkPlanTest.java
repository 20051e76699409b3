package io.sage4j.ptx.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.WgmmaLayout;
import io.sage4j.ptx.kernel.WgmmaAttentionSpec.Stores;
import io.sage4j.ptx.sim.GlobalMemory;
import io.sage4j.ptx.sim.Simulator;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Plans, and that the kernels' own numbering ({@link WorkProbe}, interpreted) makes of them all of the work and none twice. */
class WorkPlanTest {
    private static final int CTAS = 132;
    private static final long CACHE = 32L << 20;

    private static WorkPlan.Call call(
            int heads, int qoLen, int kvLen, boolean causal, int diagonal, int warpgroups, int ctas, boolean parted) {
        long codes = 2L * kvLen * (warpgroups == 2 ? 128 : 64);
        return new WorkPlan.Call(heads, qoLen, kvLen, causal, diagonal, warpgroups, ctas, codes, CACHE, parted);
    }

    @ParameterizedTest
    @CsvSource({
        "1, 1, 5000, false, 0, 2, 132",
        "8, 300, 3000, false, 0, 2, 132",
        "8, 300, 3000, true, 2700, 3, 132",
        "7, 200, 1000, false, 0, 3, 5",
        "7, 200, 1000, true, 0, 3, 5",
        "7, 200, 1000, true, -100, 2, 5",
        "9, 250, 2000, true, 0, 2, 8",
        "9, 250, 2000, false, 0, 3, 8",
        "5, 1000, 700, true, -300, 3, 6",
        "5, 1000, 700, true, 40, 2, 6",
        "3, 700, 64, false, 0, 3, 4",
        "12, 129, 4000, true, 3871, 2, 7",
        "40, 64, 600, false, 0, 2, 16",
    })
    void eachRowMeetsEachOfItsKeysOnce(
            int heads, int qoLen, int kvLen, boolean causal, int diagonal, int warpgroups, int ctas) {
        for (boolean parted : new boolean[] {false, true}) {
            WorkPlan.Call call = call(heads, qoLen, kvLen, causal, diagonal, warpgroups, ctas, parted);
            checkCovers(call, WorkPlan.of(call));
        }
    }

    private static void checkCovers(WorkPlan.Call call, WorkPlan plan) {
        int heads = call.heads();
        int warpgroups = call.warpgroups();
        int[][][] met = new int[heads][call.smallTiles()][call.kTiles()];
        int[][][] whole = new int[heads][call.smallTiles()][1];
        for (int[] work : probe(call, plan, false)) {
            for (int n = 0; n < warpgroups && work[1] * warpgroups + n < call.smallTiles(); n++) {
                whole[work[0]][work[1] * warpgroups + n][0]++;
                for (int tile = 0; tile < work[3]; tile++) {
                    met[work[0]][work[1] * warpgroups + n][tile]++;
                }
            }
        }
        for (int[] work : probe(call, plan, true)) {
            for (int n = 0; n < work[4] * warpgroups && work[1] < call.smallTiles(); n++) {
                // Past the last key tile all is hidden, whatever is copied.
                if (work[2] + n < call.kTiles()) {
                    met[work[0]][work[1]][work[2] + n]++;
                }
            }
        }
        for (int head = 0; head < heads; head++) {
            for (int qTile = 0; qTile < call.smallTiles(); qTile++) {
                int row = qTile * WgmmaLayout.Q_ROWS;
                assertThat(whole[head][qTile][0]).isEqualTo(plan.isWhole(call, head, row) ? 1 : 0);
                int seen = call.keyTiles(qTile, WgmmaLayout.Q_ROWS);
                for (int tile = 0; tile < seen; tile++) {
                    assertThat(met[head][qTile][tile])
                            .as("%s: head %d, rows from %d on, key tile %d", plan, head, row, tile)
                            .isEqualTo(1);
                }
            }
        }
    }

    /** What the CTAs of one of the two launches take: {@link WorkProbe#WORDS} words each. */
    private static List<int[]> probe(WorkPlan.Call call, WorkPlan plan, boolean parts) {
        int count = parts ? plan.units() : plan.whole();
        if (count == 0) {
            return List.of();
        }
        int dim = call.warpgroups() == 2 ? 128 : 64;
        WgmmaAttentionSpec whole = new WgmmaAttentionSpec(
                Variant.of("int8-fp8-sm90").scheme(), dim, call.causal(), false, DType.FLOAT16, Stores.WIDE, true);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment found = arena.allocate((long) count * WorkProbe.WORDS * Integer.BYTES, 256);
            found.fill((byte) -1);
            GlobalMemory global = new GlobalMemory();
            List<Object> arguments = new ArrayList<>(List.of(0L, 0L, 0L, 0L, 0L, 0L, 0L));
            // Of the output, or of the parts' sums.
            arguments.addAll(parts ? List.of(0L, 0L) : List.of(0L, 0L, 0L, 0L, 0L));
            arguments.addAll(List.of(call.qoLen(), call.kvLen(), 1, 1, dim));
            if (call.causal()) {
                arguments.add(call.diagonal());
            }
            arguments.addAll(List.of(1f, call.heads(), plan.headTiles()));
            if (call.causal()) {
                arguments.add(plan.order().headGroup());
            }
            arguments.add(count);
            if (parts) {
                arguments.addAll(List.of(plan.restTiles(), plan.whole(), plan.parts(), plan.partTiles()));
            } else if (call.causal()) {
                arguments.add(plan.order().turns() ? 1 : 0);
            }
            arguments.add(global.map(found));
            new Simulator(global)
                    .run(
                            WorkProbe.kernel(parts ? whole.inParts() : whole),
                            Math.min(call.ctas(), count),
                            1,
                            1,
                            arguments.toArray());
            List<int[]> all = new ArrayList<>();
            for (int number = 0; number < count; number++) {
                all.add(found.asSlice((long) number * WorkProbe.WORDS * Integer.BYTES, WorkProbe.WORDS * Integer.BYTES)
                        .toArray(ValueLayout.JAVA_INT));
            }
            assertThat(all).allSatisfy(work -> assertThat(work[0]).isBetween(0, call.heads() - 1));
            return all;
        }
    }

    @ParameterizedTest
    @CsvSource({
        // 31.03 rounds of 128 rows at 4K, 31.0 of 192 at 6K.
        "128, 4096, 4096, 2, true, 32, 4092",
        "128, 6144, 6144, 3, true, 32, 4092",
        "128, 4096, 4096, 2, false, 32, 4096",
        // 21.33, 15.5 and 7.8 rounds: what is left is too much, or too little of the call.
        "128, 4096, 4096, 3, true, 22, 2816",
        "128, 2048, 2048, 2, true, 16, 2048",
        "128, 1024, 1024, 2, true, 8, 1024",
        "128, 32768, 32768, 2, true, 256, 32768",
        // A rest of each head behind one whole round.
        "132, 250, 4000, 3, true, 1, 132",
        // One round that is not full; few keys; decoding.
        "96, 128, 4096, 2, true, 1, 96",
        "4, 128, 256, 2, true, 1, 4",
        "32, 1, 4096, 2, true, 0, 0",
        "8, 256, 2048, 2, true, 0, 0",
        "1, 1, 100000, 2, true, 0, 0",
        "1, 1, 100000, 2, false, 1, 1",
    })
    void whatIsSplit(int heads, int qoLen, int kvLen, int warpgroups, boolean parted, int headTiles, int whole) {
        WorkPlan plan = WorkPlan.of(call(heads, qoLen, kvLen, false, 0, warpgroups, CTAS, parted));
        assertThat(plan.headTiles()).isEqualTo(headTiles);
        assertThat(plan.whole()).isEqualTo(whole);
        assertThat(plan.tiles() > 0).isEqualTo(whole < heads * Math.ceilDiv(qoLen, 64 * warpgroups));
        if (plan.tiles() > 0) {
            assertThat(plan.parts() * warpgroups).isLessThanOrEqualTo(JoinParts.MOST_PARTS);
            assertThat(plan.partTiles() % warpgroups).isZero();
        }
    }
}
