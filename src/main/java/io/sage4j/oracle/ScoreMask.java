package io.sage4j.oracle;

import io.sage4j.numeric.Numbers;
import io.sage4j.plan.MaskView;

/** An attention mask as a function of (batch, query head, query row, key row), so that any broadcast is free. */
@FunctionalInterface
public interface ScoreMask {
    /** Every key takes part with its plain score. */
    ScoreMask NONE = (b, h, i, j) -> false;

    /** Whether key {@code j} takes no part in row {@code i}: it is then not read for that row. */
    boolean hides(int b, int h, int i, int j);

    /** Number added to the scaled score, in natural units; 0 where there is none. */
    default float addend(int b, int h, int i, int j) {
        return 0f;
    }

    /**
     * A bool mask: a key takes part where its byte is not zero.
     *
     * @param view where the byte of (b, h, i, j) lies in {@code values}
     * @param values the bytes
     */
    static ScoreMask bool(MaskView view, byte[] values) {
        return (b, h, i, j) -> values[index(view, b, h, i, j)] == 0;
    }

    /**
     * An additive mask: {@code x + mask * LOG2E} in base 2 (docs/numerics.md). A key whose own addend is already at
     * or below {@link Numbers#MASKED} is hidden whatever its score, NaN included.
     *
     * @param view where the number of (b, h, i, j) lies in {@code values}
     * @param values the numbers, in natural units
     */
    static ScoreMask additive(MaskView view, float[] values) {
        return new ScoreMask() {
            @Override
            public boolean hides(int b, int h, int i, int j) {
                return addend(b, h, i, j) * Numbers.LOG2E <= Numbers.MASKED;
            }

            @Override
            public float addend(int b, int h, int i, int j) {
                return values[index(view, b, h, i, j)];
            }
        };
    }

    private static int index(MaskView view, int b, int h, int i, int j) {
        return Math.toIntExact(view.offset()
                + (long) b * view.batchStride()
                + (long) h * view.headStride()
                + (long) i * view.queryStride()
                + (long) j * view.keyStride());
    }
}
