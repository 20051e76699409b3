package io.sage4j.kernel;

import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.ScaleGroups;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.ShortArray;

/**
 * INT8 and INT4 codes and scales of Q or K (SageAttention, section 3.1; the groups of SageAttention2, section 3.2), with
 * the mean subtracted first if there is one.
 *
 * <p>Grid: heads x as many work-groups as take all groups of rows that share a scale ({@link io.sage4j.numeric.ScaleGroups}), {@code
 * items / (team * teams)} of them side by side, {@link #TURNS} times. A team of neighbouring work-items, a warp or half of one,
 * takes every {@code teams}-th row of its group, a work-item every {@code team}-th channel of them, so that neighbours read and
 * write neighbours. A work-item loads all that it holds before it computes, from the nearest element where its own is outside of
 * the tensor, since a load under a condition is waited for; and keeps it for the codes. Only where a group has more rows than its
 * teams can hold are they read twice. Local memory: 8 bytes a work-item. In: a strided tensor. Out: codes [heads][paddedRows][paddedDim], one byte
 * each, zero in the padding; scales [heads][sets * groups]; and the number of inputs of each work-group that are not finite.
 */
public final class QuantizeQk {
    /** Work-items of a warp. */
    public static final int WARP = 32;

    /** Position in the grouping: rows of a set of groups. */
    public static final int TILE = 0;
    /** Position in the grouping: rows of a group. */
    public static final int MEMBERS = 1;
    /** Position in the grouping: rows after which the groups repeat. */
    public static final int PERIOD = 2;
    /** Position in the grouping: groups of one head. */
    public static final int SCALES = 3;
    /** Position in the grouping: how many times a work-group takes groups. */
    public static final int TURNS = 4;
    /** Position in the grouping: rows of the codes of one head, padding included. */
    public static final int PADDED_ROWS = 5;
    /** Position in the grouping: rows that share a mean. */
    public static final int MEAN_ROWS = 6;
    /** Position in the grouping: means of one head; 0 for no mean. */
    public static final int MEANS = 7;
    /** Position in the grouping: where the counts begin. */
    public static final int COUNTS_AT = 8;
    /** Position in the grouping: work-groups of one head. */
    public static final int WORK_GROUPS = 9;
    /** Numbers in a grouping. */
    public static final int GROUPING_SIZE = 10;

    /** Option: a group has more rows than its teams hold. */
    public static final int REREAD = 1;
    /** Option: the rows of a group have several means. */
    public static final int MEAN_PER_ROW = 2;
    /** Option: no row and no channel of the codes is padding, and every team has groups in every turn. */
    public static final int WHOLE = 4;
    /** Option: a warp is one of the device, whose work-items can hand each other numbers. */
    public static final int SHUFFLE = 8;

    private QuantizeQk() {}

    /**
     * The grouping of a tensor.
     *
     * @param groups rows that share a scale
     * @param turns how many times a work-group takes groups
     * @param rows rows of one head, padding included; a multiple of the tile
     * @param meanRows rows that share a mean
     * @param means means of one head; 0 for no mean
     * @param countsAt where the counts begin
     * @param workGroups work-groups of one head
     */
    public static int[] grouping(
            ScaleGroups groups, int turns, int rows, int meanRows, int means, int countsAt, int workGroups) {
        int[] numbers = new int[GROUPING_SIZE];
        numbers[TILE] = groups.tile();
        numbers[MEMBERS] = groups.tile() / groups.groups();
        numbers[PERIOD] = groups.period();
        numbers[SCALES] = groups.count(rows);
        numbers[TURNS] = turns;
        numbers[PADDED_ROWS] = rows;
        numbers[MEAN_ROWS] = meanRows;
        numbers[MEANS] = means;
        numbers[COUNTS_AT] = countsAt;
        numbers[WORK_GROUPS] = workGroups;
        return numbers;
    }

