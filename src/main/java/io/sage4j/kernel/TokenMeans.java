package io.sage4j.kernel;

import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.TokenMean;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.ShortArray;
import uk.ac.manchester.tornado.api.types.vectors.Half2;

/**
 * Means over tokens, for smoothing: of all keys or values of a head (SageAttention, equation 6), or of the valid rows of
 * each Q block (SageAttention2, equation 2). The order of summation is {@link TokenMean}'s. A segment is what has one mean; a head
 * has one or several.
 */
public final class TokenMeans {
    /** Channels of a team, and of one work-group; work-items of a team of {@link #mean}. */
    public static final int CHANNELS = 32;
    /** Work-items of a team of {@link #meanOfPairs}, each of which has two channels. */
    public static final int PAIRS = CHANNELS / 2;

    private static final int PART = TokenMean.PART;
    private static final int SPAN = TokenMean.STRAND_SPAN;
    private static final int STRANDS = SPAN / TokenMean.STRAND_ROWS;
    private static final int LANES = Numbers.MEAN_LANES;
    /** Work-groups of 256 work-items, which any device allows. */
    private static final int MOST_TEAMS = 8;
    /** Work-groups of 512, for enough bytes under way where there are few segments. */
    private static final int MOST_TEAMS_OF_PAIRS = 32;

    private TokenMeans() {}

    /** Teams of a work-group of {@link #mean} for segments of so many rows. */
    public static int teams(int rows) {
        return powerOfTwo(1, rows, MOST_TEAMS);
    }

    /** Teams of a work-group of {@link #meanOfPairs} for segments of so many rows: two at least, which make a warp. */
    public static int teamsOfPairs(int rows) {
        return powerOfTwo(2, rows, MOST_TEAMS_OF_PAIRS);
    }

    /** The least power of two, from {@code least} to {@code most}, that is not below the parts of a segment. */
    private static int powerOfTwo(int least, int rows, int most) {
        int teams = least;
        while (teams * PART < rows && teams < most) {
            teams = 2 * teams;
        }
        return teams;
    }

    /**
     * Kernel: means.
     *
     * <p>Grid: segments x (paddedDim / {@link #CHANNELS}) work-groups of {@code teams} warps. Each warp adds a part of {@link
     * TokenMean#PART} rows, 32 channels of one row after the other; then the work-group adds those parts to its lanes. Local memory:
     * {@code 128 * teams + 1024} bytes. In: a strided tensor.
     *
     * @param view where the tensor's elements lie
     * @param mean output, [heads][segments][paddedDim], zero in the padding channels
     * @param tokenStride elements from one token to the next
     * @param rows tokens of one segment; the last segment of a head may be shorter
     * @param segments segments of one head
     * @param paddedDim channels of the output
     * @param teams see {@link #teams}
     * @param type element type
     */
    public static void mean(
            KernelContext context,
            IntArray view,
            FloatArray floats,
            HalfFloatArray halves,
            ShortArray bfloats,
            FloatArray mean,
            int tokenStride,
            int rows,
            int segments,
            int paddedDim,
            int teams,
            int type) {
        float[] sums = context.allocateFloatLocalArray(teams * CHANNELS);
        float[] lanes = context.allocateFloatLocalArray(LANES * CHANNELS);
        float[] held = new float[SPAN];
        float[] tree = new float[LANES];
        int items = teams * CHANNELS;
        int item = context.localIdx;
        int team = item / CHANNELS;
        int blocks = paddedDim / CHANNELS;
        int segment = context.groupIdx / blocks;
        int channel = (context.groupIdx - segment * blocks) * CHANNELS + item - team * CHANNELS;
        int head = segment / segments;
        int channels = view.get(Elements.CHANNELS);
        int start = Elements.rowStart(view, head, 0) + TornadoMath.min(channel, channels - 1);
        int first = (segment - head * segments) * rows;
        int last = TornadoMath.min(first + rows, view.get(Elements.TOKENS));

        for (int n = item; n < LANES * CHANNELS; n += items) {
            lanes[n] = 0f;
        }
        context.localBarrier();
        for (int turn = first; turn < last; turn += teams * PART) {
            int row = turn + team * PART;
            int end = TornadoMath.min(row + PART, last);
            float sum = 0f;
            // Whole spans: all loads side by side, none under a condition.
            while (row + SPAN <= end) {
                int at = start + row * tokenStride;
                for (int r = 0; r < SPAN; r++) {
                    held[r] = Elements.load(floats, halves, bfloats, type, at + r * tokenStride);
                }
                for (int group = 0; group < STRANDS; group++) {
                    float strand = held[2 * group] + held[2 * group + 1];
                    for (int r = 8 + 2 * group; r < SPAN; r += 8) {
                        strand = strand + held[r] + held[r + 1];
                    }
                    sum = sum + strand;
                }
                row = row + SPAN;
            }
            for (int group = 0; group < STRANDS; group++) {
                float strand = 0f;
                for (int r = row + 2 * group; r < end; r += 8) {
                    int at = start + r * tokenStride;
                    strand = strand + Elements.load(floats, halves, bfloats, type, at);
                    if (r + 1 < end) {
                        strand = strand + Elements.load(floats, halves, bfloats, type, at + tokenStride);
                    }
                }
                sum = sum + strand;
            }
            sums[item] = sum;
            context.localBarrier();
            // A part behind the end has the sum 0, which changes nothing.
            for (int n = item; n < LANES * CHANNELS; n += items) {
                float ofLane = lanes[n];
                for (int part = n; part < items; part += LANES * CHANNELS) {
                    ofLane = ofLane + sums[part];
                }
                lanes[n] = ofLane;
            }
            context.localBarrier();
        }
        if (team == 0) {
            for (int lane = 0; lane < LANES; lane++) {
                tree[lane] = lanes[lane * CHANNELS + item];
            }
            for (int away = LANES / 2; away > 0; away = away / 2) {
                for (int lane = 0; lane < away; lane++) {
                    tree[lane] = tree[lane] + tree[lane + away];
                }
            }
            float all = tree[0];
            if (channel > channels - 1) {
                all = 0f;
            }
            mean.set(segment * paddedDim + channel, all / TornadoMath.max(last - first, 1));
        }
    }

