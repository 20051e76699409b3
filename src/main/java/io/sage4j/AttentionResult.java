package io.sage4j;

import io.sage4j.plan.HeavyTails;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/** What a call gave: the output, and how it came about. */
public final class AttentionResult {
    /**
     * Time of one step.
     *
     * @param name step, such as {@code quantize-k}
     * @param nanos time on the device
     */
    public record StepTime(String name, long nanos) {}

    /**
     * What the kernels noticed about the numbers; a field is -1 where nothing counted.
     *
     * @param nonFinite NaN and infinite elements of Q, K and V
     * @param saturated elements of V beyond the range of FP16, where V is FP16 (scaled formats do not saturate)
     * @param vFlushed elements of V that are not zero but were quantized to zero
     * @param vTotal elements of V
     * @param heavyVChannels channels of V, over batch and num_kv_heads, so heavy-tailed that FP16 sums would lose them: if
     *     there are any, {@link #variant()} is the one with FP32 sums. -1 where nothing looked: another kind of variant, too
     *     large a V on the host, or {@link AttentionSpec.Builder#watchV} off
     */
    public record NumericReport(long nonFinite, long saturated, long vFlushed, long vTotal, long heavyVChannels) {
        /** Report of a backend that does not count. */
        public static final NumericReport NOT_COUNTED = new NumericReport(-1, -1, -1, -1, -1);

        /** The same with another number of heavy-tailed channels. */
        public NumericReport withHeavyVChannels(long channels) {
            return new NumericReport(nonFinite, saturated, vFlushed, vTotal, channels);
        }

        /** Whether the backend counted. */
        public boolean isCounted() {
            return vTotal >= 0;
        }

        /** Fraction of V that was flushed to zero, 0..1; NaN if not counted. */
        public double flushedVFraction() {
            return !isCounted() ? Double.NaN : vTotal == 0 ? 0 : (double) vFlushed / vTotal;
        }
    }

    private final Tensor output;
    private final Tensor lse;
    private final List<StepTime> steps;
    private final long totalNanos;
    private final String backend;
    private final String backendReason;
    private final NumericReport report;
    private final Variant chosenVariant;
    private final String variantReason;
    private final String inputs;

    AttentionResult(
            Tensor output,
            Tensor lse,
            List<StepTime> steps,
            long totalNanos,
            String backend,
            String backendReason,
            NumericReport report,
            Variant chosenVariant,
            String variantReason,
            String inputs) {
        this.output = Objects.requireNonNull(output);
        this.lse = lse;
        this.steps = List.copyOf(steps);
        this.totalNanos = totalNanos;
        this.backend = backend;
        this.backendReason = backendReason;
        this.report = report;
        this.chosenVariant = chosenVariant;
        this.variantReason = variantReason;
        this.inputs = inputs;
    }

    /** The output: shape, layout and type of Q. */
    public Tensor output() {
        return output;
    }

    /** Natural log-sum-exp of each row, FP32 [batch, num_heads, qo_len, 1], if it was asked for. */
    public Optional<Tensor> lse() {
        return Optional.ofNullable(lse);
    }

    /** Device time per step, in the order of the steps; on TornadoVM of the first 256 calls of a shape, then none. */
    public List<StepTime> steps() {
        return steps;
    }

    /** Time of the whole call in nanoseconds, copies included, and the first time the backend's start and compilation. */
    public long totalNanos() {
        return totalNanos;
    }

    /**
     * Variant that ran: the spec's, or where it names none what suits the backend that ran, or the one with FP32 sums if V is
     * too heavy-tailed for the FP16 sums of either.
     */
    public Variant variant() {
        return isHeavy() ? HeavyTails.fallback(chosenVariant) : chosenVariant;
    }

    /** Variant that was chosen before V was looked through: {@link #variant()}, but for heavy-tailed V. */
    public Variant chosenVariant() {
        return chosenVariant;
    }

    /** Why {@link #variant()}. */
    public String variantReason() {
        return isHeavy() ? "V is too heavy-tailed for the FP16 sums of " + chosenVariant.name() : variantReason;
    }

    private boolean isHeavy() {
        return report.heavyVChannels() > 0;
    }

    /**
     * What was done to Q, K and V before the kernels got them, such as {@code float32 rounded to float16}; empty if they came
     * as they are.
     */
    public String inputs() {
        return inputs;
    }

    /** Backend that ran. */
    public String backend() {
        return backend;
    }

    /** Why this backend and not a faster one. */
    public String backendReason() {
        return backendReason;
    }

    /** What the kernels noticed about the numbers. */
    public NumericReport report() {
        return report;
    }
}
