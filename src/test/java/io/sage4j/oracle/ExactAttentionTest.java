package io.sage4j.oracle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sage4j.DType;
import io.sage4j.numeric.AttentionShape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Exact attention against hand-computed cases and against what softmax attention must satisfy. */
class ExactAttentionTest {
    private static final long SEED = 42;

    private static AttentionInputs line(float[] q, float[] k, float[] v) {
        AttentionShape shape = new AttentionShape(1, 1, 1, q.length, k.length, 1);
        return AttentionInputs.of(shape, q, k, v).withSmScale(1f);
    }

    private static AttentionInputs random(int batch, int qHeads, int kvHeads, int qoLen, int kvLen, int dim) {
        return RandomInputs.normal(new AttentionShape(batch, qHeads, kvHeads, qoLen, kvLen, dim), SEED)
                .rounded(DType.FLOAT32);
    }

    private static void assertSame(double[] actual, double[] expected, double tolerance) {
        assertThat(actual).as("seed %d", SEED).hasSameSizeAs(expected);
        Metrics metrics = Metrics.of(expected, actual);
        assertThat(metrics.nonFiniteAgree()).as("seed %d: %s", SEED, metrics).isTrue();
        assertThat(metrics.maxAbs()).as("seed %d: %s", SEED, metrics).isLessThanOrEqualTo(tolerance);
    }

    @Test
    void twoKeysWithWeightsOneAndThreeQuarters() {
        float ln3 = (float) Math.log(3);
        ExactAttention.Result result =
                ExactAttention.of(line(new float[] {1, 0}, new float[] {0, ln3}, new float[] {4, 8}));
        assertThat(result.o()[0]).isCloseTo(7, within(1e-6));
        assertThat(result.lse()[0]).isCloseTo(Math.log(4), within(1e-6));
        assertThat(result.o()[1]).isEqualTo(6);
        assertThat(result.lse()[1]).isEqualTo(Math.log(2));
    }

    @Test
    void scoresAreScaledOnce() {
        AttentionInputs in =
                line(new float[] {2}, new float[] {0, 3}, new float[] {0, 1}).withSmScale(0.25f);
        assertThat(ExactAttention.of(in).o()[0]).isCloseTo(1 / (1 + Math.exp(-1.5)), within(1e-15));
    }

    @Test
    void oneKeyGivesItsValue() {
        AttentionInputs in = random(2, 3, 1, 5, 1, 7);
        double[] o = ExactAttention.of(in).o();
        for (int n = 0; n < o.length; n++) {
            int b = n / (3 * 5 * 7);
            assertThat(o[n]).isEqualTo(in.v()[b * 7 + n % 7]);
        }
    }

    @Test
    void largeScoresDoNotOverflow() {
        ExactAttention.Result result =
                ExactAttention.of(line(new float[] {1000}, new float[] {1000, 1000, -1000}, new float[] {1, 2, 9}));
        assertThat(result.o()[0]).isEqualTo(1.5);
        assertThat(result.lse()[0]).isCloseTo(1e6 + Math.log(2), within(1e-9));
    }

    @Test
    void aConstantVectorAddedToAllKeysChangesNothingButLse() {
        AttentionInputs in = random(1, 2, 2, 9, 33, 8);
        float[] shifted = in.k().clone();
        for (int n = 0; n < shifted.length; n++) {
            shifted[n] += 4 * (n % 8);
        }
        AttentionInputs moved = AttentionInputs.of(in.shape(), in.q(), shifted, in.v());
        // The shift rounds K in FP32, which is all that remains.
        assertSame(ExactAttention.of(moved).o(), ExactAttention.of(in).o(), 2e-5);
        assertThat(ExactAttention.of(moved).lse()[0])
                .isNotCloseTo(ExactAttention.of(in).lse()[0], within(0.1));
    }

    @Test
    void theOrderOfTheKeysDoesNotMatter() {
        AttentionInputs in = random(1, 1, 1, 6, 50, 5);
        List<Integer> order = new ArrayList<>();
        for (int j = 0; j < 50; j++) {
            order.add(j);
        }
        Collections.shuffle(order, new Random(SEED));
        float[] k = new float[in.k().length];
        float[] v = new float[in.v().length];
        for (int j = 0; j < 50; j++) {
            System.arraycopy(in.k(), order.get(j) * 5, k, j * 5, 5);
            System.arraycopy(in.v(), order.get(j) * 5, v, j * 5, 5);
        }
        ExactAttention.Result shuffled = ExactAttention.of(AttentionInputs.of(in.shape(), in.q(), k, v));
        assertSame(shuffled.o(), ExactAttention.of(in).o(), 1e-13);
        assertSame(shuffled.lse(), ExactAttention.of(in).lse(), 1e-13);
    }

    /**
     * Row i of a causal call is attention over the keys that it sees, both for top-left (0) and bottom-right
     * alignment.
     */
    @Test
    void causalRowsAttendToTheirPrefix() {
        for (int[] lengths : new int[][] {{7, 7}, {3, 8}, {8, 3}}) {
            AttentionInputs in = random(1, 1, 1, lengths[0], lengths[1], 4);
            for (int diagonal : new int[] {0, lengths[1] - lengths[0], 2, -1}) {
                ExactAttention.Result causal = ExactAttention.of(in.withDiagonal(diagonal));
                for (int i = 0; i < lengths[0]; i++) {
                    int keys = Math.max(0, Math.min(lengths[1], i + diagonal + 1));
                    AttentionInputs prefix = AttentionInputs.of(
                            new AttentionShape(1, 1, 1, 1, keys, 4),
                            slice(in.q(), i * 4, 4),
                            slice(in.k(), 0, keys * 4),
                            slice(in.v(), 0, keys * 4));
                    ExactAttention.Result expected = ExactAttention.of(prefix);
                    assertSame(Arrays.copyOfRange(causal.o(), i * 4, i * 4 + 4), expected.o(), 0);
                    assertThat(causal.lse()[i]).isEqualTo(expected.lse()[0]);
                }
            }
        }
    }

