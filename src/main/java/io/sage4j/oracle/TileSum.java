package io.sage4j.oracle;

import io.sage4j.numeric.Accumulator;
import io.sage4j.numeric.Float16;
import java.util.Arrays;

/**
 * The sum of P V over one tile of keys and its addition to the output row, for each accumulator (docs/numerics.md,
 * 5).
 */
final class TileSum {
    private TileSum() {}

    /**
     * {@code o = o * alpha + sum_j p[j] * v[j]}, with the roundings of the accumulator.
     *
     * @param accumulator where the sums live
     * @param mmaKeys keys that one MMA sums in FP32 before the accumulator sees them
     * @param alpha factor of what the row has summed so far
     * @param p [keys], rounded to the format of P
     * @param hidden [keys], keys that take no part: their V is not read
     * @param keys keys of the tile
     * @param v V as decoded
     * @param vBase index in {@code v} of channel 0 of the tile's first key; rows are {@code o.length} apart
     * @param o [headDim], the output row so far
     */
    static void add(
            Accumulator accumulator,
            int mmaKeys,
            float alpha,
            float[] p,
            boolean[] hidden,
            int keys,
            float[] v,
            int vBase,
            float[] o) {
        int dim = o.length;
        if (accumulator == Accumulator.FP32) {
            for (int d = 0; d < dim; d++) {
                o[d] = o[d] * alpha;
            }
        } else if (accumulator == Accumulator.FP16) {
            float halfAlpha = Float16.round(alpha);
            for (int d = 0; d < dim; d++) {
                o[d] = Float16.round(o[d] * halfAlpha);
            }
        }
        float[] a = accumulator.isTwoLevel() ? new float[dim] : o;
        float[] t = new float[dim];
        for (int first = 0; first < keys; first += mmaKeys) {
            Arrays.fill(t, 0f);
            for (int j = first; j < Math.min(first + mmaKeys, keys); j++) {
                if (!hidden[j]) {
                    float pj = p[j];
                    int row = vBase + j * dim;
                    for (int d = 0; d < dim; d++) {
                        t[d] = t[d] + pj * v[row + d];
                    }
                }
            }
            for (int d = 0; d < dim; d++) {
                float sum = a[d] + t[d];
                a[d] = accumulator.isHalf() ? Float16.round(sum) : sum;
            }
        }
        if (accumulator.isTwoLevel()) {
            for (int d = 0; d < dim; d++) {
                o[d] = o[d] * alpha + a[d];
            }
        }
    }

    /**
     * {@code o = o * alpha + a}, {@code a} summed as the MMA of tornado-jvm does: the products of an instruction and what was
     * summed before are added without rounding (in FP64) and rounded once.
     *
     * @param mmaKeys keys of an instruction
     */
    static void addMma(
            int mmaKeys, float alpha, float[] p, boolean[] hidden, int keys, float[] v, int vBase, float[] o) {
        int dim = o.length;
        float[] a = new float[dim];
        double[] t = new double[dim];
        for (int first = 0; first < keys; first += mmaKeys) {
            Arrays.fill(t, 0);
            for (int j = first; j < Math.min(first + mmaKeys, keys); j++) {
                if (!hidden[j]) {
                    double pj = p[j];
                    int row = vBase + j * dim;
                    for (int d = 0; d < dim; d++) {
                        t[d] = t[d] + pj * v[row + d];
                    }
                }
            }
            for (int d = 0; d < dim; d++) {
                a[d] = (float) (t[d] + a[d]);
            }
        }
        for (int d = 0; d < dim; d++) {
            o[d] = o[d] * alpha + a[d];
        }
    }
}
