package io.sage4j.oracle;

import io.sage4j.numeric.ExponentCode;
import io.sage4j.numeric.Fp8;
import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.Scheme;

/** One output row on its way through the tiles of keys: the online softmax in base 2 (docs/numerics.md, 5 and 6). */
final class OnlineRow {
    private final Scheme scheme;
    private final boolean tensorCores;
    private final float offset;
    private final boolean fast;
    private final boolean roundedSum;
    private final float[] p;
    private final float[] o;
    private float m = Numbers.MASKED;
    /** Sum of p; on tensor cores of the first and of the last four keys of every eight. */
    private final float[] l = new float[2];

    /** @param roundedSum whether p is summed as it was rounded; codes made straight from exponents always are */
    OnlineRow(Scheme scheme, boolean tensorCores, boolean roundedSum, int dim) {
        this.scheme = scheme;
        this.tensorCores = tensorCores;
        this.offset = scheme.pOffset();
        this.fast = scheme.pv() == PvFormat.E4M3_FAST;
        this.roundedSum = roundedSum || fast;
        this.p = new float[scheme.tiles().blockK()];
        this.o = new float[dim];
    }

    /**
     * One tile of keys.
     *
     * @param x [keys], scores in base 2
     * @param hidden [keys], keys that the diagonal or the mask hides; those with a masked score are added
     * @param keys keys of the tile
     * @param v V as decoded
     * @param vBase index in {@code v} of channel 0 of the tile's first key
     */
    void tile(float[] x, boolean[] hidden, int keys, float[] v, int vBase) {
        float max = Numbers.MASKED;
        for (int j = 0; j < keys; j++) {
            hidden[j] = hidden[j] || x[j] <= Numbers.MASKED;
            max = hidden[j] ? max : Math.max(max, x[j]);
        }
        float mNew = Math.max(m, max);
        float alpha = exp2(m - mNew);
        float[] sum = new float[2];
        for (int j = 0; j < keys; j++) {
            float exponent = (x[j] - mNew) + offset;
            float pj = hidden[j] ? 0f : exp2(exponent);
            if (fast && ExponentCode.takes(j)) {
                p[j] = hidden[j] ? 0f : coded(exponent);
            } else {
                p[j] = scheme.pv().round(pj);
            }
            int side = tensorCores ? j % 8 / 4 : 0;
            sum[side] = sum[side] + (roundedSum ? p[j] : pj);
        }
        l[0] = l[0] * alpha + sum[0];
        l[1] = l[1] * alpha + sum[1];
        m = mNew;
        if (tensorCores) {
            TileSum.addMma(scheme.pv().mmaKeys(), alpha, p, hidden, keys, v, vBase, o);
            return;
        }
        TileSum.add(scheme.accumulator(), scheme.pv().mmaKeys(), alpha, p, hidden, keys, v, vBase, o);
    }

    /** What parts of the keys of a row make together: weighted by their maxima, parts ascending; one without a visible key is left out. */
    static OnlineRow joined(OnlineRow[] parts) {
        OnlineRow whole = new OnlineRow(parts[0].scheme, parts[0].tensorCores, parts[0].roundedSum, parts[0].o.length);
        for (OnlineRow part : parts) {
            whole.m = Math.max(whole.m, part.m);
        }
        for (OnlineRow part : parts) {
            float sum = part.l[0] + part.l[1];
            if (sum != 0) {
                float weight = exp2(part.m - whole.m);
                whole.l[0] = whole.l[0] + weight * sum;
                for (int d = 0; d < whole.o.length; d++) {
                    whole.o[d] = whole.o[d] + weight * part.o[d];
                }
            }
        }
        return whole;
    }

    /** P of an exponent, its code straight from it. */
    private static float coded(float exponent) {
        if (Float.isNaN(exponent)) {
            return exponent;
        }
        float place = ExponentCode.PER_OCTAVE * exponent + ExponentCode.ZERO;
        return Fp8.E4M3.decode((byte) Math.rint(Math.min(Math.max(place, 0f), ExponentCode.LARGEST)));
    }

    /**
     * Divides by the sum, undoes the V scale, adds the V mean back.
     *
     * @param vScale scales of V, empty where V is not scaled
     * @param vMean means of V, empty without smooth V
     * @param channelBase index in both of channel 0
     * @param out where the row goes, from {@code outBase} on
     */
    void finish(float[] vScale, float[] vMean, int channelBase, float[] out, int outBase) {
        float total = l[0] + l[1];
        for (int d = 0; d < o.length; d++) {
            if (total == 0) {
                out[outBase + d] = 0f;
                continue;
            }
            float value = o[d] / total;
            if (vScale.length > 0) {
                value = value * vScale[channelBase + d];
            }
            if (vMean.length > 0) {
                value = value + vMean[channelBase + d];
            }
            out[outBase + d] = value;
        }
    }

    /** Log-sum-exp of the row, natural units, before the smooth-K correction; minus infinity if no key was visible. */
    float lse(float correction) {
        float total = l[0] + l[1];
        return total == 0 ? Float.NEGATIVE_INFINITY : lse(m, total, offset) + correction;
    }

    static float lse(float m, float l, float offset) {
        return (m + ((float) Math.log(l) * Numbers.LOG2E - offset)) * Numbers.LN2;
    }

    /** {@code exp(y * LN2)}, the product and the result in FP32. */
    static float exp2(float y) {
        return (float) Math.exp(y * Numbers.LN2);
    }
}
