package io.sage4j.plan;

import io.sage4j.DType;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.oracle.HardData;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.ShrinkingMode;

/** Plans over random shapes and strides, against the model. Not with a TornadoVM SDK, which compiles for seconds per try. */
class PlanPropertyTest {
    private static final int TRIES = 60;

    /**
     * Tensors with gaps after rows, heads and batches, heads or tokens outside.
     *
     * @param offset elements before the first
     * @param rowGap elements after a row
     * @param headGap elements after a head (or a token, if tokens are outside)
     * @param tokensOutside [batch, tokens, heads, dim] instead of [batch, heads, tokens, dim]
     */
    record Gaps(int offset, int rowGap, int headGap, boolean tokensOutside) implements PlanCase.Placement {
        @Override
        public TensorView view(DType dtype, int heads, int tokens, int dim) {
            int row = dim + rowGap;
            int inner = (tokensOutside ? heads : tokens) * row + headGap;
            int batch = (tokensOutside ? tokens : heads) * inner + 1;
            return new TensorView(dtype, offset, batch, tokensOutside ? row : inner, tokensOutside ? inner : row);
        }
    }

    @Provide
    Arbitrary<PlanCase> calls() {
        Arbitrary<AttentionShape> shapes = Combinators.combine(
                        Arbitraries.integers().between(1, 3),
                        Arbitraries.integers().between(1, 3),
                        Arbitraries.integers().between(1, 3),
                        Arbitraries.integers().between(0, 140),
                        Arbitraries.integers().between(0, 140),
                        Arbitraries.integers().between(1, 80))
                .as((batch, group, kvHeads, queries, keys, dim) ->
                        new AttentionShape(batch, group * kvHeads, kvHeads, queries, keys, dim));
        Arbitrary<PlanCase.Placement> placements = Combinators.combine(
                        Arbitraries.integers().between(0, 9),
                        Arbitraries.integers().between(0, 5),
                        Arbitraries.integers().between(0, 5),
                        Arbitraries.of(true, false))
                .as(Gaps::new);
        return Combinators.combine(
                        Arbitraries.of(PlanContractTest.variants()),
                        shapes,
                        Arbitraries.of(DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16),
                        placements,
                        Arbitraries.of(PlanCase.Causal.values()),
                        Arbitraries.of(PlanCase.Mask.values()),
                        Arbitraries.longs())
                .as((variant, shape, dtype, placement, causal, mask, seed) ->
                        new PlanCase(variant, shape, dtype, placement, causal, mask, HardData.NORMAL, seed));
    }

    @Property(tries = TRIES, shrinking = ShrinkingMode.BOUNDED)
    void anyShapeAndStridesGiveWhatTheModelSays(@ForAll("calls") PlanCase c) {
        PlanChecks.runAndCheck(c);
    }
}
