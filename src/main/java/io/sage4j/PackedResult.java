package io.sage4j;

import java.util.List;

/**
 * What a call on packed sequences gave.
 *
 * @param output output of all sequences: shape, layout and type of Q
 * @param sequences results in the order of the sequences. The output of each is a slice of {@code output}, and its
 *     log-sum-exp, if asked for, FP32 [1, num_heads, tokens of the sequence, 1]
 */
public record PackedResult(Tensor output, List<AttentionResult> sequences) {
    /** The results are kept as they are now. */
    public PackedResult {
        sequences = List.copyOf(sequences);
    }
}
