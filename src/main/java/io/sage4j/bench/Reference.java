package io.sage4j.bench;

import io.sage4j.AttentionSpec;
import io.sage4j.DType;
import io.sage4j.Layout;
import io.sage4j.Tensor;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.oracle.AttentionInputs;
import io.sage4j.oracle.ExactAttention;
import io.sage4j.oracle.Metrics;
import io.sage4j.oracle.RowIndex;
import io.sage4j.oracle.ScoreMask;
import io.sage4j.plan.MaskView;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Exact attention of one call, computed once, to measure outputs against; of sampled rows where all would take too
 * long.
 */
public final class Reference {
    /** Multiplications that a reference may cost by default: some seconds on two cores. */
    public static final long DEFAULT_BUDGET = 8_000_000_000L;

    private static final int LEAST_ROWS = 64;
    private static final long SEED = 20240702;

    private final Layout layout;
    private final AttentionShape shape;
    private final List<RowIndex> rows;
    private final double[] exact;

    private Reference(Layout layout, AttentionShape shape, List<RowIndex> rows, double[] exact) {
        this.layout = layout;
        this.shape = shape;
        this.rows = rows;
        this.exact = exact;
    }

    /**
     * Computes exact attention in double.
     *
     * @param q queries, checked by a call of {@link io.sage4j.Sage} already, as the other arguments
     * @param k keys
     * @param v values
     * @param spec what is computed; the variant does not matter
     * @param budget multiplications it may cost; at least 64 rows are taken
     */
    public static Reference of(Tensor q, Tensor k, Tensor v, AttentionSpec spec, long budget) {
        Layout layout = spec.layout();
        AttentionShape shape = shape(q, k, layout);
        AttentionInputs inputs = new AttentionInputs(
                shape,
                hnd(q, layout).toFloatArray(),
                hnd(k, layout).toFloatArray(),
                hnd(v, layout).toFloatArray(),
                spec.causal().diagonal(shape.qoLen(), shape.kvLen()),
                (float) spec.smScale().orElse(1 / Math.sqrt(shape.headDim())),
                spec.mask().map(Reference::scoreMask).orElse(ScoreMask.NONE));
        long all = (long) shape.batch() * shape.qHeads() * shape.qoLen();
        long affordable = Math.max(LEAST_ROWS, budget / (2L * Math.max(1, shape.kvLen()) * shape.headDim()));
        if (all <= affordable) {
            return new Reference(layout, shape, null, ExactAttention.of(inputs).o());
        }
        List<RowIndex> rows = new SplittableRandom(SEED)
                .longs(affordable, 0, all)
                .sorted()
                .distinct()
                .mapToObj(r -> row(r, shape))
                .toList();
        return new Reference(
                layout, shape, rows, ExactAttention.ofRows(inputs, rows).o());
    }

    private static RowIndex row(long index, AttentionShape shape) {
        int head = (int) (index / shape.qoLen());
        return new RowIndex(head / shape.qHeads(), head % shape.qHeads(), (int) (index % shape.qoLen()));
    }

    private static AttentionShape shape(Tensor q, Tensor k, Layout layout) {
        long[] qs = hnd(q, layout).shape();
        long[] ks = hnd(k, layout).shape();
        return new AttentionShape(
                Math.toIntExact(qs[0]),
                Math.toIntExact(qs[1]),
                Math.toIntExact(ks[1]),
                Math.toIntExact(qs[2]),
                Math.toIntExact(ks[2]),
                Math.toIntExact(qs[3]));
    }

    private static Tensor hnd(Tensor tensor, Layout layout) {
        return layout == Layout.NHD ? tensor.transpose(1, 2) : tensor;
    }

    private static ScoreMask scoreMask(Tensor mask) {
        long[] size = mask.shape();
        int[] stride = new int[Tensor.RANK];
        long next = 1;
        for (int i = Tensor.RANK - 1; i >= 0; i--) {
            stride[i] = size[i] == 1 ? 0 : Math.toIntExact(next);
            next *= size[i];
        }
        boolean bool = mask.dtype() == DType.BOOL;
        MaskView view = new MaskView(
                bool ? MaskView.Kind.BOOL : MaskView.Kind.ADDITIVE, 0, stride[0], stride[1], stride[2], stride[3]);
        return bool
                ? ScoreMask.bool(view, mask.toSegment().toArray(ValueLayout.JAVA_BYTE))
                : ScoreMask.additive(view, mask.toFloatArray());
    }

    /** Number of output rows, of all batch entries and heads, that outputs are measured on. */
    public long rows() {
        return rows == null ? (long) shape.batch() * shape.qHeads() * shape.qoLen() : rows.size();
    }

    /** Whether these are not all rows of the output. */
    public boolean isSampled() {
        return rows != null;
    }

    /** Distance of an output of the call from exact attention. */
    public Metrics measure(Tensor output) {
        Tensor found = hnd(output, layout);
        if (rows == null) {
            return Metrics.of(exact, found.toFloatArray());
        }
        float[] sample = new float[exact.length];
        int next = 0;
        for (RowIndex row : rows) {
            for (int d = 0; d < shape.headDim(); d++) {
                sample[next++] = found.get(row.b(), row.h(), row.i(), d);
            }
        }
        return Metrics.of(exact, sample);
    }
}
