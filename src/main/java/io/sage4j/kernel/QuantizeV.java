package io.sage4j.kernel;

import io.sage4j.numeric.Numbers;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.ShortArray;

/**
 * V in FP8, INT8 (one scale per channel over all tokens; SageAttention2, section 3.3) or FP16 (no scale), transposed tile by
 * tile with the keys of every 16 permuted ({@link io.sage4j.numeric.OperandLayout}), with the mean subtracted first if
 * there is one. A code needs the scale, and the scale all tokens: the 8-bit formats read V twice, in two kernels. Loads are as in
 * {@link QuantizeQk}.
 */
public final class QuantizeV {
    /** Channels of a warp, and of one work-group of {@link #quantize}. */
    public static final int CHANNELS = 32;
    /** Work-items of one work-group of {@link #quantize}. */
    public static final int ITEMS = 128;

    /** Position in the counts: inputs that are not finite. */
    public static final int NON_FINITE = 0;
    /** Position in the counts: values that are not finite once the mean is subtracted. */
    public static final int SPOILT = 1;
    /** Position in the counts: values that are not zero but whose code is. */
    public static final int FLUSHED = 2;
    /** Position in the counts: values beyond the range of FP16. */
    public static final int SATURATED = 3;
    /** Counts of one work-group. */
    public static final int COUNTS = 4;

    /** Option: subtract the mean. */
    public static final int SMOOTH = 1;
    /** Option: no key and no channel of the codes is padding. */
    public static final int WHOLE = 2;
    /** Option: the device's halves show their bits. */
    public static final int HALF_BITS = 4;

    private static final float HALF_MAX = 65504f;
    /** Warps of a work-group of {@link #quantize}: a work-item has 32 keys of a tile of 128, and what it does once weighs little. */
    private static final int WARPS = ITEMS / CHANNELS;
    /** Keys whose order is permuted; of each 16, a work-item has those of {@link #WORD} neighbouring positions. */
    private static final int SIXTEEN = 16;
    /** Codes in an int. */
    private static final int WORD = PvCodes.PER_WORD;
    /** Warps of a work-group of {@link #scale}: 256 channels at most. */
    private static final int SCALE_WARPS = 8;
    /** Tokens of a span, if there are not more than {@link #MOST_SPANS}. */
    private static final int SPAN_TOKENS = 256;

    private static final int MOST_SPANS = 16;
    /** Loads of a work-item that are under way together. */
    private static final int HELD = 16;
    /** Partial sums of the counts. */
    private static final int LEFT = 8;
    /** Two counts in one int: a work-group has fewer values than this. */
    private static final int SPLIT = 32768;

    private QuantizeV() {}

    /** Spans into which {@link #scale} divides the tokens. */
    public static int spans(int tokens) {
        return TornadoMath.min((tokens + SPAN_TOKENS - 1) / SPAN_TOKENS, MOST_SPANS);
    }

    /** Work-items of one work-group of {@link #scale}: as many warps as take whole tokens. */
    public static int scaleItems(int paddedDim) {
        return SCALE_WARPS / (paddedDim / CHANNELS) * paddedDim;
    }

    /** Keys from the first of a work-item of {@link #quantize} to its {@code i}-th. */
    private static int keyOf(int i) {
        return PvCodes.keyAt(i / WORD * SIXTEEN + i % WORD);
    }

