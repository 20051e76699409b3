package io.sage4j;

import io.sage4j.backend.DeviceBackend;
import io.sage4j.plan.HeavyTails;
import java.util.Optional;

/**
 * A call on tensors in a GPU's memory that is checked, compiled and laid out, to be queued again and again on its stream;
 * what the tensors hold may change in between. It has scratch memory of its own, so runs of one call must follow each
 * other: on its stream they do. Made by {@link Sage#prepare}.
 *
 * <p>{@link #enqueue} launches kernels and does nothing else, so it may be captured into a CUDA graph of the caller's. The
 * tensors, and this call, must stay open as long as such a graph is launched.
 */
public final class AttentionCall implements AutoCloseable {
    private final Sage sage;
    private final DeviceBackend.Prepared prepared;
    private final Variant variant;
    private final Tensor output;
    private final Tensor lse;

    AttentionCall(Sage sage, DeviceBackend.Prepared prepared, Variant variant, Tensor output, Tensor lse) {
        this.sage = sage;
        this.prepared = prepared;
        this.variant = variant;
        this.output = output;
        this.lse = lse;
    }

    /**
     * Queues the call once more and returns.
     *
     * @throws SageException if the call or its Sage is closed, or the driver refuses it. What a kernel does wrong shows
     *     when the stream is waited for
     */
    public void enqueue() {
        sage.requireOpen();
        prepared.enqueue();
    }

    /**
     * Queues the call some times, one run behind the other, and waits: for measurements.
     *
     * @param runs how often, at least 1
     * @return time that the GPU took for each run, in nanoseconds, from the end of the run before
     */
    public long[] time(int runs) {
        sage.requireOpen();
        if (runs < 1) {
            throw new SageException("runs is " + runs + ", expected at least 1");
        }
        return prepared.time(runs);
    }

    /** Where the output goes. */
    public Tensor output() {
        return output;
    }

    /** Where the natural log-sum-exp of each row goes, FP32 [batch, num_heads, qo_len, 1], if it was asked for. */
    public Optional<Tensor> lse() {
        return Optional.ofNullable(lse);
    }

    /**
     * Waits for what its stream has queued, and tells the variant that the last run took: the spec's, or {@link
     * Sage#variantFor}'s, before the first run too; the one with FP32 sums if the last run found V too heavy-tailed for FP16
     * sums.
     */
    public Variant variant() {
        return heavyVChannels() > 0 ? HeavyTails.fallback(variant) : variant;
    }

    /**
     * Waits for what its stream has queued, and tells how many channels of V, over batch and num_kv_heads, the last run found
     * too heavy-tailed for FP16 sums: 0 before the first run, -1 if it does not look.
     */
    public long heavyVChannels() {
        sage.requireOpen();
        return prepared.heavyVChannels();
    }

    /** GPU memory that this call holds besides its tensors, in bytes. */
    public long scratchBytes() {
        return prepared.scratchBytes();
    }

    /** Waits for its runs and gives its memory back. Closing twice is harmless. */
    @Override
    public void close() {
        prepared.close();
    }
}
