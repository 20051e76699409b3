package io.sage4j.numeric;

/**
 * Tile of an attention kernel in rows of Q and K; the quantization groups follow it.
 *
 * @param blockQ rows of Q that one work-group attends, a multiple of {@code warpQ}
 * @param warpQ rows of Q that one warp attends, a multiple of 8
 * @param blockK rows of K and V in one step of the online softmax, a multiple of {@code warpK} and of 32
 * @param warpK rows of K that one per-thread scale group spans, a multiple of 8
 */
public record TileShape(int blockQ, int warpQ, int blockK, int warpK) {
    /** Tile of the {@code mma.sync} kernels (sm_80, sm_86, sm_89, sm_120). */
    public static final TileShape MMA_SYNC = new TileShape(128, 32, 64, 64);
    /** The same with 16-row warps: upstream's sm_80 kernel at head_dim 128 with FP16+FP32 accumulation. */
    public static final TileShape MMA_SYNC_WARP16 = new TileShape(128, 16, 64, 64);
    /** Tile of the {@code wgmma} kernels (sm_90a). */
    public static final TileShape WGMMA = new TileShape(64, 16, 128, 128);

    /** @throws IllegalArgumentException if a size is not positive or not the multiple that is required */
    public TileShape {
        requireMultiple("warpQ", warpQ, 8);
        requireMultiple("blockQ", blockQ, warpQ);
        requireMultiple("warpK", warpK, 8);
        requireMultiple("blockK", blockK, warpK);
        requireMultiple("blockK", blockK, 32);
    }

    @Override
    public String toString() {
        return blockQ + "x" + blockK + " with warps of " + warpQ + "x" + warpK;
    }

    private static void requireMultiple(String name, int value, int unit) {
        if (value <= 0 || value % unit != 0) {
            throw new IllegalArgumentException(name + " is " + value + ", expected a positive multiple of " + unit);
        }
    }
}
