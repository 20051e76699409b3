package io.sage4j.numeric;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/** The groups against the row sets and the counts that SageAttention2 and its released code give. */
class ScaleGroupsTest {
    private static final List<TileShape> TILES =
            List.of(TileShape.MMA_SYNC, TileShape.MMA_SYNC_WARP16, TileShape.WGMMA);

    /** Rows of each scale, by scale index. */
    private static Map<Integer, List<Integer>> rows(ScaleGroups groups, int rows) {
        Map<Integer, List<Integer>> byIndex = new TreeMap<>();
        for (int row = 0; row < rows; row++) {
            byIndex.computeIfAbsent(groups.index(row), index -> new ArrayList<>())
                    .add(row);
        }
        return byIndex;
    }

    @Test
    void perThreadQOfEquationEight() {
        // b_q = 128 by 4 warps: tokens i, 8+i, 16+i, 24+i of each warp share a scale.
        Map<Integer, List<Integer>> rows = rows(ScaleGroups.ofQ(Granularity.PER_THREAD, TileShape.MMA_SYNC, 256), 256);
        assertThat(rows).hasSize(2 * 32);
        for (int warp = 0; warp < 8; warp++) {
            for (int i = 0; i < 8; i++) {
                int first = warp * 32 + i;
                assertThat(rows.get(warp * 8 + i)).containsExactly(first, first + 8, first + 16, first + 24);
            }
        }
    }

    @Test
    void perThreadKOfEquationEight() {
        // b_k = 64: tokens j, 1+j, 8+j, 9+j, ..., 56+j, 57+j share a scale, j = 0, 2, 4, 6.
        Map<Integer, List<Integer>> rows = rows(ScaleGroups.ofK(Granularity.PER_THREAD, TileShape.MMA_SYNC, 128), 128);
        assertThat(rows).hasSize(2 * 4);
        for (int block = 0; block < 2; block++) {
            for (int t = 0; t < 4; t++) {
                List<Integer> expected = new ArrayList<>();
                for (int eight = 0; eight < 8; eight++) {
                    expected.add(block * 64 + eight * 8 + 2 * t);
                    expected.add(block * 64 + eight * 8 + 2 * t + 1);
                }
                assertThat(rows.get(block * 4 + t)).isEqualTo(expected);
            }
        }
    }

    @Test
    void perThreadOnHopperTiles() {
        Map<Integer, List<Integer>> q = rows(ScaleGroups.ofQ(Granularity.PER_THREAD, TileShape.WGMMA, 64), 64);
        assertThat(q).hasSize(32);
        assertThat(q.get(9)).containsExactly(17, 25);
        Map<Integer, List<Integer>> k = rows(ScaleGroups.ofK(Granularity.PER_THREAD, TileShape.WGMMA, 128), 128);
        assertThat(k).hasSize(4);
        assertThat(k.get(3)).hasSize(32).startsWith(6, 7, 14, 15).endsWith(126, 127);
    }

    @Test
    void coarserGranularities() {
        TileShape tiles = TileShape.MMA_SYNC;
        assertThat(rows(ScaleGroups.ofQ(Granularity.PER_TENSOR, tiles, 384), 384))
                .hasSize(1);
        assertThat(rows(ScaleGroups.ofQ(Granularity.PER_BLOCK, tiles, 384), 384))
                .hasSize(3);
        assertThat(rows(ScaleGroups.ofQ(Granularity.PER_WARP, tiles, 384), 384)).hasSize(12);
        assertThat(rows(ScaleGroups.ofK(Granularity.PER_WARP, tiles, 384), 384)).hasSize(6);
        assertThat(rows(ScaleGroups.ofK(Granularity.PER_TOKEN, tiles, 384), 384))
                .hasSize(384);
        assertThat(ScaleGroups.ofK(Granularity.PER_WARP, tiles, 384))
                .as("per warp means per block for K")
                .isEqualTo(ScaleGroups.ofK(Granularity.PER_BLOCK, tiles, 384));
    }

    @Property
    void countsAreUpstreamsForRaggedLengths(@ForAll @IntRange(min = 1, max = 5000) int n) {
        for (TileShape tiles : TILES) {
            AttentionShape shape = new AttentionShape(1, 1, 1, n, n, 64);
            OperandLayout layout = new OperandLayout(shape, tiles);
            int q = layout.qRows();
            int k = layout.kRows();
            int warps = tiles.blockQ() / tiles.warpQ();
            int qBlocks = (n + tiles.blockQ() - 1) / tiles.blockQ();
            int kBlocks = (n + tiles.blockK() - 1) / tiles.blockK();
            assertThat(ScaleGroups.ofQ(Granularity.PER_BLOCK, tiles, q).count(q))
                    .isEqualTo(qBlocks);
            assertThat(ScaleGroups.ofK(Granularity.PER_BLOCK, tiles, k).count(k))
                    .isEqualTo(kBlocks);
            assertThat(ScaleGroups.ofQ(Granularity.PER_WARP, tiles, q).count(q)).isEqualTo(qBlocks * warps);
            assertThat(ScaleGroups.ofQ(Granularity.PER_THREAD, tiles, q).count(q))
                    .isEqualTo(qBlocks * warps * 8);
            assertThat(ScaleGroups.ofK(Granularity.PER_THREAD, tiles, k).count(k))
                    .isEqualTo(kBlocks * 4);
            assertThat(ScaleGroups.ofQ(Granularity.PER_TENSOR, tiles, q).count(q))
                    .isEqualTo(1);
        }
    }

    @Property(tries = 200)
    void everyScaleOfPaddedRowsHasARowAndNoScaleCrossesATile(
            @ForAll Granularity granularity, @ForAll @IntRange(min = 1, max = 600) int n) {
        for (TileShape tiles : TILES) {
            OperandLayout layout = new OperandLayout(new AttentionShape(1, 1, 1, n, n, 64), tiles);
            ScaleGroups q = ScaleGroups.ofQ(granularity, tiles, layout.qRows());
            ScaleGroups k = ScaleGroups.ofK(granularity, tiles, layout.kRows());
            assertThat(rows(q, layout.qRows())).hasSize(q.count(layout.qRows()));
            assertThat(rows(k, layout.kRows())).hasSize(k.count(layout.kRows()));
            if (granularity != Granularity.PER_TENSOR) {
                assertThat(rows(q, layout.qRows()).values())
                        .allMatch(set -> set.get(0) / tiles.blockQ() == set.get(set.size() - 1) / tiles.blockQ());
                assertThat(rows(k, layout.kRows()).values())
                        .allMatch(set -> set.get(0) / tiles.blockK() == set.get(set.size() - 1) / tiles.blockK());
            }
        }
    }

    @Test
    void noRowsNoScales() {
        for (Granularity granularity : Granularity.values()) {
            assertThat(ScaleGroups.ofQ(granularity, TileShape.MMA_SYNC, 0).count(0))
                    .isZero();
        }
    }

    @Test
    void groupsThatDoNotCoverThePeriodAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> new ScaleGroups(64, 2, 8, 3));
        assertThatIllegalArgumentException().isThrownBy(() -> new ScaleGroups(64, 8, 8, 2));
        assertThatIllegalArgumentException().isThrownBy(() -> new ScaleGroups(0, 1, 1, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> new ScaleGroups(64, 0, 0, 1));
    }
}