    /**
     * Kernel: largest magnitude of each channel, span by span; infinite if the span has a NaN or an infinity.
     *
     * <p>Grid: heads x spans work-groups of {@link #scaleItems}; a warp takes 32 channels of every n-th token. Local memory:
     * 1024 bytes. In: a strided tensor.
     *
     * @param view where the tensor's elements lie
     * @param mean [heads][paddedDim]
     * @param largest output, [heads][spans][paddedDim], zero in the padding channels
     * @param paddedDim channels of the output
     * @param smooth 1 to subtract the mean, else 0
     * @param type element type
     */
    public static void scale(
            KernelContext context,
            IntArray view,
            FloatArray floats,
            HalfFloatArray halves,
            ShortArray bfloats,
            FloatArray mean,
            FloatArray largest,
            int paddedDim,
            int smooth,
            int type) {
        float[] parts = context.allocateFloatLocalArray(SCALE_WARPS * CHANNELS);
        float[] held = new float[HELD];
        int lanes = SCALE_WARPS / (paddedDim / CHANNELS);
        int item = context.localIdx;
        int lane = item / paddedDim;
        int channel = item - lane * paddedDim;
        int tokens = view.get(Elements.TOKENS);
        int spans = spans(tokens);
        int head = context.groupIdx / spans;
        int span = context.groupIdx - head * spans;
        int length = (tokens + spans - 1) / spans;
        int last = TornadoMath.min((span + 1) * length, tokens);
        int tokenStride = view.get(Elements.TOKEN_STRIDE);
        int channels = view.get(Elements.CHANNELS);
        int start = Elements.rowStart(view, head, 0) + TornadoMath.min(channel, channels - 1);

        float amax = 0f;
        // 0 as long as all is finite, else NaN.
        float poison = 0f;
        float centre = 0f;
        if (smooth == 1) {
            centre = mean.get(head * paddedDim + TornadoMath.min(channel, channels - 1));
        }
        // No load is under a condition, since that one is waited for: the last row and channel may be read again.
        for (int first = span * length + lane; first < last; first += HELD * lanes) {
            for (int i = 0; i < HELD; i++) {
                int row = TornadoMath.min(first + i * lanes, last - 1);
                held[i] = Elements.load(floats, halves, bfloats, type, start + row * tokenStride);
            }
            for (int i = 0; i < HELD; i++) {
                float y = held[i] - centre;
                amax = TornadoMath.max(amax, TornadoMath.abs(y));
                poison = poison + y * 0f;
            }
        }
        // Infinite stands for NaN too, which a maximum would lose. TornadoVM would write the constant as a division.
        if (poison != 0f) {
            amax = tokens * Float.MAX_VALUE * 2f;
        }
        if (channel > channels - 1) {
            amax = 0f;
        }
        parts[item] = amax;
        context.localBarrier();
        if (lane == 0) {
            for (int other = 1; other < lanes; other++) {
                amax = TornadoMath.max(amax, parts[other * paddedDim + channel]);
            }
            largest.set(context.groupIdx * paddedDim + channel, amax);
        }
    }

