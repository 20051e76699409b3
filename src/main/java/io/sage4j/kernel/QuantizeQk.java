package io.sage4j.kernel;

import io.sage4j.numeric.Numbers;
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
 * <p>Grid: heads x sets work-groups, a set being {@code tile} rows with their {@code groups} scales
 * ({@link io.sage4j.numeric.ScaleGroups}); any number of work-items that the groups divide, at most {@link #MAX_ITEMS}; each
 * takes every n-th element of one group. Local memory: 12 bytes a work-item of {@link #MAX_ITEMS}. In: a strided tensor.
 * Out: codes [heads][paddedRows][paddedDim], one byte each, zero in the padding; scales [heads][sets * groups]; and the
 * number of inputs of each set that are not finite.
 */
public final class QuantizeQk {
    /** Largest work-group. */
    public static final int MAX_ITEMS = 128;

    /** Position in the grouping: rows of a set. */
    public static final int TILE = 0;
    /** Position in the grouping: scales of a set. */
    public static final int GROUPS = 1;
    /** Position in the grouping: rows after which the groups repeat. */
    public static final int PERIOD = 2;
    /** Position in the grouping: neighbouring rows of one group. */
    public static final int WIDTH = 3;
    /** Position in the grouping: sets of one head. */
    public static final int SETS = 4;
    /** Position in the grouping: rows of the codes of one head, padding included. */
    public static final int PADDED_ROWS = 5;
    /** Position in the grouping: rows that share a mean. */
    public static final int MEAN_ROWS = 6;
    /** Position in the grouping: means of one head; 0 for no mean. */
    public static final int MEANS = 7;
    /** Numbers in a grouping. */
    public static final int GROUPING_SIZE = 8;

    private QuantizeQk() {}

    /**
     * Kernel.
     *
     * @param view where the tensor's elements lie
     * @param grouping which rows share a scale, and which a mean
     * @param mean [heads][means][paddedDim]
     * @param codes output
     * @param scales output
     * @param nonFinite output, [heads][sets]
     * @param paddedDim channels of the codes
     * @param limit largest code
     * @param type element type
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
            int type) {
        float[] largest = context.allocateFloatLocalArray(MAX_ITEMS);
        int[] poisoned = context.allocateIntLocalArray(MAX_ITEMS);
        int[] found = context.allocateIntLocalArray(MAX_ITEMS);
        int item = context.localIdx;
        int groups = grouping.get(GROUPS);
        int perGroup = context.localGroupSizeX / groups;
        int group = item / perGroup;
        int tile = grouping.get(TILE);
        int sets = grouping.get(SETS);
        int head = context.groupIdx / sets;
        int set = context.groupIdx - head * sets;
        int width = grouping.get(WIDTH);
        int period = grouping.get(PERIOD);
        int members = tile / period * width;
        int tokens = view.get(Elements.TOKENS);
        int channels = view.get(Elements.CHANNELS);
        int start = Elements.rowStart(view, head, 0);
        int tokenStride = view.get(Elements.TOKEN_STRIDE);
        int codeStart = head * grouping.get(PADDED_ROWS);
        int means = grouping.get(MEANS);
        int meanRows = grouping.get(MEAN_ROWS);

        float amax = 0f;
        int bad = 0;
        int inputs = 0;
        for (int e = item - group * perGroup; e < members * paddedDim; e += perGroup) {
            int member = e / paddedDim;
            int channel = e - member * paddedDim;
            int row = set * tile + member / width * period + group * width + member % width;
            if (row < tokens && channel < channels) {
                float x = Elements.load(floats, halves, bfloats, type, start + row * tokenStride + channel);
                float y = x;
                if (means > 0) {
                    y = x - mean.get((head * means + row / meanRows) * paddedDim + channel);
                }
                amax = TornadoMath.max(amax, TornadoMath.abs(y));
                bad = bad + 1 - Rounding.isFinite(y);
                inputs = inputs + 1 - Rounding.isFinite(x);
            }
        }
        largest[item] = amax;
        poisoned[item] = bad;
        found[item] = inputs;
        context.localBarrier();

        amax = 0f;
        bad = 0;
        for (int other = group * perGroup; other < (group + 1) * perGroup; other++) {
            amax = TornadoMath.max(amax, largest[other]);
            bad = bad + poisoned[other];
        }
        float floor = TornadoMath.max(amax, Numbers.AMAX_FLOOR);
        // A group with a NaN or an infinity has scale NaN, made as 0 / 0, and codes 0.
        float sound = bad == 0 ? 1f : 0f;
        float inverse = bad == 0 ? limit / floor : 0f;
        if (item == group * perGroup) {
            scales.set((head * sets + set) * groups + group, floor / limit + 0f / sound);
        }
        if (item == 0) {
            inputs = 0;
            for (int other = 0; other < perGroup * groups; other++) {
                inputs = inputs + found[other];
            }
            nonFinite.set(head * sets + set, inputs);
        }
        for (int e = item - group * perGroup; e < members * paddedDim; e += perGroup) {
            int member = e / paddedDim;
            int channel = e - member * paddedDim;
            int row = set * tile + member / width * period + group * width + member % width;
            float code = 0f;
            if (row < tokens && channel < channels && bad == 0) {
                float y = Elements.load(floats, halves, bfloats, type, start + row * tokenStride + channel);
                if (means > 0) {
                    y = y - mean.get((head * means + row / meanRows) * paddedDim + channel);
                }
                code = Rounding.code(y * inverse, limit);
            }
            codes.set((codeStart + row) * paddedDim + channel, (byte) (int) code);
        }
    }
}
