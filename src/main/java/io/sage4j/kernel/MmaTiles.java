package io.sage4j.kernel;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Operands and sizes of the attention kernels on tensor cores ({@link MmaHalfAttention}, {@link MmaFp8Attention}).
 *
 * <p>TornadoVM loads the B operand of an MMA from 256 bytes in local memory: 16 rows of 16 bytes, a row being 8 columns of one
 * FP16 number or of two bytes that are neighbours in the summed dimension. The kernels here write K and V to global memory as
 * such tiles, 16 of them (K: 128 keys by 32 channels; FP8 V: 128 keys by 32 channels) or 32 of them (FP16 V: 128 keys by
 * 32 channels) in a block, in the order in which the attention kernels want them, so that copying a block is copying
 * consecutive numbers.
 */
public final class MmaTiles {
    /** Rows of Q of a tile. */
    public static final int ROWS = 16;
    /** Keys of a tile. */
    public static final int BLOCK_K = 128;
    /** 4-byte numbers of a block of 16 tiles. */
    public static final int BLOCK_WORDS = 1024;

    /** Most work-groups: each takes several tiles of rows, so that what they need in global memory stays small. */
    public static final int GROUPS = 4096;
    /** Rows of 8 scores of one work-group: 16 rows for each of 16 accumulators, and 16 to move by. */
    public static final int SCORE_ROWS = 17 * ROWS;
    /** Rows of 8 products of one work-group: 16 rows for each of 4 accumulators, and 16 to move by. */
    public static final int SUM_ROWS = 5 * ROWS;
    /** Numbers left out at the beginning: with the 16 bytes of TornadoVM's header, rows begin at multiples of 32 bytes. */
    public static final int ALIGN = 4;

    /** Position in the sizes: tiles of rows of one head. */
    public static final int ROW_TILES = AttentionSizes.SIZE;
    /** Position in the sizes: rows of the codes of Q of one head, padding included. */
    public static final int Q_ROWS = AttentionSizes.SIZE + 1;
    /** Position in the sizes: rows that share a delta-s vector. */
    public static final int BLOCK_Q = AttentionSizes.SIZE + 2;
    /** Position in the sizes: work-groups. */
    public static final int WORK_GROUPS = AttentionSizes.SIZE + 3;
    /** Position in the sizes: tiles of rows of all heads. */
    public static final int TILES = AttentionSizes.SIZE + 4;
    /** Position in the sizes: blocks of 32 channels; at run time, so that loops over them stay loops. */
    public static final int BLOCKS = AttentionSizes.SIZE + 5;
    /** Numbers in the sizes. */
    public static final int SIZE = AttentionSizes.SIZE + 6;

    /** The numbers of {@link #packBytes} are those of Q: four codes of a row. */
    public static final int OF_Q = 0;
    /** The numbers of {@link #packBytes} are tiles of K. */
    public static final int OF_K = 1;

    private MmaTiles() {}

    /** What an attention kernel does, as one constant. */
    public static int options(int maskKind, boolean smoothQ, boolean smoothV, boolean lse) {
        return maskKind + (smoothQ ? 4 : 0) + (smoothV ? 8 : 0) + (lse ? 16 : 0);
    }

    /**
     * Kernel: packs bytes by fours, one work-item each.
     *
     * <ul>
     *   <li>Q: as they are;
     *   <li>K, from [heads][kRows][dim]: number {@code w} of tile {@code n} of block ({@code t}, {@code c}) holds the channels
     *       {@code 32 c + 2 (w / 4)} and the next of the keys {@code 128 t + 8 n + 2 (w % 4)} and the next.
     * </ul>
     *
     * @param words output, or a stand-in
     * @param bytes output, or a stand-in
     * @param dim padded channels
     * @param what {@link #OF_Q} or {@link #OF_K}
     * @param toBytes 1 to write {@code bytes}, 0 for {@code words}
     */
    public static void packBytes(
            KernelContext context, ByteArray codes, IntArray words, ByteArray bytes, int dim, int what, int toBytes) {
        int index = context.globalIdx;
        if (index < codes.getSize() / 4) {
            int block = index / BLOCK_WORDS;
            int inBlock = index - block * BLOCK_WORDS;
            int tile = inBlock / 64;
            int word = inBlock - tile * 64;
            int blocks = dim / 32;
            int keyTile = block / blocks;
            int channel = (block - keyTile * blocks) * 32;
            int at0 = 4 * index;
            int at1 = at0 + 1;
            int at2 = at0 + 2;
            int at3 = at0 + 3;
            if (what == OF_K) {
                at0 = (keyTile * BLOCK_K + tile * 8 + word % 4 * 2) * dim + channel + word / 4 * 2;
                at1 = at0 + 1;
                at2 = at0 + dim;
                at3 = at2 + 1;
            }
            if (toBytes == 1) {
                bytes.set(4 * index, codes.get(at0));
                bytes.set(4 * index + 1, codes.get(at1));
                bytes.set(4 * index + 2, codes.get(at2));
                bytes.set(4 * index + 3, codes.get(at3));
            } else {
                int low = unsigned(codes.get(at0)) + 256 * unsigned(codes.get(at1));
                int high = unsigned(codes.get(at2)) + 256 * codes.get(at3);
                words.set(index, low + 65536 * high);
            }
        }
    }

