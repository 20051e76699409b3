package io.sage4j.oracle;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.Rung;
import io.sage4j.numeric.Scheme;
import io.sage4j.plan.MaskView;
import java.util.Arrays;
import java.util.function.IntPredicate;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** How far a NaN or an infinity reaches: exactly as docs/numerics.md says, and everything else stays as without it. */
class VariantModelNonFiniteTest {
    private static final long SEED = 21;
    private static final int ROWS = 300;
    private static final int DIM = 8;
    private static final AttentionShape SHAPE = new AttentionShape(2, 2, 1, ROWS, ROWS, DIM);
    private static final Scheme PLAIN = Variant.INT8_FP8_F16ACC.scheme().withSmoothK(false);

    private static ModelResult run(UnaryOperator<RandomInputs> change, int diagonal, Rung rung, Scheme scheme) {
        AttentionInputs in = change.apply(RandomInputs.normal(SHAPE, SEED)).rounded(DType.FLOAT32);
        return VariantModel.run(in.withDiagonal(diagonal), rung, scheme);
    }

    /**
     * Rows of the poisoned head that the predicate names are NaN; all others are those of the clean run, to the bit.
     */
    private static void assertPoisoned(ModelResult poisoned, ModelResult clean, IntPredicate head, IntPredicate row) {
        for (int n = 0; n < clean.lse().length; n++) {
            boolean nan = head.test(n / ROWS) && row.test(n % ROWS);
            assertThat(Float.isNaN(poisoned.lse()[n]))
                    .as("seed %d lse, head %d row %d", SEED, n / ROWS, n % ROWS)
                    .isEqualTo(nan);
            for (int d = 0; d < DIM; d++) {
                float value = poisoned.o()[n * DIM + d];
                if (nan ? !Float.isNaN(value) : value != clean.o()[n * DIM + d]) {
                    assertThat(value)
                            .as("seed %d head %d row %d channel %d", SEED, n / ROWS, n % ROWS, d)
                            .isEqualTo(nan ? Float.NaN : clean.o()[n * DIM + d]);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void inQTheRowsOfTheScaleGroup(Granularity granularity) {
        Scheme scheme = PLAIN.withGranularity(granularity);
        ModelResult clean = run(r -> r, 0, Rung.QUANTIZED, scheme);
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
            ModelResult poisoned = run(r -> r.putQ(0, 1, 141, 3, bad), 0, Rung.QUANTIZED, scheme);
            assertPoisoned(poisoned, clean, head -> head == 1, row -> switch (granularity) {
                case PER_TENSOR -> true;
                case PER_BLOCK -> row / 128 == 1;
                case PER_WARP -> row / 32 == 4;
                case PER_THREAD -> row / 32 == 4 && row % 8 == 5;
                case PER_TOKEN -> row == 141;
            });
        }
    }

    @Test
    void inQWithSmoothQTheWholeBlock() {
        Scheme scheme = Variant.of("int4-fp8").scheme();
        assertPoisoned(
                run(r -> r.putQ(0, 1, 141, 3, Float.NEGATIVE_INFINITY), 0, Rung.QUANTIZED, scheme),
                run(r -> r, 0, Rung.QUANTIZED, scheme),
                head -> head == 1,
                row -> row / 128 == 1);
    }

    @ParameterizedTest
    @EnumSource
    void inKEveryRowThatAttendsToAKeyOfTheGroup(Granularity granularity) {
        Scheme scheme = PLAIN.withGranularity(granularity);
        ModelResult clean = run(r -> r, 0, Rung.QUANTIZED, scheme);
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
            ModelResult poisoned = run(r -> r.putK(1, 0, 79, 0, bad), 0, Rung.QUANTIZED, scheme);
            // Causal: rows from the first key of the group on.
            int first =
                    switch (granularity) {
                        case PER_TENSOR -> 0;
                        case PER_BLOCK, PER_WARP -> 64;
                        case PER_THREAD -> 70;
                        case PER_TOKEN -> 79;
                    };
            assertPoisoned(poisoned, clean, head -> head >= 2, row -> row >= first);
        }
    }

    @Test
    void inKWithSmoothKTheWholeHead() {
        Scheme scheme = Variant.INT8_FP8_F16ACC.scheme();
        assertPoisoned(
                run(r -> r.putK(1, 0, 299, 0, Float.NaN), 0, Rung.QUANTIZED, scheme),
                run(r -> r, 0, Rung.QUANTIZED, scheme),
                head -> head >= 2,
                row -> true);
    }

    @ParameterizedTest
    @ValueSource(strings = {"int8-fp8", "int8-fp8-f16acc", "int8-e5m2", "int8-int8", "int4-fp8"})
    void inScaledVTheChannelOfTheHead(String name) {
        assertChannel(Variant.of(name).scheme());
    }

    @ParameterizedTest
    @ValueSource(strings = {"int8-fp8", "int8-fp8-f16acc", "int8-int8"})
    void inScaledVWithSmoothVTheChannelOfTheHead(String name) {
        assertChannel(Variant.of(name).scheme().withSmoothV(true));
    }

    private static void assertChannel(Scheme scheme) {
        ModelResult clean = run(r -> r, 0, Rung.QUANTIZED, scheme);
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
            ModelResult poisoned = run(r -> r.putV(0, 0, 200, 5, bad), 0, Rung.QUANTIZED, scheme);
            assertThat(poisoned.lse()).isEqualTo(clean.lse());
            assertThat(poisoned.operands().vScales()[5]).isNaN();
            for (int j = 0; j < ROWS; j++) {
                assertThat(poisoned.operands().vCodes()[j * DIM + 5]).isZero();
            }
            for (int n = 0; n < clean.o().length; n++) {
                boolean nan = n < 2 * ROWS * DIM && n % DIM == 5;
                float value = poisoned.o()[n];
                if (nan ? !Float.isNaN(value) : value != clean.o()[n]) {
                    assertThat(value).as("seed %d element %d", SEED, n).isEqualTo(nan ? Float.NaN : clean.o()[n]);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"int8-fp16", "int8-fp16-f16acc", "int8-fp16-f16f32"})
    void inHalfVNanReachesTheRowsThatSeeItAndInfinitySaturates(String name) {
        Scheme scheme = Variant.of(name).scheme();
        ModelResult poisoned = run(r -> r.putV(0, 0, 200, 5, Float.NaN), 0, Rung.QUANTIZED, scheme);
        for (int n = 0; n < poisoned.o().length; n++) {
            boolean nan = n < 2 * ROWS * DIM && n % DIM == 5 && n / DIM % ROWS >= 200;
            assertThat(Float.isNaN(poisoned.o()[n]))
                    .as("seed %d element %d", SEED, n)
                    .isEqualTo(nan);
        }
        ModelResult infinite = run(r -> r.putV(0, 0, 200, 5, Float.POSITIVE_INFINITY), 0, Rung.QUANTIZED, scheme);
        ModelResult largest = run(r -> r.putV(0, 0, 200, 5, 65504f), 0, Rung.QUANTIZED, scheme);
        assertThat(infinite.o()).isEqualTo(largest.o());
        assertThat(infinite.counts().saturated()).isEqualTo(1);
        assertThat(largest.counts().saturated()).isZero();
    }

    /** The mean is not finite, and is added back: NaN, or the infinity itself where the row does not see its key. */
    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
    void inHalfVWithSmoothVTheChannelOfTheHeadIsNotFinite(float bad) {
        Scheme scheme = Variant.INT8_FP16.scheme().withSmoothV(true);
        ModelResult clean = run(r -> r, 0, Rung.QUANTIZED, scheme);
        ModelResult poisoned = run(r -> r.putV(0, 0, 200, 5, bad), 0, Rung.QUANTIZED, scheme);
        for (int n = 0; n < clean.o().length; n++) {
            if (n < 2 * ROWS * DIM && n % DIM == 5) {
                assertThat(poisoned.o()[n]).as("seed %d element %d", SEED, n).isNotFinite();
                assertThat(Float.isNaN(poisoned.o()[n])).isEqualTo(Float.isNaN(bad) || n / DIM % ROWS >= 200);
            } else {
                assertThat(poisoned.o()[n]).as("seed %d element %d", SEED, n).isEqualTo(clean.o()[n]);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"NAIVE", "TILED", "FLASH"})
    void unquantizedRungsFollowIeeeAndReadOnlyWhatTheRowSees(Rung rung) {
        ModelResult clean = run(r -> r, 0, rung, Scheme.UNQUANTIZED);
        ModelResult nanKey = run(r -> r.putK(0, 0, 130, 2, Float.NaN), 0, rung, Scheme.UNQUANTIZED);
        assertPoisoned(nanKey, clean, head -> head < 2, row -> row >= 130);
        ModelResult nanQuery = run(r -> r.putQ(0, 0, 130, 2, Float.NaN), 0, rung, Scheme.UNQUANTIZED);
        assertPoisoned(nanQuery, clean, head -> head == 0, row -> row == 130);
        ModelResult nanValue = run(r -> r.putV(0, 0, 130, 2, Float.NaN), 0, rung, Scheme.UNQUANTIZED);
        for (int n = 0; n < clean.o().length; n++) {
            boolean nan = n < 2 * ROWS * DIM && n % DIM == 2 && n / DIM % ROWS >= 130;
            assertThat(Float.isNaN(nanValue.o()[n])).isEqualTo(nan);
        }
        // An infinite key: +inf scores make the row NaN, -inf scores have no weight, as in IEEE arithmetic.
        ModelResult infinite = run(
                r -> r.putK(0, 0, 130, 2, Float.POSITIVE_INFINITY)
                        .putQ(0, 0, 140, 2, 1f)
                        .putQ(0, 0, 141, 2, -1f),
                0,
                rung,
                Scheme.UNQUANTIZED);
        assertThat(infinite.o()[140 * DIM]).isNaN();
        assertThat(infinite.o()[141 * DIM]).isFinite();
    }

    @ParameterizedTest
    @ValueSource(strings = {"naive", "tiled", "flash", "int8-fp16", "int8-fp8-f16acc", "int8-int8", "int4-fp8"})
    void nanAndPlusInfinityInAnAdditiveMaskMakeTheRowNan(String name) {
        Variant variant = Variant.of(name);
        float[] mask = new float[ROWS * ROWS];
        mask[7 * ROWS + 250] = Float.NaN;
        mask[9 * ROWS + 3] = Float.POSITIVE_INFINITY;
        mask[11 * ROWS + 5] = Float.NEGATIVE_INFINITY;
        Arrays.fill(mask, 13 * ROWS, 14 * ROWS, Float.NEGATIVE_INFINITY);
        AttentionInputs in = RandomInputs.normal(SHAPE, SEED)
                .rounded(DType.FLOAT32)
                .withMask(ScoreMask.additive(new MaskView(MaskView.Kind.ADDITIVE, 0, 0, 0, ROWS, 1), mask));
        ModelResult result = VariantModel.run(in, variant.rung(), variant.scheme());
        for (int n = 0; n < result.lse().length; n++) {
            int row = n % ROWS;
            assertThat(Float.isNaN(result.lse()[n])).as("row %d", row).isEqualTo(row == 7 || row == 9);
            assertThat(Float.isNaN(result.o()[n * DIM])).as("row %d", row).isEqualTo(row == 7 || row == 9);
            assertThat(result.lse()[n] == Float.NEGATIVE_INFINITY).isEqualTo(row == 13);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"naive", "flash", "int8-fp16"})
    void aHiddenKeyDoesNotTouchTheRowWhateverItHolds(String name) {
        Variant variant = Variant.of(name);
        Scheme scheme = variant.isQuantized()
                ? variant.scheme().withSmoothK(false).withGranularity(Granularity.PER_TOKEN)
                : variant.scheme();
        float[] mask = new float[ROWS];
        mask[77] = Float.NEGATIVE_INFINITY;
        ScoreMask additive = ScoreMask.additive(new MaskView(MaskView.Kind.ADDITIVE, 0, 0, 0, 0, 1), mask);
        RandomInputs data = RandomInputs.normal(SHAPE, SEED);
        float[] clean = VariantModel.run(data.rounded(DType.FLOAT32).withMask(additive), variant.rung(), scheme)
                .o();
        AttentionInputs poisoned = data.putK(0, 0, 77, 1, Float.NaN)
                .putK(1, 0, 77, 1, Float.POSITIVE_INFINITY)
                .putV(0, 0, 77, 2, Float.NaN)
                .rounded(DType.FLOAT32);
        ScoreMask bool = (b, h, i, j) -> j == 77;
        assertThat(VariantModel.run(poisoned.withMask(additive), variant.rung(), scheme)
                        .o())
                .isEqualTo(clean);
        assertThat(VariantModel.run(poisoned.withMask(bool), variant.rung(), scheme)
                        .o())
                .isEqualTo(clean);
    }
}
