package io.sage4j.oracle;

import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.Rung;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.ShiftGrid;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.IntFunction;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;

/**
 * The bit-faithful model of every variant: docs/numerics.md written as straight loops, row by row, each FP32 operation
 * rounded once and in the order of that page. The kernels are written from the same page and compared with this.
 */
public final class VariantModel {
    private final AttentionInputs in;
    private final Rung rung;
    private final Scheme scheme;
    private final boolean roundedSum;
    private final boolean roundedShifts;
    private final IntUnaryOperator partOfTile;
    private final int parts;
    private final AttentionShape shape;
    private final int dim;
    private final float scoreScale;
    private final float[] o;
    private final float[] lse;

    private VariantModel(
            AttentionInputs in,
            Rung rung,
            Scheme scheme,
            boolean roundedSum,
            boolean roundedShifts,
            IntUnaryOperator partOfTile,
            int parts) {
        rung.requireFits(scheme);
        this.partOfTile = partOfTile;
        this.parts = parts;
        this.in = in;
        this.rung = rung;
        this.scheme = scheme;
        this.roundedSum = roundedSum;
        this.roundedShifts = roundedShifts;
        this.shape = in.shape();
        this.dim = shape.headDim();
        this.scoreScale = in.smScale() * Numbers.LOG2E;
        this.o = new float[in.q().length];
        this.lse = new float[in.q().length / dim];
    }

    /**
     * Computes what a kernel computes.
     *
     * @param in the call
     * @param rung which kernel of the ladder
     * @param scheme formats, granularity, smoothing, accumulation; a quantized one for a rung that takes these
     * @throws IllegalArgumentException if the rung and the scheme do not fit together
     */
    public static ModelResult run(AttentionInputs in, Rung rung, Scheme scheme) {
        return run(in, rung, scheme, false, false);
    }

    /**
     * What the {@code mma.sync} kernels compute that write no log-sum-exp: smooth Q's shifts are on a {@link ShiftGrid}.
     *
     * @param roundedSum whether rows are divided by the sum of P as it was rounded: what kernels compute that have tensor cores
     *     add P up (docs/numerics.md, 5)
     */
    public static ModelResult runWithoutLse(AttentionInputs in, Rung rung, Scheme scheme, boolean roundedSum) {
        return run(in, rung, scheme, roundedSum, true);
    }

    /**
     * {@link #run} with the keys of each row split and its parts joined (docs/numerics.md, 6): what kernels compute where rows are
     * too few for the GPU.
     *
     * @param partOfTile the part, from 0 on, that takes a tile of keys
     * @param parts how many there are
     */
    public static ModelResult runInParts(
            AttentionInputs in, Rung rung, Scheme scheme, IntUnaryOperator partOfTile, int parts) {
        return new VariantModel(in, rung, scheme, false, false, partOfTile, parts).run();
    }

    /** What the attention step makes of operands that something else has quantized; without counts. */
    public static ModelResult attend(AttentionInputs in, Rung rung, Scheme scheme, QuantizedOperands operands) {
        VariantModel model = new VariantModel(in, rung, scheme, false, false, tile -> 0, 1);
        model.eachRow((b, h, i) -> model.quantizedRow(operands, b, h, i));
        return new ModelResult(model.o, model.lse, Optional.of(operands), new NumericCounts(0, 0, 0, 0));
    }

    private static ModelResult run(
            AttentionInputs in, Rung rung, Scheme scheme, boolean roundedSum, boolean roundedShifts) {
        return new VariantModel(in, rung, scheme, roundedSum, roundedShifts, tile -> 0, 1).run();
    }

    private ModelResult run() {
        NumericCounts[] counts = {new NumericCounts(0, 0, 0, in.v().length)};
        Optional<QuantizedOperands> operands = Optional.empty();
        if (rung.isQuantized()) {
            QuantizedOperands quantized = OperandModel.quantize(in, scheme, counts);
            operands = Optional.of(quantized);
            eachRow((b, h, i) -> quantizedRow(quantized, b, h, i));
        } else if (rung == Rung.NAIVE) {
            eachRow(this::naiveRow);
        } else {
            eachRow(this::flashRow);
        }
        NumericCounts found =
                counts[0].plus(new NumericCounts(nonFinite(in.q()) + nonFinite(in.k()) + nonFinite(in.v()), 0, 0, 0));
        return new ModelResult(o, lse, operands, found);
    }

    private interface Row {
        void attend(int b, int h, int i);
    }

    private void eachRow(Row row) {
        IntStream.range(0, lse.length).parallel().forEach(r -> {
            int head = r / shape.qoLen();
            row.attend(head / shape.qHeads(), head % shape.qHeads(), r % shape.qoLen());
        });
    }

    private void naiveRow(int b, int h, int i) {
        int kvHead = shape.kvHead(h);
        float[] x = new float[shape.kvLen()];
        boolean[] hidden = new boolean[shape.kvLen()];
        float m = Numbers.MASKED;
        for (int j = 0; j < x.length; j++) {
            x[j] = plainScore(b, h, i, j);
            hidden[j] = in.hides(b, h, i, j) || x[j] <= Numbers.MASKED;
            m = hidden[j] ? m : Math.max(m, x[j]);
        }
        float l = 0;
        float[] sum = new float[dim];
        for (int j = 0; j < x.length; j++) {
            if (!hidden[j]) {
                float p = OnlineRow.exp2(x[j] - m);
                l = l + p;
                int v = in.kvRow(b, kvHead, j);
                for (int d = 0; d < dim; d++) {
                    sum[d] = sum[d] + p * in.v()[v + d];
                }
            }
        }
        int at = in.qRow(b, h, i);
        for (int d = 0; d < dim; d++) {
            o[at + d] = l == 0 ? 0f : sum[d] / l;
        }
        lse[at / dim] = l == 0 ? Float.NEGATIVE_INFINITY : OnlineRow.lse(m, l, 0f);
    }