    private static float[] slice(float[] values, int from, int length) {
        return Arrays.copyOfRange(values, from, from + length);
    }

    @Test
    void aRowWithoutKeysIsZeroWithLseMinusInfinity() {
        AttentionInputs in = random(1, 1, 1, 4, 3, 2);
        ExactAttention.Result result = ExactAttention.of(in.withDiagonal(-2));
        assertThat(result.o()).startsWith(0, 0, 0, 0);
        assertThat(result.lse()).startsWith(Double.NEGATIVE_INFINITY, Double.NEGATIVE_INFINITY);
        assertThat(result.lse()[2]).isFinite();
        ExactAttention.Result none = ExactAttention.of(random(1, 1, 1, 2, 0, 2));
        assertThat(none.o()).containsOnly(0);
        assertThat(none.lse()).containsOnly(Double.NEGATIVE_INFINITY);
        assertThat(ExactAttention.of(random(1, 1, 1, 0, 5, 2)).o()).isEmpty();
    }

    @Test
    void groupedHeadsReadTheirSharedKeyHead() {
        AttentionInputs grouped = random(2, 6, 2, 5, 11, 3);
        float[] k = new float[2 * 6 * 11 * 3];
        float[] v = new float[k.length];
        for (int b = 0; b < 2; b++) {
            for (int h = 0; h < 6; h++) {
                System.arraycopy(grouped.k(), grouped.kvRow(b, h / 3, 0), k, (b * 6 + h) * 33, 33);
                System.arraycopy(grouped.v(), grouped.kvRow(b, h / 3, 0), v, (b * 6 + h) * 33, 33);
            }
        }
        AttentionInputs repeated = AttentionInputs.of(new AttentionShape(2, 6, 6, 5, 11, 3), grouped.q(), k, v);
        assertSame(ExactAttention.of(grouped).o(), ExactAttention.of(repeated).o(), 0);
    }

    @Test
    void lseIsTheLogarithmOfTheSumOfExponentials() {
        AttentionInputs in = random(1, 2, 1, 4, 13, 6);
        double[] lse = ExactAttention.of(in).lse();
        for (int row = 0; row < 8; row++) {
            double sum = 0;
            for (int j = 0; j < 13; j++) {
                double dot = 0;
                for (int d = 0; d < 6; d++) {
                    dot += (double) in.q()[row * 6 + d] * in.k()[j * 6 + d];
                }
                sum += Math.exp(dot * in.smScale());
            }
            assertThat(lse[row]).as("seed %d", SEED).isCloseTo(Math.log(sum), within(1e-12));
        }
    }

    @Test
    void someRowsAreTheSameAsAllRows() {
        AttentionInputs in = random(2, 4, 2, 9, 20, 5).withDiagonal(11);
        ExactAttention.Result all = ExactAttention.of(in);
        List<RowIndex> rows = List.of(new RowIndex(1, 3, 8), new RowIndex(0, 0, 0), new RowIndex(1, 0, 4));
        ExactAttention.Result some = ExactAttention.ofRows(in, rows);
        for (int r = 0; r < rows.size(); r++) {
            RowIndex at = rows.get(r);
            int row = (at.b() * 4 + at.h()) * 9 + at.i();
            assertThat(some.lse()[r]).isEqualTo(all.lse()[row]);
            for (int d = 0; d < 5; d++) {
                assertThat(some.o()[r * 5 + d]).isEqualTo(all.o()[row * 5 + d]);
            }
        }
    }

    @Test
    void onlyRowsThatSeeANanAreNan() {
        AttentionInputs nanKey = RandomInputs.normal(new AttentionShape(1, 1, 1, 6, 6, 3), SEED)
                .putK(0, 0, 4, 1, Float.NaN)
                .putV(0, 0, 4, 0, Float.NaN)
                .rounded(DType.FLOAT32)
                .withDiagonal(0);
        ExactAttention.Result result = ExactAttention.of(nanKey);
        for (int i = 0; i < 6; i++) {
            assertThat(Double.isNaN(result.lse()[i])).as("row %d", i).isEqualTo(i >= 4);
            for (int d = 0; d < 3; d++) {
                assertThat(Double.isNaN(result.o()[i * 3 + d])).as("row %d", i).isEqualTo(i >= 4);
            }
        }
    }

    @Test
    void nanAndInfinityInVStayInTheirChannel() {
        AttentionInputs in = RandomInputs.normal(new AttentionShape(1, 1, 1, 2, 5, 3), SEED)
                .putV(0, 0, 4, 0, Float.NaN)
                .putV(0, 0, 2, 1, Float.NEGATIVE_INFINITY)
                .rounded(DType.FLOAT32);
        double[] o = ExactAttention.of(in).o();
        assertThat(o[0]).isNaN();
        assertThat(o[1]).isEqualTo(Double.NEGATIVE_INFINITY);
        assertThat(o[2]).isFinite();
    }
}
