package io.sage4j.oracle;

/**
 * What a numeric report counts.
 *
 * @param nonFinite NaNs and infinities among the elements of q, k and v
 * @param saturated elements of V (mean subtracted, with smooth V) that FP16 cannot hold: magnitude above 65504,
 *     infinities included; 0 for the other formats, whose scale maps the largest magnitude onto the range
 * @param vFlushed finite elements of V (mean subtracted, with smooth V) that are not zero but whose code stands for
 *     zero; channels with a NaN scale are not counted
 * @param vTotal elements of V
 */
public record NumericCounts(long nonFinite, long saturated, long vFlushed, long vTotal) {
    /** Sum of two counts. */
    public NumericCounts plus(NumericCounts other) {
        return new NumericCounts(
                nonFinite + other.nonFinite,
                saturated + other.saturated,
                vFlushed + other.vFlushed,
                vTotal + other.vTotal);
    }
}
