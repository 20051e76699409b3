package io.sage4j.numeric;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.BitSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The layout of the wgmma operands: every byte of an image has exactly one element, at the place that the page says. */
class WgmmaLayoutTest {
    /** An index function of a head, a row, and a channel. */
    private interface Index {
        long of(int head, int row, int channel);
    }

    /** Every unit of {@code bytes} bytes in {@code size} is hit once by heads x rows x D. */
    private static void checkCovers(Index index, int heads, int rows, int dim, int bytes, long size) {
        BitSet seen = new BitSet();
        for (int head = 0; head < heads; head++) {
            for (int row = 0; row < rows; row++) {
                for (int d = 0; d < dim; d++) {
                    long at = index.of(head, row, d);
                    assertThat(at % bytes).isZero();
                    assertThat(seen.get((int) (at / bytes)))
                            .as("head %d row %d channel %d at %d", head, row, d, at)
                            .isFalse();
                    seen.set((int) (at / bytes));
                }
            }
        }
        assertThat((long) seen.length() * bytes).isEqualTo(size);
        assertThat((long) seen.cardinality() * bytes).isEqualTo(size);
    }

    @ParameterizedTest
    @CsvSource({"1, 64", "33, 64", "64, 64", "65, 128", "100, 128", "128, 128"})
    void imagesAreFilledWithoutHolesAndOverlaps(int headDim, int dim) {
        WgmmaLayout layout = new WgmmaLayout(new AttentionShape(2, 2, 1, 65, 129, headDim));
        assertThat(layout.paddedDim()).isEqualTo(dim);
        assertThat(layout.qTiles()).isEqualTo(2);
        assertThat(layout.kTiles()).isEqualTo(2);
        checkCovers(layout::qIndex, 4, 2 * 64, dim, 1, layout.qBytes());
        checkCovers(layout::kIndex, 2, 2 * 128, dim, 1, layout.kBytes());
        checkCovers(layout::vIndex, 2, 2 * 128, dim, 1, layout.kBytes());
        checkCovers(layout::vHalfIndex, 2, 2 * 128, dim, 2, 2 * layout.kBytes());
    }

    @ParameterizedTest
    @ValueSource(ints = {64, 128})
    void readersOfOneChunkOfEightRowsHitAllBanks(int pitch) {
        for (int column = 0; column < pitch; column += 16) {
            BitSet banks = new BitSet();
            for (int row = 0; row < 8; row++) {
                banks.set(WgmmaLayout.swizzled(row, column, pitch) % 128 / 16);
            }
            assertThat(banks.cardinality()).isEqualTo(8);
        }
    }

    @Test
    void placesWorkedOutByHand() {
        WgmmaLayout wide = new WgmmaLayout(new AttentionShape(1, 2, 2, 130, 300, 100));
        // Row 5 of tile 1 of head 1, channel 18: chunk 1 goes to 1 ^ 5 = 4.
        assertThat(wide.qIndex(1, 69, 18)).isEqualTo((1 * 3 + 1) * 64 * 128 + 5 * 128 + 4 * 16 + 2);
        // Key 9 of tile 2 is at position 3; channel 7 is a row whose chunk 0 goes to 7.
        assertThat(wide.vIndex(0, 265, 7)).isEqualTo(2 * 128 * 128 + 7 * 128 + 7 * 16 + 3);
        // Key 73 of tile 0 is key 9 of its second half: byte 18, chunk 1, of channel 2 goes to 3.
        assertThat(wide.vHalfIndex(0, 73, 2)).isEqualTo(128 * 128 + 2 * 128 + 3 * 16 + 2);
        WgmmaLayout narrow = new WgmmaLayout(new AttentionShape(1, 1, 1, 64, 128, 64));
        // Row 6: chunk 1 goes to 1 ^ 3 = 2.
        assertThat(narrow.kIndex(0, 6, 20)).isEqualTo(6 * 64 + 2 * 16 + 4);
    }

    @Test
    void scalesAreThoseOfScaleGroupsPerThread() {
        WgmmaLayout layout = new WgmmaLayout(new AttentionShape(2, 2, 1, 130, 300, 64));
        assertThat(layout.qScales()).isEqualTo(4 * 3 * 32);
        assertThat(layout.kScales()).isEqualTo(2 * 3 * 4);
        ScaleGroups q = ScaleGroups.ofQ(Granularity.PER_THREAD, TileShape.WGMMA, 192);
        for (int row = 0; row < 192; row++) {
            assertThat(layout.qScaleIndex(3, row)).isEqualTo(3 * 3 * 32 + q.index(row));
        }
        ScaleGroups k = ScaleGroups.ofK(Granularity.PER_THREAD, TileShape.WGMMA, 384);
        for (int row = 0; row < 384; row++) {
            assertThat(layout.kScaleIndex(1, row)).isEqualTo(3 * 4 + k.index(row));
        }
    }

    @Test
    void sizesBeyondTwoToThe31StayExact() {
        WgmmaLayout layout = new WgmmaLayout(new AttentionShape(1, 56, 56, 400_000, 400_000, 128));
        assertThat(layout.qBytes()).isEqualTo(56L * 400_000 * 128);
        assertThat(layout.kBytes()).isEqualTo(56L * 400_000 * 128);
        // Row 63 of a tile of 64 and key 127 exchange chunk 0 with 7.
        assertThat(layout.qIndex(55, 399_999, 15)).isEqualTo(layout.qBytes() - 1);
        assertThat(layout.kIndex(55, 399_999, 15)).isEqualTo(layout.kBytes() - 1);
    }

    @Test
    void largerHeadsAreRefused() {
        AttentionShape shape = new AttentionShape(1, 1, 1, 1, 1, 129);
        assertThatThrownBy(() -> new WgmmaLayout(shape)).hasMessageContaining("129");
    }
}
