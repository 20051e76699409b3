package io.sage4j.numeric;

/**
 * When a channel of V is too heavy-tailed for the narrow range that FP16 sums need. Such a range (2.25, say) leaves E4M3
 * codes only {@code range / 2^-10} below a channel's largest magnitude: where a few values tower over the rest, the rest
 * becomes zero. A channel is heavy-tailed if more than {@link #MOST_FLUSHED} of its tokens would. (Of N(0, 1) data some 0.1
 * to 0.2 % do.)
 */
public final class HeavyTail {
    /** One token in so many may be flushed to zero. */
    public static final float ONE_IN = 20f;

    /** Fraction of a channel's tokens that may be flushed to zero. */
    public static final double MOST_FLUSHED = 1 / (double) ONE_IN;

    /** Scaled magnitudes up to half the smallest E4M3 code are rounded to zero, ties to even. */
    public static final float LARGEST_FLUSHED = 0x1p-10f;

    private HeavyTail() {}
}
