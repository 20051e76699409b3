package io.sage4j.oracle;

import io.sage4j.DType;
import io.sage4j.numeric.AttentionShape;
import java.util.Arrays;
import java.util.Random;

/**
 * Seeded attention inputs, normal to begin with and made hard step by step; the same seed gives the same numbers.
 *
 * <pre>{@code
 * AttentionInputs in = RandomInputs.normal(shape, seed).biasK(20f).zeroVChannel(1).rounded(DType.FLOAT16);
 * }</pre>
 */
public final class RandomInputs {
    private final AttentionShape shape;
    private final Random random;
    private final float[] q;
    private final float[] k;
    private final float[] v;

    private RandomInputs(AttentionShape shape, long seed) {
        this.shape = shape;
        this.random = new Random(seed);
        this.q = gaussian(shape.batch() * shape.qHeads() * shape.qoLen() * shape.headDim());
        this.k = gaussian(shape.batch() * shape.kvHeads() * shape.kvLen() * shape.headDim());
        this.v = gaussian(k.length);
    }

    private float[] gaussian(int length) {
        float[] values = new float[length];
        for (int n = 0; n < length; n++) {
            values[n] = (float) random.nextGaussian();
        }
        return values;
    }

    /** Standard normal q, k and v. */
    public static RandomInputs normal(AttentionShape shape, long seed) {
        return new RandomInputs(shape, seed);
    }

    /** Adds to each channel of K a bias of its own, normal with this deviation: what smooth K is for. */
    public RandomInputs biasK(float deviation) {
        return bias(k, deviation);
    }

    /** Adds to each channel of Q a bias of its own: what smooth Q is for. */
    public RandomInputs biasQ(float deviation) {
        return bias(q, deviation);
    }

    /** Adds to each channel of V a bias of its own: what smooth V is for. */
    public RandomInputs biasV(float deviation) {
        return bias(v, deviation);
    }

    /** Adds to each channel of V a mean of its own between {@code low} and {@code high}: what sums in few bits lose. */
    public RandomInputs meanV(float low, float high) {
        for (int d = 0; d < shape.headDim(); d++) {
            float mean = low + (high - low) * random.nextFloat();
            for (int n = d; n < v.length; n += shape.headDim()) {
                v[n] += mean;
            }
        }
        return this;
    }

    private RandomInputs bias(float[] x, float deviation) {
        float[] bias = gaussian(shape.headDim());
        for (int n = 0; n < x.length; n++) {
            x[n] += bias[n % shape.headDim()] * deviation;
        }
        return this;
    }

    /** Multiplies one token of Q, K and V (where they have it) in every head. */
    public RandomInputs outlierToken(int token, float factor) {
        scaleToken(q, shape.qoLen(), token, factor);
        scaleToken(k, shape.kvLen(), token, factor);
        scaleToken(v, shape.kvLen(), token, factor);
        return this;
    }

    /** Multiplies one token of K in every head. */
    public RandomInputs outlierKey(int token, float factor) {
        scaleToken(k, shape.kvLen(), token, factor);
        return this;
    }

    /**
     * Multiplies each token of Q and of K by its own power {@code 2^(normal * deviation)}: what fine scale groups are
     * for.
     */
    public RandomInputs unevenTokens(float deviation) {
        for (float[] x : new float[][] {q, k}) {
            for (int token = 0; token < x.length / shape.headDim(); token++) {
                float factor = (float) Math.pow(2, random.nextGaussian() * deviation);
                for (int d = 0; d < shape.headDim(); d++) {
                    x[token * shape.headDim() + d] *= factor;
                }
            }
        }
        return this;
    }

    private void scaleToken(float[] x, int tokens, int token, float factor) {
        for (int n = 0; n < x.length; n++) {
            x[n] *= n / shape.headDim() % tokens == token ? factor : 1f;
        }
    }

    /** Makes one channel of V zero. */
    public RandomInputs zeroVChannel(int channel) {
        return constantVChannel(channel, 0f);
    }

    /** Makes one channel of V the same in every token. */
    public RandomInputs constantVChannel(int channel, float value) {
        for (int n = channel; n < v.length; n += shape.headDim()) {
            v[n] = value;
        }
        return this;
    }

    /** Makes all rows of Q equal, and all rows of K, and all rows of V. */
    public RandomInputs equalRows() {
        for (float[] x : new float[][] {q, k, v}) {
            for (int n = shape.headDim(); n < x.length; n++) {
                x[n] = x[n - shape.headDim()];
            }
        }
        return this;
    }

    /** Raises V to the fifth power: most values become small against the largest of their channel. */
    public RandomInputs heavyTailedV() {
        for (int n = 0; n < v.length; n++) {
            v[n] = v[n] * v[n] * v[n] * v[n] * v[n];
        }
        return this;
    }

    /** Equal scores and V at its largest everywhere: every product of a tile reaches the P range times the V range. */
    public RandomInputs overflowBound() {
        Arrays.fill(q, 0f);
        Arrays.fill(v, 3f);
        return this;
    }

    /** Multiplies all of Q; large factors make the softmax peaked. */
    public RandomInputs scaleQ(float factor) {
        for (int n = 0; n < q.length; n++) {
            q[n] *= factor;
        }
        return this;
    }

    /** Sets one element of Q. */
    public RandomInputs putQ(int b, int head, int row, int channel, float value) {
        q[((b * shape.qHeads() + head) * shape.qoLen() + row) * shape.headDim() + channel] = value;
        return this;
    }

    /** Sets one element of K. */
    public RandomInputs putK(int b, int kvHead, int row, int channel, float value) {
        k[((b * shape.kvHeads() + kvHead) * shape.kvLen() + row) * shape.headDim() + channel] = value;
        return this;
    }

    /** Sets one element of V. */
    public RandomInputs putV(int b, int kvHead, int row, int channel, float value) {
        v[((b * shape.kvHeads() + kvHead) * shape.kvLen() + row) * shape.headDim() + channel] = value;
        return this;
    }

    /** The inputs rounded to a type: not causal, no mask, {@code smScale = 1 / sqrt(headDim)}. */
    public AttentionInputs rounded(DType type) {
        return AttentionInputs.of(
                shape, ModelResult.rounded(q, type), ModelResult.rounded(k, type), ModelResult.rounded(v, type));
    }
}
