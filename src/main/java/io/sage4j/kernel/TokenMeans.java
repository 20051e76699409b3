package io.sage4j.kernel;

import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.TokenMean;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.ShortArray;

/**
 * Means over tokens, for smoothing: of all keys or values of a head (SageAttention, equation 6), or of the valid rows of
 * each Q block (SageAttention2, equation 2), in two kernels: sums of parts, all at the same time, and means from them. The order
 * of summation is {@link TokenMean}'s. A segment is what has one mean; a head has one or several.
 */
public final class TokenMeans {
    private static final int SPAN = TokenMean.STRAND_SPAN;
    private static final int STRANDS = SPAN / TokenMean.STRAND_ROWS;

    private TokenMeans() {}

    /** Parts of a segment of so many rows. */
    public static int parts(int rows) {
        return (rows + TokenMean.PART - 1) / TokenMean.PART;
    }

    /**
     * Kernel: the sum of each part of {@link TokenMean#PART} rows.
     *
     * <p>Grid: a work-item for each number of the output, rounded up to whole work-groups; those past the end do the last
     * one once more. In: a strided tensor.
     *
     * @param view where the tensor's elements lie
     * @param sums output, [heads][segments][parts][paddedDim], zero in the padding channels and behind the last token
     * @param rows tokens of one segment; the last segment of a head may be shorter
     * @param segments segments of one head
     * @param paddedDim channels of the output
     * @param type element type
     */
    public static void sums(
            KernelContext context,
            IntArray view,
            FloatArray floats,
            HalfFloatArray halves,
            ShortArray bfloats,
            FloatArray sums,
            int rows,
            int segments,
            int paddedDim,
            int type) {
        int place = TornadoMath.min(context.globalIdx, sums.getSize() - 1);
        int unit = place / paddedDim;
        int channel = place - unit * paddedDim;
        int parts = parts(rows);
        int segment = unit / parts;
        int head = segment / segments;
        int firstOfSegment = (segment - head * segments) * rows;
        int first = firstOfSegment + (unit - segment * parts) * TokenMean.PART;
        int last = TornadoMath.min(firstOfSegment + rows, view.get(Elements.TOKENS));
        int end = TornadoMath.min(first + TokenMean.PART, last);

        float sum = 0f;
        if (channel < view.get(Elements.CHANNELS)) {
            float[] held = new float[SPAN];
            int token = view.get(Elements.TOKEN_STRIDE);
            int start = Elements.rowStart(view, head, 0) + channel;
            int span = first;
            // Whole spans: all loads side by side, none under a condition.
            while (span + SPAN <= end) {
                for (int row = 0; row < SPAN; row++) {
                    held[row] = Elements.load(floats, halves, bfloats, type, start + (span + row) * token);
                }
                for (int group = 0; group < STRANDS; group++) {
                    float strand = held[2 * group] + held[2 * group + 1];
                    for (int row = 8 + 2 * group; row < SPAN; row += 8) {
                        strand = strand + held[row] + held[row + 1];
                    }
                    sum = sum + strand;
                }
                span = span + SPAN;
            }
            for (int group = 0; group < STRANDS; group++) {
                float strand = 0f;
                for (int row = span + 2 * group; row < end; row += 8) {
                    int index = start + row * token;
                    strand = strand + Elements.load(floats, halves, bfloats, type, index);
                    if (row + 1 < end) {
                        strand = strand + Elements.load(floats, halves, bfloats, type, index + token);
                    }
                }
                sum = sum + strand;
            }
        }
        sums.set(place, sum);
    }

    /**
     * Kernel: means from the sums of parts.
     *
     * <p>Grid: a work-item for each number of the output, as in {@link #sums}.
     *
     * @param view where the tensor's elements lie
     * @param sums what {@link #sums} found
     * @param mean output, [heads][segments][paddedDim]
     * @param rows tokens of one segment; the last segment of a head may be shorter
     * @param segments segments of one head
     * @param paddedDim channels of the output
     */
    public static void mean(
            KernelContext context,
            IntArray view,
            FloatArray sums,
            FloatArray mean,
            int rows,
            int segments,
            int paddedDim) {
        float[] lanes = new float[Numbers.MEAN_LANES];
        int place = TornadoMath.min(context.globalIdx, mean.getSize() - 1);
        int segment = place / paddedDim;
        int parts = parts(rows);
        int first = segment % segments * rows;
        int count = TornadoMath.min(first + rows, view.get(Elements.TOKENS)) - first;
        int start = segment * parts * paddedDim + (place - segment * paddedDim);
        for (int lane = 0; lane < Numbers.MEAN_LANES; lane++) {
            lanes[lane] = 0f;
        }
        // The loads of all lanes side by side, none under a condition.
        for (int part = 0; part < parts; part += Numbers.MEAN_LANES) {
            for (int lane = 0; lane < Numbers.MEAN_LANES; lane++) {
                float more = sums.get(start + TornadoMath.min(part + lane, parts - 1) * paddedDim);
                if (part + lane < parts) {
                    lanes[lane] = lanes[lane] + more;
                }
            }
        }
        for (int away = Numbers.MEAN_LANES / 2; away > 0; away = away / 2) {
            for (int lane = 0; lane < away; lane++) {
                lanes[lane] = lanes[lane] + lanes[lane + away];
            }
        }
        mean.set(place, lanes[0] / TornadoMath.max(count, 1));
    }
}
