package io.sage4j.numeric;

import java.util.Objects;

/**
 * What one variant of quantized attention means, in numbers. Every backend, the oracle and the tests read this.
 *
 * @param qk format of Q and K
 * @param granularity rows of Q and K that share a scale
 * @param tiles tile that the scale groups and the accumulation follow
 * @param smoothK subtract from K its mean over the tokens (SageAttention, equation 6)
 * @param smoothQ subtract from each Q block its mean, and add the lost part to the scores (SageAttention2, equation 2)
 * @param smoothV subtract from V its mean over the tokens and add it to the output
 * @param pv format of P and V
 * @param accumulator where P V is summed
 * @param pRange P is scaled so that its largest value is at most this; 1 leaves it as it is
 * @param vRange V is scaled per channel so that its largest magnitude is this; 1 where V is not scaled
 */
public record Scheme(
        QkFormat qk,
        Granularity granularity,
        TileShape tiles,
        boolean smoothK,
        boolean smoothQ,
        boolean smoothV,
        PvFormat pv,
        Accumulator accumulator,
        float pRange,
        float vRange) {

    /** Attention in FP32, nothing quantized. */
    public static final Scheme UNQUANTIZED = new Scheme(
            QkFormat.FP32,
            Granularity.PER_BLOCK,
            TileShape.MMA_SYNC,
            false,
            false,
            false,
            PvFormat.FP32,
            Accumulator.FP32,
            1f,
            1f);

    /**
     * Checks that the parts fit together and that no tile sum can overflow the accumulator.
     *
     * @throws IllegalArgumentException saying what does not fit
     */
    public Scheme {
        Objects.requireNonNull(qk, "qk");
        Objects.requireNonNull(granularity, "granularity");
        Objects.requireNonNull(tiles, "tiles");
        Objects.requireNonNull(pv, "pv");
        Objects.requireNonNull(accumulator, "accumulator");
        if ((qk == QkFormat.FP32) != (pv == PvFormat.FP32)) {
            throw new IllegalArgumentException("Q K^T in " + qk + " with P V in " + pv
                    + ": either both are FP32 (nothing quantized) or neither is");
        }
        if (qk == QkFormat.FP32 && (smoothK || smoothQ || smoothV || accumulator != Accumulator.FP32)) {
            throw new IllegalArgumentException("smoothing and accumulator choices are for quantized schemes only");
        }
        if (pv == PvFormat.INT8 && accumulator != Accumulator.FP32_FP32) {
            throw new IllegalArgumentException("INT8 P V is summed exactly in INT32 inside a tile, then in FP32:"
                    + " accumulator must be FP32_FP32, is " + accumulator);
        }
        if (pv == PvFormat.E4M3_FAST && accumulator != Accumulator.FP32_FP32) {
            throw new IllegalArgumentException(
                    "E4M3_FAST is summed in FP32 tile by tile: accumulator must be FP32_FP32, is " + accumulator);
        }
        requireRange("P", pRange, pv.max());
        requireRange("V", vRange, pv.max());
        if (!pv.scalesV() && (pRange != 1f || vRange != 1f)) {
            throw new IllegalArgumentException(
                    pv + " P and V are not scaled: ranges must be 1, are " + pRange + " and " + vRange);
        }
        if (pv.scalesV() && accumulator.isHalf()) {
            if (!accumulator.isTwoLevel()) {
                throw new IllegalArgumentException("a running FP16 accumulator has no bound for 8-bit P V;"
                        + " use FP16_FP32, which starts anew with each tile of keys");
            }
            HalfSumBound.requireNoOverflow(tiles.blockK(), largest(pv, pRange), largest(pv, vRange));
        }
    }

    private static void requireRange(String of, float range, float max) {
        if (!(range > 0f && range <= max)) {
            throw new IllegalArgumentException(of + " range is " + range + ", expected more than 0 and at most " + max);
        }
    }

    /** Largest value that a range admits: the format may round up past it (E4M3 rounds 2.4 to 2.5). */
    private static float largest(PvFormat pv, float range) {
        return Math.max(range, pv.round(range));
    }

    /** Whether Q, K and V are quantized at all. */
    public boolean isQuantized() {
        return qk != QkFormat.FP32;
    }

    /**
     * Exponent offset that scales P by almost {@link #pRange()} for free: {@code p = 2^(x - max + offset)}. The largest
     * multiple of 0.001 not above log2(pRange), so that rounding cannot push P past the range; 8.807 for 448, as
     * upstream.
     */
    public float pOffset() {
        return (float) (Math.floor(Math.log(pRange) / Math.log(2) * 1000) / 1000);
    }

    /** This scheme with another granularity. */
    public Scheme withGranularity(Granularity g) {
        return new Scheme(qk, g, tiles, smoothK, smoothQ, smoothV, pv, accumulator, pRange, vRange);
    }

    /** This scheme with other tiles. */
    public Scheme withTiles(TileShape t) {
        return new Scheme(qk, granularity, t, smoothK, smoothQ, smoothV, pv, accumulator, pRange, vRange);
    }

    /** This scheme with K smoothing on or off. */
    public Scheme withSmoothK(boolean on) {
        return new Scheme(qk, granularity, tiles, on, smoothQ, smoothV, pv, accumulator, pRange, vRange);
    }

    /** This scheme with Q smoothing on or off. */
    public Scheme withSmoothQ(boolean on) {
        return new Scheme(qk, granularity, tiles, smoothK, on, smoothV, pv, accumulator, pRange, vRange);
    }

    /** This scheme with V smoothing on or off. */
    public Scheme withSmoothV(boolean on) {
        return new Scheme(qk, granularity, tiles, smoothK, smoothQ, on, pv, accumulator, pRange, vRange);
    }

    /** This scheme with another accumulator and ranges of P and V. */
    public Scheme withAccumulator(Accumulator a, float newPRange, float newVRange) {
        return new Scheme(qk, granularity, tiles, smoothK, smoothQ, smoothV, pv, a, newPRange, newVRange);
    }
}