    /**
     * Kernel: codes and scales.
     *
     * <p>Grid: heads x tiles x (paddedDim / {@link #CHANNELS}) work-groups of {@link #ITEMS} work-items. A warp reads 32 channels
     * of one token after the other, of such tokens that four codes of a work-item are neighbours; the codes go through local
     * memory, so that neighbours write neighbouring keys. Local memory: {@code 32 * blockK + 1664} bytes, for FP16 {@code 128 *
     * blockK + 1664}. In: a strided tensor. Out: codes [heads][tiles][paddedDim][blockK], zero in the padding, 8-bit ones by
     * fours; scales [heads][paddedDim]; counts [heads][tiles][paddedDim / 32][{@link #COUNTS}].
     *
     * @param view where the tensor's elements lie
     * @param mean [heads][paddedDim]
     * @param largest what {@link #scale} found; not read for FP16
     * @param codes output, 8-bit formats, see {@link PvCodes#word}
     * @param halfCodes output, FP16
     * @param scales output, 8-bit formats
     * @param counts output
     * @param range largest magnitude of a scaled value
     * @param tokenStride elements from one token to the next
     * @param paddedDim channels of the codes
     * @param blockK keys of a tile
     * @param format see {@link PvCodes}
     * @param options sum of {@link #SMOOTH}, {@link #WHOLE} and {@link #HALF_BITS}, as they apply
     * @param type element type
     */
    public static void quantize(
            KernelContext context,
            IntArray view,
            FloatArray floats,
            HalfFloatArray halves,
            ShortArray bfloats,
            FloatArray mean,
            FloatArray largest,
            IntArray codes,
            HalfFloatArray halfCodes,
            FloatArray scales,
            IntArray counts,
            float range,
            int tokenStride,
            int paddedDim,
            int blockK,
            int format,
            int options,
            int type) {
        int smooth = options % 2;
        int whole = options / WHOLE % 2;
        int halfBits = options / HALF_BITS;
        int rows = blockK / WARPS;
        int perChannel = blockK / WORD;
        int[] codeStage = context.allocateIntLocalArray(format == PvCodes.FP16 ? 1 : CHANNELS * (perChannel + 1));
        float[] halfStage = context.allocateFloatLocalArray(format == PvCodes.FP16 ? CHANNELS * (blockK + 1) : 1);
        float[] parts = context.allocateFloatLocalArray(ITEMS);
        int[] found = context.allocateIntLocalArray(2 * ITEMS);
        float[] held = new float[rows];
        float[] maxima = new float[MOST_SPANS / WARPS];
        int item = context.localIdx;
        int warp = item / CHANNELS;
        int lane = item - warp * CHANNELS;
        int tokens = view.get(Elements.TOKENS);
        int tiles = (tokens + blockK - 1) / blockK;
        int blocks = paddedDim / CHANNELS;
        int headTile = context.groupIdx / blocks;
        int firstChannel = (context.groupIdx - headTile * blocks) * CHANNELS;
        int head = headTile / tiles;
        int tile = headTile - head * tiles;
        int channel = firstChannel + lane;
        // Key of position 4 * warp of the tile; the others of a work-item are at the same distances for every warp.
        int first = tile * blockK + PvCodes.keyAt(WORD * warp);
        int channels = view.get(Elements.CHANNELS);
        int start = Elements.rowStart(view, head, 0) + TornadoMath.min(channel, channels - 1);

        float centre = 0f;
        if (smooth == 1) {
            centre = mean.get(head * paddedDim + channel);
        }
        // The maxima are loaded before V, so that all are under way together.
        int spans = spans(tokens);
        if (format != PvCodes.FP16) {
            for (int n = 0; n < MOST_SPANS / WARPS; n++) {
                int span = TornadoMath.min(warp + n * WARPS, spans - 1);
                maxima[n] = largest.get((head * spans + span) * paddedDim + channel);
            }
        }
        int base = start + first * tokenStride;
        for (int i = 0; i < rows; i++) {
            int away = keyOf(i) * tokenStride;
            if (whole == 0) {
                away = TornadoMath.min(keyOf(i), tokens - 1 - first) * tokenStride;
            }
            held[i] = Elements.load(floats, halves, bfloats, type, base + away);
        }
        float inverse = 1f;
        int sound = 1;
        if (format != PvCodes.FP16) {
            float amax = 0f;
            for (int n = 0; n < MOST_SPANS / WARPS; n++) {
                amax = TornadoMath.max(amax, maxima[n]);
            }
            parts[item] = amax;
            context.localBarrier();
            for (int other = 0; other < WARPS; other++) {
                amax = TornadoMath.max(amax, parts[other * CHANNELS + lane]);
            }
            float floor = TornadoMath.max(amax, Numbers.AMAX_FLOOR);
            float scale = floor / range;
            inverse = range / floor;
            // A channel with a NaN or an infinity has scale NaN and codes 0.
            if (amax > Float.MAX_VALUE) {
                sound = 0;
                scale = amax - amax;
                inverse = 0f;
                centre = 0f;
                for (int i = 0; i < rows; i++) {
                    held[i] = 0f;
                }
            }
            if (tile == 0 && warp == 0) {
                scales.set(head * paddedDim + channel, scale);
            }
        }

        float leastKept = PvCodes.leastKept(format);
        float least = leastKept;
        float most = 0f;
        // 0 as long as all is finite, else NaN; where there are scales, those tell.
        float poison = 0f;
        int place = lane * (perChannel + 1) + warp;
        int word = 0;
        for (int i = 0; i < rows; i++) {
            float y = 0f;
            if (whole == 1 || first + keyOf(i) < tokens && channel < channels) {
                y = held[i] - centre;
            }
            float scaled = y * inverse;
            least = TornadoMath.min(least, TornadoMath.abs(scaled));
            if (format == PvCodes.FP16) {
                most = TornadoMath.max(most, TornadoMath.abs(y));
                poison = poison + y * 0f;
                halfStage[lane * (blockK + 1) + WORD * warp + i / WORD * SIXTEEN + i % WORD] = Rounding.halfRange(y);
            } else if (halfBits == 1 && format != PvCodes.INT8) {
                word = word + PvCodes.inWord(scaled, i % WORD, format);
                if (i % WORD == WORD - 1) {
                    codeStage[place + i / WORD * WARPS] = word;
                    word = 0;
                }
            } else {
                held[i] = PvCodes.codeOf(scaled, i % WORD == WORD - 1 ? 1 : 0, format);
                if (i % WORD == WORD - 1) {
                    codeStage[place + i / WORD * WARPS] = PvCodes.word(held[i - 3], held[i - 2], held[i - 1], held[i]);
                }
            }
        }
        int inputs = 0;
        int spoilt = 0;
        int flushed = 0;
        int saturated = 0;
        // What is rare is counted value by value, and -0 given its sign. One condition: behind one of several parts
        // TornadoVM writes the rest of the kernel twice, and then work-items of a warp wait for each other at
        // different barriers.
        float rare = TornadoMath.max(leastKept - least, most - HALF_MAX) + poison;
        if (rare != 0f) {
            int end = 0;
            if (channel < channels) {
                end = TornadoMath.min((tile + 1) * blockK, tokens);
            }
            for (int i = 0; first + keyOf(i) < end; i++) {
                float x = Elements.load(floats, halves, bfloats, type, start + (first + keyOf(i)) * tokenStride);
                float y = x;
                if (smooth == 1) {
                    y = x - mean.get(head * paddedDim + channel);
                }
                float scaled = y * inverse;
                inputs = inputs + 1 - Rounding.isFinite(x);
                spoilt = spoilt + 1 - Rounding.isFinite(y);
                if (format == PvCodes.FP16 && TornadoMath.abs(y) > HALF_MAX) {
                    saturated = saturated + 1;
                }
                if (sound == 1 && TornadoMath.abs(scaled) < leastKept) {
                    if (TornadoMath.abs(y) > 0f) {
                        flushed = flushed + 1;
                    }
                    if (format != PvCodes.FP16 && scaled == 0f) {
                        if (1f / scaled < 0f) {
                            int at = place + i / WORD * WARPS;
                            codeStage[at] = codeStage[at] + (PvCodes.negative(0, format) << 8 * (i % WORD));
                        }
                    }
                }
            }
        }
        found[item] = spoilt * SPLIT + inputs;
        found[ITEMS + item] = saturated * SPLIT + flushed;
        context.localBarrier();

        int firstRow = headTile * paddedDim + firstChannel;
        if (format == PvCodes.FP16) {
            for (int n = 0; n < CHANNELS * blockK / ITEMS; n++) {
                int at = item + n * ITEMS;
                // TornadoVM's OpenCL backend wants nothing between "new" and the constructor.
                float kept = halfStage[at + at / blockK];
                halfCodes.set(firstRow * blockK + at, new HalfFloat(kept));
            }
        } else {
            for (int n = 0; n < CHANNELS * perChannel / ITEMS; n++) {
                int at = item + n * ITEMS;
                codes.set(firstRow * perChannel + at, codeStage[at + at / perChannel]);
            }
        }
        // Two sums of ITEMS numbers each, in few steps, since the work-group keeps its place until the last is done.
        if (item < 2 * LEFT) {
            int pair = item / LEFT * ITEMS + item % LEFT;
            int sum = 0;
            for (int n = 0; n < ITEMS / LEFT; n++) {
                sum = sum + found[pair + n * LEFT];
            }
            found[pair] = sum;
        }
        context.localBarrier();
        if (item == 0) {
            int finds = 0;
            int losses = 0;
            for (int n = 0; n < LEFT; n++) {
                finds = finds + found[n];
                losses = losses + found[ITEMS + n];
            }
            counts.set(context.groupIdx * COUNTS + NON_FINITE, finds % SPLIT);
            counts.set(context.groupIdx * COUNTS + SPOILT, finds / SPLIT);
            counts.set(context.groupIdx * COUNTS + SATURATED, losses / SPLIT);
            counts.set(context.groupIdx * COUNTS + FLUSHED, losses % SPLIT);
        }
    }
}
