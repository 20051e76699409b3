package io.sage4j.ptx.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.Float16;
import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.WgmmaLayout;
import io.sage4j.ptx.kernel.WgmmaAttentionSpec.Stores;
import io.sage4j.ptx.sim.GlobalMemory;
import io.sage4j.ptx.sim.Simulator;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The join in the interpreter: parts of a softmax made in FP64 give its whole, row by row. */
class JoinPartsTest {
    private static final int ROWS = WgmmaLayout.Q_ROWS;
    private static final int KEYS = 40;
    private static final byte POISON = 0x7D;

    /** Scores of a row and which part each key belongs to; some rows see nothing of some parts, some nothing at all. */
    private record Row(double[] scores, boolean[] seen, int[] part) {
        static Row of(Random random, int number, int parts) {
            double[] scores = new double[KEYS];
            boolean[] seen = new boolean[KEYS];
            int[] part = new int[KEYS];
            for (int j = 0; j < KEYS; j++) {
                scores[j] = 20 * random.nextGaussian();
                part[j] = j * parts / KEYS;
                seen[j] = number % 5 != 4 && (number % 3 != 1 || part[j] != parts / 2);
            }
            return new Row(scores, seen, part);
        }

        double max(int of) {
            double max = Numbers.MASKED;
            for (int j = 0; j < KEYS; j++) {
                max = seen[j] && (of < 0 || part[j] == of) ? Math.max(max, scores[j]) : max;
            }
            return max;
        }

        /** Sum of {@code 2^(score - max) * value} over the keys of a part, or of all. */
        double sum(int of, double max, double[] values) {
            double sum = 0;
            for (int j = 0; j < KEYS; j++) {
                sum += seen[j] && (of < 0 || part[j] == of) ? Math.pow(2, scores[j] - max) * values[j] : 0;
            }
            return sum;
        }
    }

