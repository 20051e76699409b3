package io.sage4j.oracle;

import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Numbers;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * Attention in double, the reference of every accuracy figure: {@code softmax(q k^T * smScale + mask) v}.
 *
 * <p>A key that is hidden from a row, or whose score is at or below {@link Numbers#MASKED} in base 2, has no weight
 * and is not read; a row with no key left is 0 with lse minus infinity. NaN and infinity follow IEEE arithmetic: a
 * row that sees a NaN is NaN.
 */
public final class ExactAttention {
    /**
     * Outputs of some rows.
     *
     * @param o [rows, headDim]; of all rows [batch, qHeads, qoLen, headDim]
     * @param lse [rows], natural logarithm of the sum of exponentials
     */
    public record Result(double[] o, double[] lse) {}

    private static final double LOG2E = 1 / Math.log(2);

    private final AttentionInputs in;

    private ExactAttention(AttentionInputs in) {
        this.in = in;
    }

    /** Attention of every row, in parallel. */
    public static Result of(AttentionInputs in) {
        AttentionShape s = in.shape();
        int rows = Math.toIntExact((long) s.batch() * s.qHeads() * s.qoLen());
        return new ExactAttention(in).rows(rows, r -> {
            int head = r / s.qoLen();
            return new RowIndex(head / s.qHeads(), head % s.qHeads(), r % s.qoLen());
        });
    }

    /** Attention of some rows of a call that is too large for all of them, in the order of the list. */
    public static Result ofRows(AttentionInputs in, List<RowIndex> rows) {
        return new ExactAttention(in).rows(rows.size(), rows::get);
    }

    private Result rows(int count, IntFunction<RowIndex> index) {
        int dim = in.shape().headDim();
        Result result = new Result(new double[Math.multiplyExact(count, dim)], new double[count]);
        IntStream.range(0, count).parallel().forEach(r -> row(index.apply(r), result.o, r * dim, result.lse, r));
        return result;
    }

    private void row(RowIndex at, double[] o, int oBase, double[] lse, int lseAt) {
        int dim = in.shape().headDim();
        int keys = in.keysBelowDiagonal(at.i());
        int kvHead = in.shape().kvHead(at.h());
        double[] q = widen(in.q(), in.qRow(at.b(), at.h(), at.i()), dim);
        double[] score = new double[keys];
        boolean[] seen = new boolean[keys];
        double max = Double.NEGATIVE_INFINITY;
        for (int j = 0; j < keys; j++) {
            if (!in.hides(at.b(), at.h(), at.i(), j)) {
                score[j] = dot(q, in.k(), in.kvRow(at.b(), kvHead, j)) * in.smScale()
                        + in.mask().addend(at.b(), at.h(), at.i(), j);
                seen[j] = !(score[j] * LOG2E <= Numbers.MASKED);
                max = seen[j] ? Math.max(max, score[j]) : max;
            }
        }
        double sum = 0;
        double[] acc = new double[dim];
        for (int j = 0; j < keys; j++) {
            if (seen[j]) {
                double p = Math.exp(score[j] - max);
                sum += p;
                int v = in.kvRow(at.b(), kvHead, j);
                for (int d = 0; d < dim; d++) {
                    acc[d] += p * in.v()[v + d];
                }
            }
        }
        lse[lseAt] = max + Math.log(sum);
        for (int d = 0; d < dim; d++) {
            o[oBase + d] = sum == 0 ? 0 : acc[d] / sum;
        }
    }

    private static double[] widen(float[] x, int base, int dim) {
        double[] wide = new double[dim];
        for (int d = 0; d < dim; d++) {
            wide[d] = x[base + d];
        }
        return wide;
    }

    /** Four partial sums, so that the additions do not wait for each other. */
    private static double dot(double[] q, float[] k, int base) {
        double s0 = 0;
        double s1 = 0;
        double s2 = 0;
        double s3 = 0;
        int d = 0;
        for (; d + 3 < q.length; d += 4) {
            s0 += q[d] * k[base + d];
            s1 += q[d + 1] * k[base + d + 1];
            s2 += q[d + 2] * k[base + d + 2];
            s3 += q[d + 3] * k[base + d + 3];
        }
        for (; d < q.length; d++) {
            s0 += q[d] * k[base + d];
        }
        return s0 + s1 + (s2 + s3);
    }
}
