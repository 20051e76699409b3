package io.sage4j.oracle;

import io.sage4j.DType;
import io.sage4j.numeric.AttentionShape;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/** Named data that attention implementations get wrong, for tests that run every implementation over all of it. */
public enum HardData {
    NORMAL(r -> r, true),
    K_CHANNEL_BIAS(r -> r.biasK(20f), true),
    OUTLIER_TOKEN(r -> r.outlierToken(0, 100f), true),
    ZERO_V_CHANNEL(r -> r.zeroVChannel(0), true),
    CONSTANT_V_CHANNEL(r -> r.constantVChannel(0, 8.5f), true),
    EQUAL_ROWS(RandomInputs::equalRows, true),
    HEAVY_TAILED_V(RandomInputs::heavyTailedV, true),
    OVERFLOW_BOUND(RandomInputs::overflowBound, true),
    PEAKED_SOFTMAX(r -> r.scaleQ(30f), true),
    NAN_IN_Q(r -> r.putQ(0, 0, 0, 0, Float.NaN), false),
    INFINITY_IN_Q(r -> r.putQ(0, 0, 0, 0, Float.POSITIVE_INFINITY), false),
    NAN_IN_K(r -> r.putK(0, 0, 0, 0, Float.NaN), false),
    INFINITY_IN_K(r -> r.putK(0, 0, 0, 0, Float.NEGATIVE_INFINITY), false),
    NAN_IN_V(r -> r.putV(0, 0, 0, 0, Float.NaN), false),
    INFINITY_IN_V(r -> r.putV(0, 0, 0, 0, Float.POSITIVE_INFINITY), false);

    private final UnaryOperator<RandomInputs> change;
    private final boolean finite;

    HardData(UnaryOperator<RandomInputs> change, boolean finite) {
        this.change = change;
        this.finite = finite;
    }

    /** Inputs of this kind; the shape needs at least one query row, one key row and one channel. */
    public AttentionInputs inputs(AttentionShape shape, long seed, DType type) {
        return change.apply(RandomInputs.normal(shape, seed)).rounded(type);
    }

    /** Whether all elements are finite. */
    public boolean isFinite() {
        return finite;
    }

    /** The kinds without NaN and infinity. */
    public static List<HardData> allFinite() {
        return Stream.of(values()).filter(HardData::isFinite).toList();
    }
}
