package io.sage4j.numeric;

/**
 * How many rows of Q or K share one quantization scale, from coarse to fine (SageAttention2, section 3.2).
 *
 * <p>A scale never crosses a (batch, head) pair.
 */
public enum Granularity {
    /** One scale per (batch, head) matrix. */
    PER_TENSOR,
    /** One scale per tile of the attention kernel: {@link TileShape#blockQ()} rows of Q, {@code blockK} rows of K. */
    PER_BLOCK,
    /** One Q scale per warp of the attention kernel ({@code warpQ} rows); K as per block. */
    PER_WARP,
    /** The rows whose scores one thread of an MMA accumulator holds (SageAttention2, equation 8). */
    PER_THREAD,
    /** One scale per row. */
    PER_TOKEN
}
