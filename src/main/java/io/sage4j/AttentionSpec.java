package io.sage4j;

import io.sage4j.numeric.Numbers;
import io.sage4j.plan.AttentionProblem;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * What to compute: {@code softmax(sm_scale * Q K^T + mask) V}, by which variant, on tensors of which layout. Immutable.
 */
public final class AttentionSpec {
    /** Which keys a query sees when attention is causal. */
    public enum Causal {
        /** All keys. */
        NONE,
        /** Key j of query i if {@code j <= i}: the first query is aligned with the first key. */
        TOP_LEFT,
        /** Key j of query i if {@code j <= i + kv_len - qo_len}: the last query sees all keys, as with a KV cache. */
        BOTTOM_RIGHT;

        /**
         * Query i sees key j if {@code j <= i + diagonal}.
         *
         * @param qoLen query tokens
         * @param kvLen key tokens
         */
        public int diagonal(int qoLen, int kvLen) {
            return switch (this) {
                case NONE -> AttentionProblem.NOT_CAUSAL;
                case TOP_LEFT -> 0;
                case BOTTOM_RIGHT -> kvLen - qoLen;
            };
        }
    }

    private static final AttentionSpec DEFAULTS = builder().build();

    private final Variant variant;
    private final Causal causal;
    private final Layout layout;
    private final Float smScale;
    private final boolean lse;
    private final Tensor mask;
    private final boolean watchV;

    private AttentionSpec(Builder b) {
        variant = b.variant;
        causal = b.causal;
        layout = b.layout;
        smScale = b.smScale;
        lse = b.lse;
        mask = b.mask;
        watchV = b.watchV;
    }

    /** No variant named, so that the backend that runs decides; not causal, {@link Layout#HND}, sm_scale 1/sqrt(head_dim), no mask, no lse. */
    public static AttentionSpec defaults() {
        return DEFAULTS;
    }

    /** A builder that starts from {@link #defaults()}. */
    public static Builder builder() {
        return new Builder();
    }

    /** How it is computed; empty for what suits the backend that runs, {@link Sage#variantFor}. */
    public Optional<Variant> variant() {
        return Optional.ofNullable(variant);
    }

    /** Which keys a query sees. */
    public Causal causal() {
        return causal;
    }

    /** Order of the dimensions of Q, K, V and the output. */
    public Layout layout() {
        return layout;
    }

    /** Factor of the scores before the softmax; empty for 1/sqrt(head_dim). */
    public OptionalDouble smScale() {
        return smScale == null ? OptionalDouble.empty() : OptionalDouble.of(smScale);
    }

    /** Whether the log-sum-exp of each row is wanted. */
    public boolean lse() {
        return lse;
    }

    /** The mask. */
    public Optional<Tensor> mask() {
        return Optional.ofNullable(mask);
    }

    /** Whether a V that is too heavy-tailed for FP16 sums is looked for. */
    public boolean watchesV() {
        return watchV;
    }

    /** Collects the choices of an {@link AttentionSpec}. */
    public static final class Builder {
        private Variant variant;
        private Causal causal = Causal.NONE;
        private Layout layout = Layout.HND;
        private Float smScale;
        private boolean lse;
        private Tensor mask;
        private boolean watchV = true;

        private Builder() {}

        /** How to compute it: this variant or none. Without this call the backend that runs decides, {@link Sage#variantFor}. */
        public Builder variant(Variant value) {
            variant = SageException.requireArgument(value, "variant");
            return this;
        }

        /** Which keys a query sees. */
        public Builder causal(Causal value) {
            causal = SageException.requireArgument(value, "causal");
            return this;
        }

        /** Order of the dimensions of Q, K, V and the output. */
        public Builder layout(Layout value) {
            layout = SageException.requireArgument(value, "layout");
            return this;
        }

        /**
         * Factor of the scores before the softmax.
         *
         * @param value a number that is finite in FP32, also times log2(e)
         * @throws SageException if it is not
         */
        public Builder smScale(double value) {
            if (!Float.isFinite((float) value * Numbers.LOG2E)) {
                throw new SageException("sm_scale is " + value
                        + ", expected a number that is finite in FP32 times log2(e)," + " at most 2.3e38 in magnitude");
            }
            smScale = (float) value;
            return this;
        }

        /** Whether the natural log-sum-exp of each row is wanted. */
        public Builder lse(boolean value) {
            lse = value;
            return this;
        }

        /**
         * A mask that broadcasts to [batch, num_heads, qo_len, kv_len] (in this order for both layouts): sizes are equal or
         * 1. Booleans: the pair takes part where true. Numbers: added to the scaled score, in natural units; -inf masks out.
         *
         * @param value the mask, or null for none
         */
        public Builder mask(Tensor value) {
            mask = value;
            return this;
        }

        /**
         * Whether, for a variant that sums E4M3 products in FP16, V is looked through for channels so heavy-tailed that
         * more than 5 % of their tokens would become zero in the narrow range that such sums allow; the call then runs with
         * FP32 sums and V's full range instead, and its result says so. On by default. Backend {@code cuda} looks on the GPU
         * and does not wait for what it finds; the others look on the host, where tensors of more than 2^31 - 1 elements are
         * not looked through.
         */
        public Builder watchV(boolean value) {
            watchV = value;
            return this;
        }

        /** The spec. */
        public AttentionSpec build() {
            return new AttentionSpec(this);
        }
    }
}
