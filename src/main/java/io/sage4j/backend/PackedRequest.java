package io.sage4j.backend;

import io.sage4j.AttentionSpec;
import io.sage4j.Tensor;
import java.util.List;

/**
 * A checked call of sequences that lie behind each other in GPU memory.
 *
 * @param all the call as if they were one sequence, without a log-sum-exp; its diagonal has no meaning
 * @param qStarts starts of the sequences in q and, last, its tokens
 * @param kStarts the same of k and v
 * @param causal alignment of each
 * @param lse where each one's log-sum-exp goes; null for nowhere
 */
public record PackedRequest(
        AttentionRequest all, int[] qStarts, int[] kStarts, AttentionSpec.Causal causal, List<Tensor> lse) {
    /** Sequences, empty ones too. */
    int count() {
        return qStarts.length - 1;
    }

    /** Query tokens of a sequence. */
    int qoLen(int sequence) {
        return qStarts[sequence + 1] - qStarts[sequence];
    }

    /** Key tokens of a sequence. */
    int kvLen(int sequence) {
        return kStarts[sequence + 1] - kStarts[sequence];
    }
}
