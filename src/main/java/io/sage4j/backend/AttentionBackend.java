package io.sage4j.backend;

import io.sage4j.AttentionResult.NumericReport;
import io.sage4j.AttentionResult.StepTime;
import java.util.List;

/** One way to run attention. Implementations are thread-safe. */
public interface AttentionBackend extends BackendRules, AutoCloseable {
    /**
     * What a run tells besides its output.
     *
     * @param steps device time per step
     * @param report what the kernels noticed about the numbers, heavy-tailed channels of V if the request asks for it
     * @param inputs what was done to Q, K and V before the kernels got them; empty for nothing
     */
    record Execution(List<StepTime> steps, NumericReport report, String inputs) {}

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
