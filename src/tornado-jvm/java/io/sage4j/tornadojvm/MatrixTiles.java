package io.sage4j.tornadojvm;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.matrix.Matrix8x8Float;

/**
 * How matrix tiles lie in local memory, and what a lane loads from them.
 *
 * <p>A tile of A has rows of 32 bytes: 16 elements of 16 bits or 32 of 8 bits. A tile of B has 16 rows of 16 bytes: 8
 * elements of 16 bits, or 8 pairs of bytes whose two members are adjacent in k. Tiles are packed in integers, low byte
 * first, and start at multiples of 16 bytes.
 */
public final class MatrixTiles {
    private static final int ROW_OF_A = 32;
    private static final int ROW_OF_B = 16;

    private final WorkItem item;
    private final ArrayDeque<List<Copy>> committed = new ArrayDeque<>();
    private List<Copy> open = new ArrayList<>();

    private record Copy(int[] target, int index, int value) {}

    MatrixTiles(WorkItem item) {
        this.item = item;
    }

    /* ---- fragments; element order as in MatrixOperation ---- */

    /**
     * Fragment of A, 16-bit elements.
     *
     * @param tile the array
     * @param depth 16
     * @param byteOffset start of the tile
     * @return 8 elements
     */
    public HalfFloat[] halvesOfA(int[] tile, int depth, int byteOffset) {
        check(depth, 16, byteOffset);
        HalfFloat[] fragment = new HalfFloat[8];
        int lane = item.id % Warp.LANES;
        for (int i = 0; i < fragment.length; i++) {
            int at = byteOffset
                    + MatrixOperation.rowOfA(lane, i, 2) * ROW_OF_A
                    + MatrixOperation.columnOfA(lane, i, 2) * 2;
            fragment[i] = new HalfFloat((short) (word(tile, at) >> at % 4 * 8));
        }
        return fragment;
    }

    /**
     * Fragment of B, 16-bit elements.
     *
     * @param tile the array
     * @param depth 16
     * @param byteOffset start of the tile
     * @return 4 elements
     */
    public HalfFloat[] halvesOfB(int[] tile, int depth, int byteOffset) {
        check(depth, 16, byteOffset);
        HalfFloat[] fragment = new HalfFloat[4];
        int lane = item.id % Warp.LANES;
        for (int i = 0; i < fragment.length; i++) {
            int at = byteOffset + MatrixOperation.rowOfB(lane, i, 2) * ROW_OF_B + MatrixOperation.columnOfB(lane) * 2;
            fragment[i] = new HalfFloat((short) (word(tile, at) >> at % 4 * 8));
        }
        return fragment;
    }

    /**
     * Fragment of a swizzled B of halves with rows of 8.
     *
     * @param tile the array
     * @param depth 16
     * @param byteOffset start of the tile
     * @return 4 elements
     */
    public HalfFloat[] swizzledHalvesOfB(HalfFloat[] tile, int depth, int byteOffset) {
        check(depth, 16, byteOffset);
        HalfFloat[] fragment = new HalfFloat[4];
        int lane = item.id % Warp.LANES;
        for (int i = 0; i < fragment.length; i++) {
            int row = MatrixOperation.rowOfB(lane, i, 2);
            int at = byteOffset / 2 + swizzled(row, MatrixOperation.columnOfB(lane), 8, 2, 7, 4);
            item.note(tile, at, false);
            fragment[i] = tile[at];
        }
        return fragment;
    }

    /**
     * Fragment of A, bytes.
     *
     * @param tile the array
     * @param depth 32
     * @return 16 elements
     */
    public byte[] bytesOfA(int[] tile, int depth) {
        check(depth, 32, 0);
        byte[] fragment = new byte[16];
        int lane = item.id % Warp.LANES;
        for (int i = 0; i < fragment.length; i++) {
            int at = MatrixOperation.rowOfA(lane, i, 4) * ROW_OF_A + MatrixOperation.columnOfA(lane, i, 4);
            fragment[i] = (byte) (word(tile, at) >> at % 4 * 8);
        }
        return fragment;
    }

    /**
     * Fragment of B, bytes.
     *
     * @param tile the array
     * @param depth 32
     * @return 8 elements
     */
    public byte[] bytesOfB(int[] tile, int depth) {
        check(depth, 32, 0);
        byte[] fragment = new byte[8];
        int lane = item.id % Warp.LANES;
        for (int i = 0; i < fragment.length; i++) {
            int row = MatrixOperation.rowOfB(lane, i, 4);
            int at = row / 2 * ROW_OF_B + MatrixOperation.columnOfB(lane) * 2 + row % 2;
            fragment[i] = (byte) (word(tile, at) >> at % 4 * 8);
        }
        return fragment;
    }

    private int word(int[] tile, int byteIndex) {
        item.note(tile, byteIndex / 4, false);
        return tile[byteIndex / 4];
    }