    @ParameterizedTest
    @CsvSource({
        "int8-fp8-sm90, 128, 128, 70, 2, WIDE, true, false",
        "int8-fp8-sm90, 128, 101, 3, 32, SINGLE, false, true",
        "int8-fp16-sm90, 64, 64, 130, 9, WIDE, true, true",
        "int8-fp8-sm90-fast, 64, 30, 65, 24, PAIRED, true, false",
    })
    void partsMakeTheWhole(
            String variant, int dim, int channels, int qoLen, int parts, Stores stores, boolean lse, boolean smoothV) {
        int heads = 4;
        int groupSize = 2;
        int tilesOfHead = Math.ceilDiv(qoLen, ROWS);
        Scheme scheme = Variant.of(variant).scheme().withSmoothV(smoothV);
        WgmmaAttentionSpec whole = new WgmmaAttentionSpec(scheme, dim, false, lse, DType.FLOAT16, stores, true);
        Random random = new Random(dim + channels);
        try (Arena arena = Arena.ofConfined()) {
            GlobalMemory global = new GlobalMemory();
            MemorySegment partO = segment(arena, 4L * heads * tilesOfHead * parts * ROWS * dim);
            MemorySegment weights = segment(arena, 8L * heads * tilesOfHead * parts * ROWS);
            MemorySegment scales = segment(arena, 4L * heads / groupSize * dim);
            MemorySegment means = segment(arena, 4L * heads / groupSize * dim);
            MemorySegment out = segment(arena, 2L * heads * qoLen * channels);
            MemorySegment sums = segment(arena, 4L * heads * qoLen);
            MemorySegment correction = segment(arena, 4L * heads * qoLen);
            Row[] rows = new Row[heads * qoLen];
            double[][][] values = new double[heads * qoLen][dim][];
            for (int r = 0; r < rows.length; r++) {
                rows[r] = Row.of(random, r, parts);
                correction.setAtIndex(ValueLayout.JAVA_FLOAT, r, (float) random.nextGaussian());
                for (int d = 0; d < dim; d++) {
                    values[r][d] = random.doubles(KEYS, -1, 1).toArray();
                }
                for (int part = 0; part < parts; part++) {
                    long index = ((long) (r / qoLen * tilesOfHead + r % qoLen / ROWS) * parts + part) * ROWS
                            + r % qoLen % ROWS;
                    write(rows[r], part, values[r], index, partO, weights, scheme.pOffset());
                }
            }
            for (int n = 0; n < heads / groupSize * dim; n++) {
                scales.setAtIndex(ValueLayout.JAVA_FLOAT, n, 0.5f + random.nextFloat());
                means.setAtIndex(ValueLayout.JAVA_FLOAT, n, random.nextFloat());
            }
            List<Object> arguments = new ArrayList<>(List.of(global.map(partO), global.map(weights)));
            if (scheme.pv().scalesV()) {
                arguments.add(global.map(scales));
            }
            if (smoothV) {
                arguments.add(global.map(means));
            }
            arguments.addAll(List.of(global.map(out), 2L * qoLen * channels, (long) qoLen * channels, (long) channels));
            if (lse) {
                arguments.addAll(List.of(global.map(sums), global.map(correction)));
            }
            // Two batch entries of two query heads; no work tiles, all rows behind them.
            arguments.addAll(List.of(qoLen, 1, groupSize, channels, heads, 0, tilesOfHead, 0, parts));
            new Simulator(global)
                    .run(
                            JoinParts.kernel(JoinParts.Spec.of(whole)),
                            heads * tilesOfHead,
                            Math.ceilDiv(Math.min(ROWS, qoLen), JoinParts.WARPS),
                            1,
                            arguments.toArray());
            for (int r = 0; r < rows.length; r++) {
                double max = rows[r].max(-1);
                double[] ones = new double[KEYS];
                Arrays.fill(ones, 1);
                double sum = rows[r].sum(-1, max, ones);
                for (int d = 0; d < channels; d++) {
                    int statistic = r / qoLen / groupSize * dim + d;
                    double scale = scheme.pv().scalesV() ? scales.getAtIndex(ValueLayout.JAVA_FLOAT, statistic) : 1;
                    double mean = smoothV ? means.getAtIndex(ValueLayout.JAVA_FLOAT, statistic) : 0;
                    double expected = sum == 0 ? 0 : rows[r].sum(-1, max, values[r][d]) / sum * scale + mean;
                    float actual = Float16.decode(out.getAtIndex(ValueLayout.JAVA_SHORT, (long) r * channels + d));
                    assertThat(Math.abs(actual - expected))
                            .as("row %d channel %d: %s, expected %s", r, d, actual, expected)
                            .isLessThanOrEqualTo(0x1p-11 * Math.abs(expected) + 1e-5);
                }
                if (lse) {
                    double expected = sum == 0
                            ? Double.NEGATIVE_INFINITY
                            : (max + Math.log(sum) / Math.log(2)) * Math.log(2)
                                    + correction.getAtIndex(ValueLayout.JAVA_FLOAT, r);
                    float actual = sums.getAtIndex(ValueLayout.JAVA_FLOAT, r);
                    assertThat(actual == expected || Math.abs(actual - expected) < 1e-4)
                            .as("lse of row %d: %s, expected %s", r, actual, expected)
                            .isTrue();
                }
            }
        }
    }

    private static void write(
            Row row,
            int part,
            double[][] values,
            long index,
            MemorySegment partO,
            MemorySegment weights,
            float offset) {
        double max = row.max(part);
        double range = Math.pow(2, offset);
        double[] ones = new double[KEYS];
        Arrays.fill(ones, 1);
        double sum = range * row.sum(part, max, ones);
        weights.setAtIndex(ValueLayout.JAVA_FLOAT, 2 * index, (float) max);
        weights.setAtIndex(ValueLayout.JAVA_FLOAT, 2 * index + 1, (float) sum);
        for (int d = 0; d < values.length; d++) {
            // Hidden keys whose V is no number may have made anything of a part without a visible key.
            float o = sum == 0 ? Float.NaN : (float) (range * row.sum(part, max, values[d]));
            partO.setAtIndex(ValueLayout.JAVA_FLOAT, index * values.length + d, o);
        }
    }

    private static MemorySegment segment(Arena arena, long bytes) {
        MemorySegment segment = arena.allocate(bytes, 256);
        segment.fill(POISON);
        return segment;
    }
}
