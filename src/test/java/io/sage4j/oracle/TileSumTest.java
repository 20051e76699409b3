package io.sage4j.oracle;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.numeric.Accumulator;
import io.sage4j.numeric.Float16;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The sum of one tile for each accumulator, with numbers at which the roundings show. */
class TileSumTest {
    private static float[] add(Accumulator accumulator, int mmaKeys, float alpha, float[] p, float[] v, float o) {
        float[] row = {o};
        TileSum.add(accumulator, mmaKeys, alpha, p, new boolean[p.length], p.length, v, 0, row);
        return row;
    }

    /** One tile of equal P times the largest V, added to an empty row. */
    private static float constantTile(int keys, float p, float v) {
        float[] ps = new float[keys];
        float[] vs = new float[keys];
        Arrays.fill(ps, p);
        Arrays.fill(vs, v);
        return add(Accumulator.FP16_FP32, 32, 1f, ps, vs, 0f)[0];
    }

    @ParameterizedTest
    @CsvSource({"64, 448, 2.25", "64, 224, 4.5", "64, 112, 9", "128, 448, 1.125", "128, 224, 2.25", "32, 224, 9"})
    void theWorstTileWithinTheBoundStaysFinite(int keys, float p, float v) {
        // 64512 is a multiple of 32, the spacing of halves there.
        assertThat(constantTile(keys, p, v)).isEqualTo(64512f);
        assertThat(constantTile(keys, p, -v)).isEqualTo(-64512f);
    }

    @ParameterizedTest
    @CsvSource({"64, 448, 2.3", "64, 224, 4.6", "64, 112, 9.2", "128, 448, 1.15", "64, 448, 448", "128, 448, 2.25"})
    void pastTheBoundTheTileBecomesInfinite(int keys, float p, float v) {
        assertThat(constantTile(keys, p, v)).isEqualTo(Float.POSITIVE_INFINITY);
    }

    @Test
    void fp32RunningScalesOnceAndAddsEachStep() {
        float[] p = {1, 1, 1};
        float[] v = {0x1p-25f, 0x1p-25f, 0x1p-25f};
        // Steps of one key are lost one by one against 1, a step of three is not.
        assertThat(add(Accumulator.FP32, 1, 0.5f, p, v, 2f)[0]).isEqualTo(1f);
        assertThat(add(Accumulator.FP32, 32, 0.5f, p, v, 2f)[0]).isEqualTo(1f + 0x1p-23f);
    }

    @Test
    void fp32TwoLevelSumsTheTileBeforeItMeetsTheRow() {
        float[] p = {1, 1, 1};
        float[] v = {0x1p-25f, 0x1p-25f, 0x1p-25f};
        assertThat(add(Accumulator.FP32_FP32, 1, 0.5f, p, v, 2f)[0]).isEqualTo(1f + 0x1p-23f);
    }

    @Test
    void halfTwoLevelRoundsAfterEachStepButKeepsTheRowInFp32() {
        float[] p = {1, 1, 1};
        float[] v = {2048, 1, 1};
        // Halves at 2048 are 2 apart: one at a time the ones are lost (ties to even), two at once they are not.
        assertThat(add(Accumulator.FP16_FP32, 1, 1f, p, v, 0.001f)[0]).isEqualTo(0.001f + 2048f);
        assertThat(add(Accumulator.FP16_FP32, 32, 1f, p, v, 0.001f)[0]).isEqualTo(0.001f + 2050f);
        assertThat(add(Accumulator.FP16_FP32, 32, 0.1f, p, v, 0.001f)[0]).isEqualTo(0.001f * 0.1f + 2050f);
    }

    @Test
    void halfRunningRoundsTheRowAndAlphaToo() {
        float[] p = {1};
        assertThat(add(Accumulator.FP16, 16, 1f, p, new float[] {1}, 2048f)[0]).isEqualTo(2048f);
        assertThat(add(Accumulator.FP16, 16, 1f, p, new float[] {1}, 2050f)[0]).isEqualTo(2052f);
        float alpha = 0.33333334f;
        float scaled = Float16.round(100f * Float16.round(alpha));
        assertThat(add(Accumulator.FP16, 16, alpha, p, new float[] {0}, 100f)[0])
                .isEqualTo(scaled)
                .isNotEqualTo(Float16.round(100f * alpha));
        assertThat(add(Accumulator.FP16, 16, 1f, p, new float[] {40000}, 40000f)[0])
                .isEqualTo(Float.POSITIVE_INFINITY);
    }

    @Test
    void hiddenKeysAreNotReadAndVisibleOnesAlwaysAre() {
        float[] v = {Float.NaN, 5};
        for (Accumulator accumulator : Accumulator.values()) {
            float[] row = {1};
            TileSum.add(accumulator, 16, 1f, new float[] {0, 2}, new boolean[] {true, false}, 2, v, 0, row);
            assertThat(row[0]).isEqualTo(11f);
            TileSum.add(accumulator, 16, 1f, new float[] {0, 2}, new boolean[2], 2, v, 0, row);
            assertThat(row[0]).isNaN();
        }
    }

    @Test
    void channelsAreIndependentAndKeysAreRowsApart() {
        float[] v = {99, 99, 1, 10, 2, 20, 3, 30};
        float[] row = {100, 200};
        TileSum.add(Accumulator.FP32_FP32, 2, 0.5f, new float[] {1, 2, 3}, new boolean[3], 3, v, 2, row);
        assertThat(row).containsExactly(64f, 240f);
    }
}
