package io.sage4j.kernel;

import io.sage4j.numeric.Numbers;
import io.sage4j.plan.MaskView;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** Applies a mask to a score inside a kernel; the kind of mask is a constant argument. */
public final class Masking {
    /** There is no mask. */
    public static final int NONE = 0;
    /** One byte a pair; the pair takes part where it is not zero. */
    public static final int BOOL = 1;
    /** A number added to the score, in natural units. */
    public static final int ADDITIVE = 2;

    private Masking() {}

    /** Constant of a kind of mask. */
    public static int kindOf(MaskView.Kind kind) {
        return switch (kind) {
            case NONE -> NONE;
            case BOOL -> BOOL;
            case ADDITIVE -> ADDITIVE;
        };
    }

    /**
     * Masked score in base 2: {@link Numbers#MASKED} if the mask hides the key or the score is no more than that. What the
     * mask hides stays hidden even if the score is NaN; any other NaN comes back as NaN.
     */
    public static float apply(float score, ByteArray bits, FloatArray values, int kind, int index) {
        float masked = score;
        if (kind == BOOL) {
            if (bits.get(index) == 0) {
                masked = Numbers.MASKED;
            }
        }
        if (kind == ADDITIVE) {
            float addend = values.get(index) * Numbers.LOG2E;
            masked = addend < Rounding.VISIBLE_FROM ? Numbers.MASKED : score + addend;
        }
        if (masked < Rounding.VISIBLE_FROM) {
            masked = Numbers.MASKED;
        }
        return masked;
    }
}