    /**
     * Kernel.
     *
     * @param view where the tensor's elements lie
     * @param grouping which rows share a scale, and which a mean
     * @param mean [heads][means][paddedDim]
     * @param codes output
     * @param scales output
     * @param nonFinite output, one count per work-group
     * @param paddedDim channels of the codes
     * @param limit largest code
     * @param type element type
     * @param groups groups of a set
     * @param width neighbouring rows of one group
     * @param items work-items of a work-group
     * @param team work-items of a team: {@link #WARP} or half of it
     * @param teams teams that share the rows of a group
     * @param rows rows that a work-item holds
     * @param options sum of {@link #REREAD} and so on, as they apply
     */
    public static void quantize(
            KernelContext context,
            IntArray view,
            IntArray grouping,
            FloatArray floats,
            HalfFloatArray halves,
            ShortArray bfloats,
            FloatArray mean,
            ByteArray codes,
            FloatArray scales,
            IntArray nonFinite,
            int paddedDim,
            int limit,
            int type,
            int groups,
            int width,
            int items,
            int team,
            int teams,
            int rows,
            int options) {
        int reread = options % 2;
        int meanPerRow = options / MEAN_PER_ROW % 2;
        int whole = options / WHOLE % 2;
        int shuffle = options / SHUFFLE % 2;
        int blocks = paddedDim / team;
        int sideBySide = items / team / teams;
        float[] largest = context.allocateFloatLocalArray(items);
        int[] found = context.allocateIntLocalArray(items);
        float[] held = new float[rows * blocks];
        float[] centre = new float[blocks];
        int[] offsets = new int[blocks];
        int item = context.localIdx;
        int own = item / team;
        int lane = item - own * team;
        int side = own / teams;
        int firstMember = own - side * teams;
        int tile = grouping.get(TILE);
        int period = grouping.get(PERIOD);
        int perHead = grouping.get(SCALES);
        int turns = grouping.get(TURNS);
        int members = grouping.get(MEMBERS);
        int workGroups = grouping.get(WORK_GROUPS);
        int head = context.groupIdx / workGroups;
        int firstScale = (context.groupIdx - head * workGroups) * sideBySide * turns + side;
        int tokens = view.get(Elements.TOKENS);
        int channels = view.get(Elements.CHANNELS);
        int start = Elements.rowStart(view, head, 0);
        int tokenStride = view.get(Elements.TOKEN_STRIDE);
        int codeStart = head * grouping.get(PADDED_ROWS) * paddedDim + lane;
        int means = grouping.get(MEANS);
        int meanRows = grouping.get(MEAN_ROWS);
        int meanStart = head * means * paddedDim + lane;
        int inputs = 0;
        for (int b = 0; b < blocks; b++) {
            int channel = lane + b * team;
            if (whole == 0) {
                channel = TornadoMath.min(channel, channels - 1);
            }
            offsets[b] = start + channel;
        }

        for (int turn = 0; turn < turns; turn++) {
            int index = firstScale + turn * sideBySide;
            int set = index / groups;
            int firstRow = set * tile + (index - set * groups) * width;
            if (index > perHead - 1) {
                members = 0;
            }
            for (int b = 0; b < blocks; b++) {
                centre[b] = 0f;
            }
            if (means > 0 && members > 0) {
                int meanAt = meanStart;
                if (means > 1) {
                    meanAt = meanStart + firstRow / meanRows * paddedDim;
                }
                for (int b = 0; b < blocks; b++) {
                    centre[b] = mean.get(meanAt + b * team);
                }
            }
            int chunks = 1;
            if (reread == 1) {
                chunks = (members + teams * rows - 1) / (teams * rows);
            }
            float amax = 0f;
            // 0 as long as all is finite, else NaN.
            float poison = 0f;
            for (int chunk = 0; chunk < chunks; chunk++) {
                int first = firstMember + chunk * teams * rows;
                for (int r = 0; r < rows; r++) {
                    int member = first + r * teams;
                    int row = firstRow + member / width * period + member % width;
                    if (whole == 0) {
                        row = TornadoMath.min(row, tokens - 1);
                    }
                    for (int b = 0; b < blocks; b++) {
                        int at = row * tokenStride + offsets[b];
                        held[r * blocks + b] = Elements.load(floats, halves, bfloats, type, at);
                    }
                }
                for (int r = 0; r < rows; r++) {
                    int member = first + r * teams;
                    int row = firstRow + member / width * period + member % width;
                    for (int b = 0; b < blocks; b++) {
                        float y = 0f;
                        if (whole == 1 || member < members && row < tokens && lane + b * team < channels) {
                            if (meanPerRow == 1) {
                                centre[b] = mean.get(meanStart + row / meanRows * paddedDim + b * team);
                            }
                            y = held[r * blocks + b] - centre[b];
                        }
                        held[r * blocks + b] = y;
                        amax = TornadoMath.max(amax, TornadoMath.abs(y));
                        poison = poison + y * 0f;
                    }
                }
            }
            if (poison != 0f) {
                // Infinite stands for NaN too, which a maximum would lose. TornadoVM would write the constant as a
                // division.
                amax = tokens * Float.MAX_VALUE * 2f;
                for (int member = firstMember; member < members; member += teams) {
                    int row = firstRow + member / width * period + member % width;
                    for (int channel = lane; channel < channels; channel += team) {
                        if (row < tokens) {
                            int at = start + row * tokenStride + channel;
                            float x = Elements.load(floats, halves, bfloats, type, at);
                            inputs = inputs + 1 - Rounding.isFinite(x);
                        }
                    }
                }
            }
            if (shuffle == 1) {
                if (team == WARP) {
                    amax = TornadoMath.max(amax, context.simdShuffleDown(amax, 16));
                }
                amax = TornadoMath.max(amax, context.simdShuffleDown(amax, 8));
                amax = TornadoMath.max(amax, context.simdShuffleDown(amax, 4));
                amax = TornadoMath.max(amax, context.simdShuffleDown(amax, 2));
                amax = TornadoMath.max(amax, context.simdShuffleDown(amax, 1));
                // Now the first of each team has that of its team.
                float ofSecond = context.simdShuffleDown(amax, 16);
                amax = context.simdBroadcastFirst(amax);
                if (team < WARP) {
                    ofSecond = context.simdBroadcastFirst(ofSecond);
                    if (own % 2 == 1) {
                        amax = ofSecond;
                    }
                }
            } else {
                largest[item] = amax;
                for (int lanes = team / 2; lanes > 0; lanes = lanes / 2) {
                    context.localBarrier();
                    if (lane < lanes) {
                        largest[item] = TornadoMath.max(largest[item], largest[item + lanes]);
                    }
                }
                context.localBarrier();
                amax = largest[own * team];
            }
            if (teams > 1) {
                context.localBarrier();
                if (lane == 0) {
                    largest[own] = amax;
                }
                context.localBarrier();
                for (int t = 0; t < teams; t++) {
                    amax = TornadoMath.max(amax, largest[side * teams + t]);
                }
            }
            if (teams > 1 || shuffle == 0) {
                // The next turn writes what is read here.
                context.localBarrier();
            }

            float floor = TornadoMath.max(amax, Numbers.AMAX_FLOOR);
            float inverse = limit / floor;
            float scale = floor / limit;
            // A group with a NaN or an infinity has scale NaN and codes 0.
            int sound = 1;
            if (amax > Float.MAX_VALUE) {
                sound = 0;
                inverse = 0f;
                scale = amax - amax;
                for (int i = 0; i < rows * blocks; i++) {
                    held[i] = 0f;
                }
            }
            if (lane == 0 && firstMember == 0 && members > 0) {
                scales.set(head * perHead + index, scale);
            }
            for (int chunk = 0; chunk < chunks; chunk++) {
                int first = firstMember + chunk * teams * rows;
                for (int r = 0; r < rows; r++) {
                    int member = first + r * teams;
                    int row = firstRow + member / width * period + member % width;
                    for (int b = 0; b < blocks; b++) {
                        float y = held[r * blocks + b];
                        if (reread == 1) {
                            y = 0f;
                            if (member < members && row < tokens && lane + b * team < channels && sound == 1) {
                                if (meanPerRow == 1) {
                                    centre[b] = mean.get(meanStart + row / meanRows * paddedDim + b * team);
                                }
                                y = Elements.load(floats, halves, bfloats, type, row * tokenStride + offsets[b]);
                                y = y - centre[b];
                            }
                        }
                        if (whole == 1 || member < members) {
                            // Never beyond the limit by half; min keeps product and sum from becoming one operation.
                            int code = Rounding.nearestBits(TornadoMath.min(limit, y * inverse));
                            codes.set(codeStart + row * paddedDim + b * team, (byte) code);
                        }
                    }
                }
            }
        }

        found[item] = inputs;
        context.localBarrier();
        if (item < WARP) {
            for (int other = item + WARP; other < items; other += WARP) {
                inputs = inputs + found[other];
            }
            found[item] = inputs;
        }
        context.localBarrier();
        if (item == 0) {
            for (int other = 1; other < WARP; other++) {
                inputs = inputs + found[other];
            }
            nonFinite.set(grouping.get(COUNTS_AT) + context.groupIdx, inputs);
        }
    }
}