    private void flashRow(int b, int h, int i) {
        OnlineRow row = new OnlineRow(scheme, false, false, dim);
        eachTile(b, h, i, tile -> row, in.v(), plain(b, h, i));
        int at = in.qRow(b, h, i);
        row.finish(new float[0], new float[0], 0, o, at);
        lse[at / dim] = row.lse(0f);
    }

    private void quantizedRow(QuantizedOperands operands, int b, int h, int i) {
        OnlineRow[] rows = new OnlineRow[parts];
        Arrays.setAll(rows, part -> new OnlineRow(scheme, rung.usesTensorCores(), roundedSum, dim));
        IntFunction<OnlineRow> rowOfTile = tile -> rows[partOfTile.applyAsInt(tile)];
        eachTile(b, h, i, rowOfTile, operands.vValues(), quantized(operands, b, h, i));
        OnlineRow row = parts == 1 ? rows[0] : OnlineRow.joined(rows);
        int at = in.qRow(b, h, i);
        int channelBase = (b * shape.kvHeads() + shape.kvHead(h)) * dim;
        row.finish(operands.vScales(), operands.vMean(), channelBase, o, at);
        lse[at / dim] = scheme.smoothK() ? row.lse(meanScore(at, operands.kMean(), channelBase)) : row.lse(0f);
    }

    /** A score in base 2 as a function of the key row, before the mask. */
    private interface Score {
        float of(int j);
    }

    /** Feeds the tiles of keys that the Q tile of the row visits to the row. */
    private void eachTile(int b, int h, int i, IntFunction<OnlineRow> rowOfTile, float[] v, Score score) {
        int blockQ = scheme.tiles().blockQ();
        int blockK = scheme.tiles().blockK();
        int lastRow = Math.min((i / blockQ + 1) * blockQ, shape.qoLen()) - 1;
        int visited = in.keysBelowDiagonal(lastRow);
        float[] x = new float[blockK];
        boolean[] hidden = new boolean[blockK];
        for (int first = 0; first < visited; first += blockK) {
            int keys = Math.min(blockK, shape.kvLen() - first);
            for (int j = 0; j < keys; j++) {
                x[j] = score.of(first + j);
                hidden[j] = in.hides(b, h, i, first + j);
            }
            rowOfTile.apply(first / blockK).tile(x, hidden, keys, v, in.kvRow(b, shape.kvHead(h), first));
        }
    }

    private Score plain(int b, int h, int i) {
        return j -> plainScore(b, h, i, j);
    }

    /** {@code (sum_d q * k) * (sm_scale * LOG2E) + mask * LOG2E}, d ascending. */
    private float plainScore(int b, int h, int i, int j) {
        int q = in.qRow(b, h, i);
        int k = in.kvRow(b, shape.kvHead(h), j);
        float sum = 0;
        for (int d = 0; d < dim; d++) {
            sum = sum + in.q()[q + d] * in.k()[k + d];
        }
        return sum * scoreScale + in.mask().addend(b, h, i, j) * Numbers.LOG2E;
    }

    private Score quantized(QuantizedOperands operands, int b, int h, int i) {
        OperandLayout layout = new OperandLayout(shape, scheme.tiles());
        int head = b * shape.qHeads() + h;
        int kvHead = b * shape.kvHeads() + shape.kvHead(h);
        int q = in.qRow(b, h, i);
        float qScale = operands.qScales()[
                head * operands.qGroups().count(layout.qRows())
                        + operands.qGroups().index(i)];
        int kScales = kvHead * operands.kGroups().count(layout.kRows());
        int deltaS = (head * layout.qTiles() + i / scheme.tiles().blockQ()) * shape.kvLen();
        float c = qScale * scoreScale;
        return j -> {
            int k = in.kvRow(b, shape.kvHead(h), j);
            int s = 0;
            for (int d = 0; d < dim; d++) {
                s += operands.qCodes()[q + d] * operands.kCodes()[k + d];
            }
            float scale = c * operands.kScales()[kScales + operands.kGroups().index(j)];
            float x = s * scale;
            if (scheme.smoothQ()) {
                float shift = operands.deltaS()[deltaS + j] * scoreScale;
                x = roundedShifts ? ShiftGrid.score(s, ShiftGrid.factor(scale), shift) : x + shift;
            }
            return x + in.mask().addend(b, h, i, j) * Numbers.LOG2E;
        };
    }

    /** What smooth K took from every score of the row: {@code (sum_d q * km) * sm_scale}, d ascending. */
    private float meanScore(int q, float[] kMean, int channelBase) {
        float sum = 0;
        for (int d = 0; d < dim; d++) {
            sum = sum + in.q()[q + d] * kMean[channelBase + d];
        }
        return sum * in.smScale();
    }

    private static long nonFinite(float[] values) {
        long count = 0;
        for (float value : values) {
            count += Float.isFinite(value) ? 0 : 1;
        }
        return count;
    }
}
