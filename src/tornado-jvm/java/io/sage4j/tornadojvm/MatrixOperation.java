package io.sage4j.tornadojvm;

/**
 * D = A * B + C over one warp, A of 16 x k, B of k x 8, C and D of 16 x 8.
 *
 * <p>Fragments are laid out as PTX defines them for {@code mma.sync}: with {@code g = lane / 4}, {@code t = lane % 4},
 * and {@code e} elements in 32 bits, element {@code i} of a lane is
 *
 * <ul>
 *   <li>of A: row {@code g + 8 * (i / e % 2)}, column {@code e * t + i % e + 4 * e * (i / (2 * e))};
 *   <li>of B: row {@code e * t + i % e + 4 * e * (i / e)}, column {@code g};
 *   <li>of C and D: row {@code g + 8 * (i / 2)}, column {@code 2 * t + i % 2}.
 * </ul>
 *
 * <p>Float products are exact; they are added in double in the order of k, C last, and rounded once. Tensor cores add
 * in an unpublished order with truncation, so their last bits differ.
 */
abstract class MatrixOperation extends WarpOperation {
    static final int ROWS = 16;
    static final int COLUMNS = 8;

    private MatrixOperation(String name) {
        super(name, true);
    }

    /** Number of elements of a lane's accumulator. */
    static final int ACCUMULATORS = 4;

    static int accumulatorRow(int lane, int i) {
        return lane / 4 + 8 * (i / 2);
    }

    static int accumulatorColumn(int lane, int i) {
        return 2 * (lane % 4) + i % 2;
    }

    static int rowOfA(int lane, int i, int perWord) {
        return lane / 4 + 8 * (i / perWord % 2);
    }

    static int columnOfA(int lane, int i, int perWord) {
        return perWord * (lane % 4) + i % perWord + 4 * perWord * (i / (2 * perWord));
    }

    static int rowOfB(int lane, int i, int perWord) {
        return perWord * (lane % 4) + i % perWord + 4 * perWord * (i / perWord);
    }

    static int columnOfB(int lane) {
        return lane / 4;
    }

    /** Floating-point operands, decoded by the caller. */
    static final class Floats extends MatrixOperation {
        private final float[] a;
        private final float[] b;
        private final float[] c;
        private final int perWord;
        final float[] result = new float[ACCUMULATORS];

        Floats(String name, float[] a, float[] b, float[] c, int perWord) {
            super(name);
            this.a = a;
            this.b = b;
            this.c = c;
            this.perWord = perWord;
        }

        @Override
        void compute(WarpOperation[] lanes) {
            int depth = 8 * perWord;
            double[] left = new double[ROWS * depth];
            double[] right = new double[COLUMNS * depth];
            for (int lane = 0; lane < Warp.LANES; lane++) {
                Floats part = (Floats) lanes[lane];
                for (int i = 0; i < part.a.length; i++) {
                    left[rowOfA(lane, i, perWord) * depth + columnOfA(lane, i, perWord)] = part.a[i];
                }
                for (int i = 0; i < part.b.length; i++) {
                    right[columnOfB(lane) * depth + rowOfB(lane, i, perWord)] = part.b[i];
                }
            }
            for (int lane = 0; lane < Warp.LANES; lane++) {
                Floats part = (Floats) lanes[lane];
                for (int i = 0; i < ACCUMULATORS; i++) {
                    int row = accumulatorRow(lane, i) * depth;
                    int column = accumulatorColumn(lane, i) * depth;
                    double sum = 0;
                    for (int k = 0; k < depth; k++) {
                        sum += left[row + k] * right[column + k];
                    }
                    part.result[i] = (float) (sum + part.c[i]);
                }
            }
        }
    }

    /** Signed bytes with wrapping 32-bit sums. */
    static final class Integers extends MatrixOperation {
        private static final int PER_WORD = 4;
        private static final int DEPTH = 32;

        private final byte[] a;
        private final byte[] b;
        private final int[] c;
        final int[] result = new int[ACCUMULATORS];

        Integers(String name, byte[] a, byte[] b, int[] c) {
            super(name);
            this.a = a;
            this.b = b;
            this.c = c;
        }

        @Override
        void compute(WarpOperation[] lanes) {
            byte[] left = new byte[ROWS * DEPTH];
            byte[] right = new byte[COLUMNS * DEPTH];
            for (int lane = 0; lane < Warp.LANES; lane++) {
                Integers part = (Integers) lanes[lane];
                for (int i = 0; i < part.a.length; i++) {
                    left[rowOfA(lane, i, PER_WORD) * DEPTH + columnOfA(lane, i, PER_WORD)] = part.a[i];
                }
                for (int i = 0; i < part.b.length; i++) {
                    right[columnOfB(lane) * DEPTH + rowOfB(lane, i, PER_WORD)] = part.b[i];
                }
            }
            for (int lane = 0; lane < Warp.LANES; lane++) {
                Integers part = (Integers) lanes[lane];
                for (int i = 0; i < ACCUMULATORS; i++) {
                    int row = accumulatorRow(lane, i) * DEPTH;
                    int column = accumulatorColumn(lane, i) * DEPTH;
                    int sum = part.c[i];
                    for (int k = 0; k < DEPTH; k++) {
                        sum += left[row + k] * right[column + k];
                    }
                    part.result[i] = sum;
                }
            }
        }
    }
}
