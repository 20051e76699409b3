package io.sage4j.oracle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sage4j.DType;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Rung;
import io.sage4j.numeric.Scheme;
import io.sage4j.plan.MaskView;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Bool and additive masks, broadcast ones too, in exact attention. */
class ScoreMaskTest {
    private static final long SEED = 7;
    private static final AttentionShape SHAPE = new AttentionShape(2, 4, 2, 5, 9, 3);

    private static AttentionInputs random() {
        return RandomInputs.normal(SHAPE, SEED).rounded(DType.FLOAT32);
    }

    private static MaskView dense(MaskView.Kind kind) {
        return new MaskView(kind, 0, 4 * 5 * 9, 5 * 9, 9, 1);
    }

    @Test
    void aBoolMaskIsAnAdditiveMaskOfZeroAndMinusInfinity() {
        byte[] bits = new byte[2 * 4 * 5 * 9];
        float[] numbers = new float[bits.length];
        Random random = new Random(SEED);
        for (int n = 0; n < bits.length; n++) {
            bits[n] = (byte) (random.nextBoolean() ? 1 << random.nextInt(8) : 0);
            numbers[n] = bits[n] == 0 ? Float.NEGATIVE_INFINITY : 0f;
        }
        ExactAttention.Result bool =
                ExactAttention.of(random().withMask(ScoreMask.bool(dense(MaskView.Kind.BOOL), bits)));
        ExactAttention.Result additive =
                ExactAttention.of(random().withMask(ScoreMask.additive(dense(MaskView.Kind.ADDITIVE), numbers)));
        assertThat(bool.o())
                .as("seed %d", SEED)
                .isEqualTo(additive.o())
                .isNotEqualTo(ExactAttention.of(random()).o());
        assertThat(bool.lse()).as("seed %d", SEED).isEqualTo(additive.lse());
    }

    @Test
    void aLargeNegativeNumberMasksOutCompletely() {
        float[] numbers = new float[9];
        numbers[4] = -Float.MAX_VALUE;
        numbers[7] = -1e30f;
        byte[] bits = {1, 1, 1, 1, 0, 1, 1, 0, 1};
        MaskView byKey = new MaskView(MaskView.Kind.ADDITIVE, 0, 0, 0, 0, 1);
        assertThat(ExactAttention.of(random().withMask(ScoreMask.additive(byKey, numbers)))
                        .o())
                .isEqualTo(ExactAttention.of(random().withMask(ScoreMask.bool(byKey, bits)))
                        .o());
    }

    /** Neither the score nor the addend alone is low enough to mask the second key, their sum is. */
    @Test
    void aKeyWhoseMaskedScoreIsTooLowHasNoWeight() {
        AttentionInputs in = AttentionInputs.of(
                        new AttentionShape(1, 1, 1, 1, 2, 1),
                        new float[] {-1e15f},
                        new float[] {0, 5e14f},
                        new float[] {2, 8})
                .withSmScale(1f);
        float[] numbers = {-6.9e29f, -5e29f};
        ScoreMask both = ScoreMask.additive(new MaskView(MaskView.Kind.ADDITIVE, 0, 0, 0, 0, 1), numbers);
        assertThat(both.hides(0, 0, 0, 0)).isFalse();
        assertThat(both.hides(0, 0, 0, 1)).isFalse();
        assertThat(ExactAttention.of(in.withMask(both)).o()).containsExactly(2);
        numbers[0] = Float.NEGATIVE_INFINITY;
        assertThat(ExactAttention.of(in.withMask(both)).lse()).containsExactly(Double.NEGATIVE_INFINITY);
        for (Rung rung : new Rung[] {Rung.NAIVE, Rung.TILED, Rung.FLASH}) {
            assertThat(VariantModel.run(in.withMask(both), rung, Scheme.UNQUANTIZED)
                            .lse())
                    .as("%s", rung)
                    .containsExactly(Float.NEGATIVE_INFINITY);
        }
    }

