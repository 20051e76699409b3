package io.sage4j.ptx.sim;

import io.sage4j.numeric.Fp8;
import io.sage4j.ptx.MmaShape;

/**
 * What a matrix multiply-accumulate computes. Integers: exact, modulo 2^32. Floats: the products are exact, they and C
 * are summed in double, and the sum is rounded once to the accumulator's format, nearest even. This is the
 * docs/numerics.md step with its inner FP32 sum made exact; hardware truncates inside that sum, differently on each
 * generation.
 */
final class MmaModel {
    private static final int M = 16;
    private static final int N = 8;

    private final MmaShape shape;
    private final int perReg;

    MmaModel(MmaShape shape) {
        this.shape = shape;
        this.perReg = 32 / shape.bits();
    }

    /** Registers of D, [register][lane], from those of A, B and C. */
    long[][] apply(long[][] a, long[][] b, long[][] c) {
        int k = shape.k();
        double[] rows = new double[M * k];
        double[] columns = new double[N * k];
        for (int lane = 0; lane < Warp.LANES; lane++) {
            for (int r = 0; r < a.length; r++) {
                int row = lane / 4 + 8 * (r & 1);
                expand(a[r][lane], rows, row * k + depth(lane, r >> 1));
            }
            for (int r = 0; r < b.length; r++) {
                expand(b[r][lane], columns, lane / 4 * k + depth(lane, r));
            }
        }
        long[][] d = new long[c.length][Warp.LANES];
        for (int lane = 0; lane < Warp.LANES; lane++) {
            for (int e = 0; e < 4; e++) {
                int row = (lane / 4 + 8 * (e >> 1)) * k;
                int column = (lane % 4 * 2 + (e & 1)) * k;
                double sum = 0;
                for (int n = 0; n < k; n++) {
                    sum += rows[row + n] * columns[column + n];
                }
                if (shape.isInteger()) {
                    d[e][lane] = (long) sum + (int) c[e][lane] & 0xFFFFFFFFL;
                } else if (shape.isHalf()) {
                    int shift = 16 * (e & 1);
                    short half = Alu.halfOf(Float.float16ToFloat((short) (c[e >> 1][lane] >>> shift)) + sum);
                    d[e >> 1][lane] |= (half & 0xFFFFL) << shift;
                } else {
                    d[e][lane] = Alu.bitsOf(Alu.value(c[e][lane]) + sum);
                }
            }
        }
        return d;
    }

    private int depth(int lane, int half) {
        return perReg * (lane % 4) + 4 * perReg * half;
    }

    private void expand(long bits, double[] to, int at) {
        for (int n = 0; n < perReg; n++) {
            int element = (int) (bits >>> shape.bits() * n);
            to[at + n] = switch (shape) {
                case S8 -> (byte) element;
                case S4, S4_HALF -> element << 28 >> 28;
                case E4M3_F32, E4M3_F16 -> Fp8.E4M3.decode((byte) element);
                case F16_F32, F16_F16 -> Float.float16ToFloat((short) element);
            };
        }
    }
}