    private void check(int depth, int expected, int byteOffset) {
        if (depth != expected) {
            throw item.group.error("tile depth " + depth + ", expected " + expected, item);
        }
        if (byteOffset < 0 || byteOffset % 16 != 0) {
            throw item.group.error("byte offset " + byteOffset + " is no multiple of 16", item);
        }
    }

    /* ---- swizzled tiles ---- */

    /**
     * Element index of a swizzled place: three bits of the byte offset are XORed onto three others.
     *
     * @param row row
     * @param col column
     * @param stride elements of a row
     * @param elementSize bytes of an element
     * @param source lowest bit of those that are XORed
     * @param target lowest bit of those that change
     * @return index in the tile
     */
    public static int swizzled(int row, int col, int stride, int elementSize, int source, int target) {
        int offset = (row * stride + col) * elementSize;
        return (offset ^ ((offset >> source & 0b111) << target)) / elementSize;
    }

    /* ---- 8 x 8 matrices ---- */

    /**
     * Loads a matrix from a local array.
     *
     * @param cells the array
     * @param base first element
     * @param stride distance of the rows
     * @return a new matrix
     */
    public Matrix8x8Float load(float[] cells, int base, int stride) {
        Matrix8x8Float matrix = new Matrix8x8Float();
        for (int i = 0; i < 64; i++) {
            int at = base + i / 8 * stride + i % 8;
            item.note(cells, at, false);
            matrix.values[i] = cells[at];
        }
        return matrix;
    }

    /**
     * Loads a matrix from global memory.
     *
     * @param cells the array
     * @param base first element
     * @param stride distance of the rows
     * @return a new matrix
     */
    public static Matrix8x8Float load(FloatArray cells, int base, int stride) {
        Matrix8x8Float matrix = new Matrix8x8Float();
        for (int i = 0; i < 64; i++) {
            matrix.values[i] = cells.get(base + i / 8 * stride + i % 8);
        }
        return matrix;
    }

    /**
     * Stores a matrix to global memory.
     *
     * @param matrix the matrix
     * @param cells the array
     * @param base first element
     * @param stride distance of the rows
     */
    public static void store(Matrix8x8Float matrix, FloatArray cells, int base, int stride) {
        for (int i = 0; i < 64; i++) {
            cells.set(base + i / 8 * stride + i % 8, matrix.values[i]);
        }
    }

    /**
     * Computes a * b + c, in float, in the order of k.
     *
     * @param a left factor
     * @param b right factor
     * @param c summand
     * @param result receives the result; may be {@code c}
     */
    public static void multiplyAdd(Matrix8x8Float a, Matrix8x8Float b, Matrix8x8Float c, Matrix8x8Float result) {
        for (int row = 0; row < 8; row++) {
            for (int col = 0; col < 8; col++) {
                float sum = c.get(row, col);
                for (int k = 0; k < 8; k++) {
                    sum += a.get(row, k) * b.get(k, col);
                }
                result.set(row, col, sum);
            }
        }
    }

    /**
     * Loads from a local array.
     *
     * @param tile the array
     * @param index element
     * @return the value
     */
    public HalfFloat load(HalfFloat[] tile, int index) {
        item.note(tile, index, false);
        return tile[index];
    }

    /**
     * Stores into a local array.
     *
     * @param tile the array
     * @param index element
     * @param value the value
     */
    public void store(HalfFloat[] tile, int index, HalfFloat value) {
        item.note(tile, index, true);
        tile[index] = value;
    }

    /**
     * Loads from a local array.
     *
     * @param tile the array
     * @param index element
     * @return the value
     */
    public byte load(byte[] tile, int index) {
        item.note(tile, index, false);
        return tile[index];
    }

    /**
     * Stores into a local array.
     *
     * @param tile the array
     * @param index element
     * @param value the value
     */
    public void store(byte[] tile, int index, byte value) {
        item.note(tile, index, true);
        tile[index] = value;
    }

    /* ---- asynchronous copies: a value arrives no sooner than its group is waited for ---- */

    /**
     * Begins a copy into a local array.
     *
     * @param target the array
     * @param index element
     * @param value what arrives there
     */
    public void copy(int[] target, int index, int value) {
        if (index < 0 || index >= target.length) {
            throw new ArrayIndexOutOfBoundsException("Index " + index + " out of bounds for length " + target.length);
        }
        open.add(new Copy(target, index, value));
    }

    /**
     * Makes one group of the copies begun since the last call.
     */
    public void commit() {
        committed.add(open);
        open = new ArrayList<>();
    }

    /**
     * Lets groups of copies arrive.
     *
     * @param groups how many of the latest may stay under way
     */
    public void awaitCopies(int groups) {
        if (groups < 0) {
            throw item.group.error("asyncCopyWaitGroup(" + groups + ")", item);
        }
        while (committed.size() > groups) {
            for (Copy copy : committed.remove()) {
                item.note(copy.target, copy.index, true);
                copy.target[copy.index] = copy.value;
            }
        }
    }
}
