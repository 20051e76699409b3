package io.sage4j.oracle;

import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Float16;
import io.sage4j.numeric.Fp8;
import io.sage4j.numeric.IntCode;
import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.ScaleGroups;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TokenMean;
import java.util.Arrays;
import java.util.stream.IntStream;

/** Steps 1 to 4 of docs/numerics.md, head by head and channel by channel: means, codes and scales, delta-s, V. */
final class OperandModel {
    private final AttentionInputs in;
    private final Scheme scheme;
    private final OperandLayout layout;
    private final int dim;
    private final QuantizedOperands out;

    private OperandModel(AttentionInputs in, Scheme scheme) {
        this.in = in;
        this.scheme = scheme;
        this.layout = new OperandLayout(in.shape(), scheme.tiles());
        this.dim = in.shape().headDim();
        this.out = QuantizedOperands.allocate(layout, scheme);
    }

    /** Quantizes Q, K and V; the second result goes to {@code counts[0]}, without {@code nonFinite}. */
    static QuantizedOperands quantize(AttentionInputs in, Scheme scheme, NumericCounts[] counts) {
        OperandModel model = new OperandModel(in, scheme);
        AttentionShape shape = in.shape();
        counts[0] = IntStream.range(0, shape.batch() * shape.kvHeads())
                .parallel()
                .mapToObj(model::keysAndValues)
                .reduce(new NumericCounts(0, 0, 0, 0), NumericCounts::plus);
        IntStream.range(0, shape.batch() * shape.qHeads()).parallel().forEach(model::queries);
        return model.out;
    }

    private NumericCounts keysAndValues(int head) {
        int rows = in.shape().kvLen();
        int base = head * rows * dim;
        float[] k = Arrays.copyOfRange(in.k(), base, base + rows * dim);
        if (scheme.smoothK()) {
            float[] mean = mean(k, 0, rows);
            System.arraycopy(mean, 0, out.kMean(), head * dim, dim);
            subtract(k, 0, rows, mean);
        }
        integers(k, rows, layout.kRows(), out.kGroups(), head, out.kCodes(), out.kScales());

        float[] v = Arrays.copyOfRange(in.v(), base, base + rows * dim);
        if (scheme.smoothV()) {
            float[] mean = mean(v, 0, rows);
            System.arraycopy(mean, 0, out.vMean(), head * dim, dim);
            subtract(v, 0, rows, mean);
        }
        NumericCounts counts = new NumericCounts(0, 0, 0, 0);
        for (int d = 0; d < dim; d++) {
            counts = counts.plus(scheme.pv() == PvFormat.FP16 ? halves(v, head, d) : scaled(v, head, d));
        }
        return counts;
    }

    private void queries(int head) {
        int rows = in.shape().qoLen();
        int base = head * rows * dim;
        float[] q = Arrays.copyOfRange(in.q(), base, base + rows * dim);
        if (scheme.smoothQ()) {
            for (int block = 0; block < layout.qTiles(); block++) {
                int first = block * layout.tiles().blockQ();
                int count = Math.min(layout.tiles().blockQ(), rows - first);
                float[] mean = mean(q, first, count);
                System.arraycopy(mean, 0, out.qMean(), (head * layout.qTiles() + block) * dim, dim);
                subtract(q, first, count, mean);
                deltaS(head, block, mean);
            }
        }
        integers(q, rows, layout.qRows(), out.qGroups(), head, out.qCodes(), out.qScales());
    }

    /** {@code ds[j] = sum_d qm[d] * (k[j][d] - km[d])}, d ascending. */
    private void deltaS(int head, int block, float[] qMean) {
        int kvHead = in.shape().kvHead(head % in.shape().qHeads());
        int b = head / in.shape().qHeads();
        int kMeanBase = (b * in.shape().kvHeads() + kvHead) * dim;
        int base = (head * layout.qTiles() + block) * in.shape().kvLen();
        for (int j = 0; j < in.shape().kvLen(); j++) {
            int k = in.kvRow(b, kvHead, j);
            float sum = 0;
            for (int d = 0; d < dim; d++) {
                float centred = scheme.smoothK() ? in.k()[k + d] - out.kMean()[kMeanBase + d] : in.k()[k + d];
                sum += qMean[d] * centred;
            }
            out.deltaS()[base + j] = sum;
        }
    }

