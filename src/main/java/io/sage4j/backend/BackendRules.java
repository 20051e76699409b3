package io.sage4j.backend;

import io.sage4j.Variant;
import io.sage4j.plan.Refusal;
import java.util.Optional;

/** What a backend takes, and how it wants it. Implementations are thread-safe. */
public interface BackendRules {
    /** Name, as one asks for it: {@code jvm}, {@code tornado:opencl}, {@code cuda}. */
    String name();

    /** Whether it looks V through for heavy tails where a request asks for it; else the host has to. */
    default boolean watchesV() {
        return false;
    }

    /**
     * The variant for calls that name none.
     *
     * @param headDim channels
     */
    default Choice variantFor(int headDim) {
        return new Choice(Variant.INT8_FP8_F16ACC, "default of backend " + name());
    }

    /**
     * A variant, and why it is the one.
     *
     * @param reason for people
     */
    record Choice(Variant variant, String reason) {}

    /**
     * Why it does not take a call, with which {@link AttentionBackend#attend} would fail; empty if it does. Quick: nothing is
     * laid out or generated for the answer.
     */
    Optional<Refusal> refusal(AttentionRequest request);
}