    @Test
    void addingLogTwoCountsAKeyTwice() {
        float[] numbers = {0, 0, 0, 0, 0, 0, 0, 0, (float) Math.log(2)};
        MaskView byKey = new MaskView(MaskView.Kind.ADDITIVE, 0, 0, 0, 0, 1);
        double[] weighted = ExactAttention.of(random().withMask(ScoreMask.additive(byKey, numbers)))
                .o();
        AttentionInputs in = random();
        float[] k = new float[2 * 2 * 10 * 3];
        float[] v = new float[k.length];
        for (int head = 0; head < 4; head++) {
            System.arraycopy(in.k(), head * 27, k, head * 30, 27);
            System.arraycopy(in.k(), head * 27 + 24, k, head * 30 + 27, 3);
            System.arraycopy(in.v(), head * 27, v, head * 30, 27);
            System.arraycopy(in.v(), head * 27 + 24, v, head * 30 + 27, 3);
        }
        double[] doubled = ExactAttention.of(AttentionInputs.of(new AttentionShape(2, 4, 2, 5, 10, 3), in.q(), k, v))
                .o();
        assertThat(Metrics.of(doubled, weighted).maxAbs()).as("seed %d", SEED).isLessThan(1e-7);
    }

    @Test
    void broadcastDimensionsReadTheSameElement() {
        byte[] byQueryAndKey = new byte[3 + 5 * 9];
        byte[] full = new byte[2 * 4 * 5 * 9];
        Random random = new Random(SEED);
        for (int n = 0; n < 45; n++) {
            byQueryAndKey[3 + n] = (byte) random.nextInt(2);
            for (int head = 0; head < 8; head++) {
                full[head * 45 + n] = byQueryAndKey[3 + n];
            }
        }
        ScoreMask small = ScoreMask.bool(new MaskView(MaskView.Kind.BOOL, 3, 0, 0, 9, 1), byQueryAndKey);
        ScoreMask dense = ScoreMask.bool(dense(MaskView.Kind.BOOL), full);
        assertThat(ExactAttention.of(random().withMask(small)).o())
                .as("seed %d", SEED)
                .isEqualTo(ExactAttention.of(random().withMask(dense)).o());
    }

    @Test
    void aFullyMaskedRowIsZeroWithLseMinusInfinity() {
        ScoreMask firstRows = (b, h, i, j) -> i < 2;
        ExactAttention.Result result = ExactAttention.of(random().withMask(firstRows));
        for (int row = 0; row < 2 * 4 * 5; row++) {
            boolean masked = row % 5 < 2;
            assertThat(result.lse()[row] == Double.NEGATIVE_INFINITY).isEqualTo(masked);
            assertThat(result.o()[row * 3] == 0).isEqualTo(masked);
        }
    }

    @Test
    void aHiddenKeyIsNotReadWhateverItHolds() {
        AttentionInputs in = RandomInputs.normal(SHAPE, SEED)
                .putK(0, 0, 4, 0, Float.NaN)
                .putV(0, 0, 4, 1, Float.POSITIVE_INFINITY)
                .rounded(DType.FLOAT32);
        float[] numbers = new float[9];
        numbers[4] = Float.NEGATIVE_INFINITY;
        MaskView byKey = new MaskView(MaskView.Kind.ADDITIVE, 0, 0, 0, 0, 1);
        ScoreMask bool = (b, h, i, j) -> j == 4;
        double[] clean = ExactAttention.of(random().withMask(bool)).o();
        assertThat(ExactAttention.of(in.withMask(bool)).o()).isEqualTo(clean);
        assertThat(ExactAttention.of(in.withMask(ScoreMask.additive(byKey, numbers)))
                        .o())
                .isEqualTo(clean);
    }

    @Test
    void nanAndPlusInfinityInAnAdditiveMaskMakeTheRowNan() {
        MaskView byQuery = new MaskView(MaskView.Kind.ADDITIVE, 0, 0, 0, 1, 0);
        float[] numbers = {0, Float.NaN, Float.POSITIVE_INFINITY, 1, Float.NEGATIVE_INFINITY};
        ExactAttention.Result result = ExactAttention.of(random().withMask(ScoreMask.additive(byQuery, numbers)));
        ExactAttention.Result plain = ExactAttention.of(random());
        for (int head = 0; head < 8; head++) {
            assertThat(result.lse()[head * 5]).isEqualTo(plain.lse()[head * 5]);
            assertThat(result.o()[(head * 5 + 1) * 3]).isNaN();
            assertThat(result.o()[(head * 5 + 2) * 3]).isNaN();
            assertThat(result.lse()[head * 5 + 3]).isCloseTo(plain.lse()[head * 5 + 3] + 1, within(1e-12));
            assertThat(result.o()[(head * 5 + 4) * 3]).isZero();
            assertThat(result.lse()[head * 5 + 4]).isEqualTo(Double.NEGATIVE_INFINITY);
        }
    }
}
