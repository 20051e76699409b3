package io.sage4j.numeric;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.BitSet;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class OperandLayoutTest {
    /** Key at each memory position, as the released SageAttention code lays out FP8 V. */
    private static final int[] PUBLISHED = {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15};

    @Test
    void keysOfEverySixteenAreInThePublishedOrder() {
        for (int position = 0; position < 128; position++) {
            int expected = position / 16 * 16 + PUBLISHED[position % 16];
            assertThat(OperandLayout.keyAt(position)).isEqualTo(expected);
            assertThat(OperandLayout.positionOf(expected)).isEqualTo(position);
        }
    }

    @Test
    void aThreadFindsItsFourKeysOfTheScoreAccumulatorSideBySide() {
        // Lane t of an m16n8 pair holds keys 2t, 2t+1, 8+2t, 8+2t+1; an FP8 A operand wants positions 4t .. 4t+3.
        for (int t = 0; t < 4; t++) {
            assertThat(new int[] {
                        OperandLayout.keyAt(4 * t),
                        OperandLayout.keyAt(4 * t + 1),
                        OperandLayout.keyAt(4 * t + 2),
                        OperandLayout.keyAt(4 * t + 3)
                    })
                    .containsExactly(2 * t, 2 * t + 1, 8 + 2 * t, 8 + 2 * t + 1);
        }
    }

    @Property(tries = 50)
    void indicesAreDistinctAndInside(
            @ForAll @IntRange(min = 1, max = 2) int batch,
            @ForAll @IntRange(min = 1, max = 2) int kvHeads,
            @ForAll @IntRange(min = 0, max = 150) int qoLen,
            @ForAll @IntRange(min = 0, max = 150) int kvLen,
            @ForAll @IntRange(min = 1, max = 70) int dim) {
        AttentionShape shape = new AttentionShape(batch, kvHeads * 2, kvHeads, qoLen, kvLen, dim);
        for (TileShape tiles : new TileShape[] {TileShape.MMA_SYNC, TileShape.WGMMA}) {
            OperandLayout layout = new OperandLayout(shape, tiles);
            BitSet q = new BitSet();
            BitSet k = new BitSet();
            BitSet v = new BitSet();
            for (int d = 0; d < dim; d++) {
                for (int head = 0; head < batch * kvHeads * 2; head++) {
                    for (int row = 0; row < qoLen; row++) {
                        q.set((int) layout.qIndex(head, row, d));
                    }
                }
                for (int head = 0; head < batch * kvHeads; head++) {
                    for (int row = 0; row < kvLen; row++) {
                        k.set((int) layout.kIndex(head, row, d));
                        v.set((int) layout.vIndex(head, row, d));
                    }
                }
            }
            assertThat(q.cardinality()).isEqualTo(batch * kvHeads * 2 * qoLen * dim);
            assertThat(k.cardinality()).isEqualTo(batch * kvHeads * kvLen * dim);
            assertThat(v.cardinality()).isEqualTo(batch * kvHeads * kvLen * dim);
            assertThat((long) q.length()).isLessThanOrEqualTo(layout.qSize());
            assertThat((long) k.length()).isLessThanOrEqualTo(layout.kSize());
            assertThat((long) v.length()).isLessThanOrEqualTo(layout.kSize());
        }
    }

    @Test
    void vIsTransposedTileByTile() {
        OperandLayout layout = new OperandLayout(new AttentionShape(1, 2, 2, 1, 130, 40), TileShape.MMA_SYNC);
        assertThat(layout.paddedDim()).isEqualTo(64);
        assertThat(layout.kTiles()).isEqualTo(3);
        // head 1, key 64 + 9: tile 1, position 3; channel 2.
        assertThat(layout.vIndex(1, 73, 2)).isEqualTo(((1L * 3 + 1) * 64 + 2) * 64 + 3);
    }

    @Test
    void sizesBeyondTwoToThe31StayExact() {
        OperandLayout layout =
                new OperandLayout(new AttentionShape(1, 56, 56, 400_000, 400_000, 128), TileShape.MMA_SYNC);
        assertThat(layout.kSize()).isEqualTo(56L * 400_000 * 128);
        assertThat(layout.kIndex(55, 399_999, 127)).isEqualTo(layout.kSize() - 1);
        assertThat(layout.qIndex(55, 399_999, 127)).isEqualTo(layout.qSize() - 1);
    }
}