    /**
     * Kernel: packs FP8 codes of V by fours, two numbers a work-item, since the codes of a word belong to two. From
     * [heads][kTiles][dim][128], keys in the order of {@link io.sage4j.numeric.OperandLayout#keyAt}; number {@code w} of tile
     * {@code 4 s + n} of block ({@code t}, {@code c}) holds the keys {@code 128 t + 32 s + 2 (w / 4)} and the next of the
     * channels {@code 32 c + 8 n + 2 (w % 4)} and the next.
     *
     * @param codes see {@link PvCodes#word}
     * @param bytes output
     * @param dim padded channels
     */
    public static void packWords(KernelContext context, IntArray codes, ByteArray bytes, int dim) {
        int index = context.globalIdx;
        if (index < codes.getSize() / 2) {
            int block = index / (BLOCK_WORDS / 2);
            int inBlock = index - block * (BLOCK_WORDS / 2);
            // Numbers 0..15 and 32..47 of a tile: with 16 more, each has the keys 8 further on.
            int tile = inBlock / 32;
            int inTile = inBlock - tile * 32;
            int word = inTile / 16 * 32 + inTile % 16;
            int blocks = dim / 32;
            int keyTile = block / blocks;
            int channel = (block - keyTile * blocks) * 32 + tile % 4 * 8 + word % 4 * 2;
            int position = PvCodes.positionOf(tile / 4 * 32 + word / 4 * 2);
            int from = ((keyTile * dim + channel) * BLOCK_K + position) / PvCodes.PER_WORD;
            int even = codes.get(from);
            int odd = codes.get(from + BLOCK_K / PvCodes.PER_WORD);
            int to = (block * BLOCK_WORDS + tile * 64 + word) * 4;
            for (int i = 0; i < 2; i++) {
                bytes.set(to + i, PvCodes.codeAt(even, i));
                bytes.set(to + 2 + i, PvCodes.codeAt(odd, i));
                bytes.set(to + 64 + i, PvCodes.codeAt(even, 2 + i));
                bytes.set(to + 66 + i, PvCodes.codeAt(odd, 2 + i));
            }
        }
    }

    /**
     * Kernel: packs V by twos, one work-item each; NaN becomes 0. From [heads][kTiles][dim][128], keys in the order of
     * {@link io.sage4j.numeric.OperandLayout#keyAt}; number {@code w} of tile {@code 4 s + n} of block ({@code t}, {@code c})
     * holds the channels {@code 32 c + 8 n + 2 (w % 4)} and the next of key {@code 128 t + 16 s + w / 4}.
     *
     * @param words output
     * @param dim padded channels
     */
    public static void packHalves(KernelContext context, HalfFloatArray halves, IntArray words, int dim) {
        int index = context.globalIdx;
        if (index < words.getSize()) {
            int block = index / (2 * BLOCK_WORDS);
            int inBlock = index - block * (2 * BLOCK_WORDS);
            int tile = inBlock / 64;
            int word = inBlock - tile * 64;
            int blocks = dim / 32;
            int keyTile = block / blocks;
            int channel = (block - keyTile * blocks) * 32 + tile % 4 * 8 + word % 4 * 2;
            int at = (keyTile * dim + channel) * BLOCK_K + PvCodes.positionOf(tile / 4 * 16 + word / 4);
            int low = Rounding.halfCode(halves.get(at).getFloat32());
            int high = Rounding.halfCode(halves.get(at + BLOCK_K).getFloat32());
            words.set(index, low + 65536 * (high > 32767 ? high - 65536 : high));
        }
    }

    /** What is taken off the scores of a row before their powers: its maximum, or 0 while it has seen no key. */
    static float shiftOf(float max) {
        return max < Rounding.VISIBLE_FROM ? 0f : max;
    }

    /**
     * A number that is negative if a row does not see a key: its weight, the low or the high half of a number, is FP16's -0, and no
     * weight is negative. No condition of several parts, which TornadoVM's PTX backend decides before it has all of them.
     */
    static int visible(int pair, int which) {
        return which == 0 ? pair << 16 : pair;
    }

    /** 0..255. In float, for the reason that {@link Rounding} has. */
    private static int unsigned(byte code) {
        float value = code;
        if (value < 0f) {
            value = value + 256f;
        }
        return (int) value;
    }
}