    /**
     * Kernel: means of FP16, loaded in pairs: {@link #mean} with half a warp as a team, whose work-items have two neighbouring
     * channels each, since few loads of 2 bytes do not keep the memory busy. TornadoVM's OpenCL and PTX backends cannot load pairs.
     *
     * <p>Grid: segments x (paddedDim / {@link #CHANNELS}) work-groups of {@code teams} x {@link #PAIRS} work-items. Local memory: {@code
     * 128 * teams + 1024} bytes. In: a strided tensor, whose offset, strides and channels are even.
     *
     * @param view where the tensor's elements lie
     * @param mean output, [heads][segments][paddedDim], zero in the padding channels
     * @param tokenStride elements from one token to the next
     * @param rows tokens of one segment; the last segment of a head may be shorter
     * @param segments segments of one head
     * @param paddedDim channels of the output
     * @param teams see {@link #teamsOfPairs}
     */
    public static void meanOfPairs(
            KernelContext context,
            IntArray view,
            HalfFloatArray halves,
            FloatArray mean,
            int tokenStride,
            int rows,
            int segments,
            int paddedDim,
            int teams) {
        float[] sums = context.allocateFloatLocalArray(teams * CHANNELS);
        float[] lanes = context.allocateFloatLocalArray(LANES * CHANNELS);
        float[] held = new float[2 * SPAN];
        float[] tree = new float[LANES];
        int items = teams * PAIRS;
        int item = context.localIdx;
        int team = item / PAIRS;
        int blocks = paddedDim / CHANNELS;
        int segment = context.groupIdx / blocks;
        int firstChannel = (context.groupIdx - segment * blocks) * CHANNELS;
        int place = (item - team * PAIRS) * 2;
        int head = segment / segments;
        int channels = view.get(Elements.CHANNELS);
        int start = Elements.rowStart(view, head, 0) + TornadoMath.min(firstChannel + place, channels - 2);
        int first = (segment - head * segments) * rows;
        int last = TornadoMath.min(first + rows, view.get(Elements.TOKENS));

        for (int n = item; n < LANES * CHANNELS; n += items) {
            lanes[n] = 0f;
        }
        context.localBarrier();
        for (int turn = first; turn < last; turn += teams * PART) {
            int row = turn + team * PART;
            int end = TornadoMath.min(row + PART, last);
            float sum = 0f;
            float sum2 = 0f;
            while (row + SPAN <= end) {
                int at = start + row * tokenStride;
                for (int r = 0; r < SPAN; r++) {
                    Half2 pair = halves.getHalf2(at + r * tokenStride);
                    held[r] = Half2.lowFloat(pair);
                    held[SPAN + r] = Half2.highFloat(pair);
                }
                for (int group = 0; group < STRANDS; group++) {
                    float strand = held[2 * group] + held[2 * group + 1];
                    float strand2 = held[SPAN + 2 * group] + held[SPAN + 2 * group + 1];
                    for (int r = 8 + 2 * group; r < SPAN; r += 8) {
                        strand = strand + held[r] + held[r + 1];
                        strand2 = strand2 + held[SPAN + r] + held[SPAN + r + 1];
                    }
                    sum = sum + strand;
                    sum2 = sum2 + strand2;
                }
                row = row + SPAN;
            }
            for (int group = 0; group < STRANDS; group++) {
                float strand = 0f;
                float strand2 = 0f;
                for (int r = row + 2 * group; r < end; r += 8) {
                    Half2 pair = halves.getHalf2(start + r * tokenStride);
                    strand = strand + Half2.lowFloat(pair);
                    strand2 = strand2 + Half2.highFloat(pair);
                    if (r + 1 < end) {
                        Half2 next = halves.getHalf2(start + r * tokenStride + tokenStride);
                        strand = strand + Half2.lowFloat(next);
                        strand2 = strand2 + Half2.highFloat(next);
                    }
                }
                sum = sum + strand;
                sum2 = sum2 + strand2;
            }
            sums[team * CHANNELS + place] = sum;
            sums[team * CHANNELS + place + 1] = sum2;
            context.localBarrier();
            for (int n = item; n < LANES * CHANNELS; n += items) {
                float ofLane = lanes[n];
                for (int part = n; part < teams * CHANNELS; part += LANES * CHANNELS) {
                    ofLane = ofLane + sums[part];
                }
                lanes[n] = ofLane;
            }
            context.localBarrier();
        }
        if (item < CHANNELS) {
            for (int lane = 0; lane < LANES; lane++) {
                tree[lane] = lanes[lane * CHANNELS + item];
            }
            for (int away = LANES / 2; away > 0; away = away / 2) {
                for (int lane = 0; lane < away; lane++) {
                    tree[lane] = tree[lane] + tree[lane + away];
                }
            }
            float all = tree[0];
            if (firstChannel + item > channels - 1) {
                all = 0f;
            }
            mean.set(segment * paddedDim + firstChannel + item, all / TornadoMath.max(last - first, 1));
        }
    }
}
