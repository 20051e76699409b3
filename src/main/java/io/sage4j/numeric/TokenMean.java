package io.sage4j.numeric;

import java.util.function.IntToDoubleFunction;

/**
 * The order in which a mean over tokens is summed in FP32, so that all backends agree to the bit. A part is {@link #PART}
 * rows. Of every 32 rows of a part, four strands sum 8 each: strand {@code g} the rows {@code r} with {@code r % 8 / 2 ==
 * g}, in their order; those are rows that share a scale of K. The strands of a part are added in their order. Lane {@code
 * l} of {@link Numbers#MEAN_LANES} adds the parts {@code l, l + 8, l + 16, ...}; the lanes are then added by halves.
 */
public final class TokenMean {
    /** Rows of a part. */
    public static final int PART = 128;
    /** Rows that have four strands. */
    public static final int STRAND_SPAN = 32;
    /** Rows of a strand. */
    public static final int STRAND_ROWS = 8;

    private static final int STRANDS = PART / STRAND_ROWS;

    private TokenMean() {}

    /** First row of a strand in its part. */
    public static int strandStart(int strand) {
        return strand / 4 * STRAND_SPAN + strand % 4 * 2;
    }

    /** Row {@code n} of a strand behind its first one. */
    public static int strandRow(int n) {
        return n / 2 * 8 + n % 2;
    }

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
        for (int part = 0; part * PART < count; part++) {
            lane[part % Numbers.MEAN_LANES] += ofPart(value, first + part * PART, Math.min(count - part * PART, PART));
        }
        for (int half = Numbers.MEAN_LANES / 2; half > 0; half /= 2) {
            for (int l = 0; l < half; l++) {
                lane[l] += lane[l + half];
            }
        }
        return lane[0] / count;
    }

    private static float ofPart(IntToDoubleFunction value, int first, int rows) {
        float sum = 0;
        for (int s = 0; s < STRANDS; s++) {
            float strand = 0;
            for (int n = 0; n < STRAND_ROWS; n++) {
                int row = strandStart(s) + strandRow(n);
                strand += row < rows ? (float) value.applyAsDouble(first + row) : 0;
            }
            sum += strand;
        }
        return sum;
    }
}
