package io.sage4j.backend;

import io.sage4j.AttentionResult.NumericReport;
import io.sage4j.AttentionResult.StepTime;
import io.sage4j.Variant;
import io.sage4j.plan.Refusal;
import java.util.List;
import java.util.Optional;

/** One way to run attention. Implementations are thread-safe. */
public interface AttentionBackend extends AutoCloseable {
    /**
     * What a run tells besides its output.
     *
     * @param steps device time per step
     * @param report what the kernels noticed about the numbers, heavy-tailed channels of V if the request asks for it
     * @param inputs what was done to Q, K and V before the kernels got them; empty for nothing
     */
    record Execution(List<StepTime> steps, NumericReport report, String inputs) {}

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
     * Why it does not take a call, with which {@link #attend} would fail; empty if it does. Quick: nothing is laid out or
     * generated for the answer.
     */
    Optional<Refusal> refusal(AttentionRequest request);

    /**
     * Computes attention into the output tensors of the request.
     *
     * @throws io.sage4j.SageException if the backend cannot run it, with the reason; the outputs are then undefined
     */
    Execution attend(AttentionRequest request);

    /** Frees what the backend holds. Closing twice is harmless. */
    @Override
    void close();
}
