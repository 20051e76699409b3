package io.sage4j.numeric;

import java.util.function.IntToDoubleFunction;

/**
 * The order in which a mean over tokens is summed, so that all backends agree to the bit: lane {@code l} of
 * {@link Numbers#MEAN_LANES} sums rows {@code l, l + 8, l + 16, ...} in FP32; the lanes are then added by halves.
 */
public final class TokenMean {
    private TokenMean() {}

    /**
     * Mean of {@code count} values in FP32.
     *
     * @param value value of a row, an FP32 number
     * @param first first row
     * @param count number of rows; 0 gives 0
     */
    public static float of(IntToDoubleFunction value, int first, int count) {
        if (count == 0) {
            return 0f;
        }
        float[] lane = new float[Numbers.MEAN_LANES];
        for (int row = 0; row < count; row++) {
            lane[row % Numbers.MEAN_LANES] += (float) value.applyAsDouble(first + row);
        }
        for (int half = Numbers.MEAN_LANES / 2; half > 0; half /= 2) {
            for (int l = 0; l < half; l++) {
                lane[l] += lane[l + half];
            }
        }
        return lane[0] / count;
    }
}