    private float[] mean(float[] x, int first, int count) {
        float[] mean = new float[dim];
        for (int d = 0; d < dim; d++) {
            int channel = d;
            mean[d] = TokenMean.of(row -> x[row * dim + channel], first, count);
        }
        return mean;
    }

    private void subtract(float[] x, int first, int count, float[] mean) {
        for (int row = first; row < first + count; row++) {
            for (int d = 0; d < dim; d++) {
                x[row * dim + d] -= mean[d];
            }
        }
    }

    /** Symmetric integers, one scale per group of rows. */
    private void integers(
            float[] y, int rows, int paddedRows, ScaleGroups groups, int head, byte[] codes, float[] scales) {
        int limit = scheme.qk().limit();
        float[] amax = new float[groups.count(paddedRows)];
        for (int row = 0; row < rows; row++) {
            int group = groups.index(row);
            for (int d = 0; d < dim; d++) {
                amax[group] = Math.max(amax[group], Math.abs(y[row * dim + d]));
            }
        }
        for (int group = 0; group < amax.length; group++) {
            scales[head * amax.length + group] = IntCode.scale(amax[group], limit);
        }
        for (int row = 0; row < rows; row++) {
            float inverse = IntCode.inverse(amax[groups.index(row)], limit);
            for (int d = 0; d < dim; d++) {
                codes[(head * rows + row) * dim + d] = IntCode.encode(y[row * dim + d], inverse, limit);
            }
        }
    }

    /** One channel of V in FP16. */
    private NumericCounts halves(float[] y, int head, int d) {
        int rows = in.shape().kvLen();
        long saturated = 0;
        long flushed = 0;
        for (int j = 0; j < rows; j++) {
            float value = y[j * dim + d];
            short code = Float16.encodeSaturating(value);
            int at = (head * rows + j) * dim + d;
            out.vCodes()[at] = code;
            out.vValues()[at] = Float16.decode(code);
            saturated += Math.abs(value) > Float16.MAX ? 1 : 0;
            flushed += value != 0 && out.vValues()[at] == 0 ? 1 : 0;
        }
        return new NumericCounts(0, saturated, flushed, rows);
    }

    /** One channel of V in an 8-bit format, scaled to the V range; a channel with scale NaN has codes 0. */
    private NumericCounts scaled(float[] y, int head, int d) {
        int rows = in.shape().kvLen();
        float amax = 0;
        for (int j = 0; j < rows; j++) {
            amax = Math.max(amax, Math.abs(y[j * dim + d]));
        }
        float scale = IntCode.scale(amax, scheme.vRange());
        float inverse = IntCode.inverse(amax, scheme.vRange());
        out.vScales()[head * dim + d] = scale;
        long flushed = 0;
        for (int j = 0; j < rows; j++) {
            float value = y[j * dim + d];
            byte code = Float.isNaN(scale) ? 0 : eightBits(value, inverse);
            int at = (head * rows + j) * dim + d;
            out.vCodes()[at] = code;
            out.vValues()[at] = decode(code);
            flushed += !Float.isNaN(scale) && value != 0 && out.vValues()[at] == 0 ? 1 : 0;
        }
        return new NumericCounts(0, 0, flushed, rows);
    }

    private byte eightBits(float value, float inverse) {
        return switch (scheme.pv().ofV()) {
            case E4M3 -> Fp8.E4M3.encode(value * inverse);
            case E5M2 -> Fp8.E5M2.encode(value * inverse);
            case INT8 -> IntCode.encode(value, inverse, 127);
            case FP16, FP32, E4M3_FAST -> throw new IllegalArgumentException(scheme.pv() + " is not an 8-bit format");
        };
    }

    private float decode(byte code) {
        return switch (scheme.pv().ofV()) {
            case E4M3 -> Fp8.E4M3.decode(code);
            case E5M2 -> Fp8.E5M2.decode(code);
            default -> code;
        };
    }
}
