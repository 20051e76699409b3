package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.numeric.Accumulator;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.QkFormat;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;

/**
 * Which {@link MmaAttention} to generate.
 *
 * @param scheme numeric scheme
 * @param paddedDim channels of the operands, 32, 64, 96 or 128
 * @param causal whether the diagonal hides keys
 * @param lse whether the log-sum-exp is written
 * @param negativeScale whether the score factor is negative
 * @param output FP16 or BF16
 * @param pairedStores whether two neighbouring channels of the output may be stored at once: channels, strides and
 *     pointer
 *     allow 4-byte accesses
 */
public record MmaAttentionSpec(
        Scheme scheme,
        int paddedDim,
        boolean causal,
        boolean lse,
        boolean negativeScale,
        DType output,
        boolean pairedStores) {
    private static final int MAX_DIM = 128;
    private static final int ROW_TILE = 16;
    private static final int WARP = 32;
    private static final int MIN_THREADS = 256;

    /** @throws IllegalArgumentException saying what the kernel cannot do */
    public MmaAttentionSpec {
        if (scheme.qk() != QkFormat.INT8 || scheme.smoothQ()) {
            throw new IllegalArgumentException(
                    "mma attention multiplies INT8 Q and K without smooth Q, not " + scheme.qk());
        }
        if (!scheme.tiles().equals(TileShape.MMA_SYNC)) {
            throw new IllegalArgumentException(
                    "mma attention has tiles " + TileShape.MMA_SYNC + ", not " + scheme.tiles());
        }
        if (scheme.pv() != PvFormat.E4M3 && scheme.pv() != PvFormat.FP16) {
            throw new IllegalArgumentException("mma attention multiplies P and V in E4M3 or FP16, not " + scheme.pv());
        }
        if (scheme.pv() == PvFormat.FP16 && scheme.accumulator() == Accumulator.FP32_FP32) {
            throw new IllegalArgumentException("FP16 P V has FP32, FP16 and FP16_FP32 accumulators, not FP32_FP32");
        }
        if (scheme.granularity() == Granularity.PER_TOKEN || scheme.granularity() == Granularity.PER_TENSOR) {
            throw new IllegalArgumentException(
                    "mma attention has one scale a thread, warp or block, not " + scheme.granularity());
        }
        if (paddedDim <= 0 || paddedDim > MAX_DIM || paddedDim % OperandLayout.DIM_UNIT != 0) {
            throw new IllegalArgumentException("mma attention has 32, 64, 96 or 128 channels, not " + paddedDim);
        }
        if (output != DType.FLOAT16 && output != DType.BFLOAT16) {
            throw new IllegalArgumentException("mma attention writes float16 or bfloat16, not " + output);
        }
    }

    /** Whether P and V are FP8. */
    boolean fp8() {
        return scheme.pv() == PvFormat.E4M3;
    }

    /**
     * Row tiles of 16 rows of a warp: 2 up to 64 channels; with more channels the output of 2 leaves too few registers
     * for the scores, so twice as many warps take 1 each.
     */
    public int rowTiles() {
        return paddedDim <= 64 ? 2 : 1;
    }

    /** Threads of a CTA: 128 or 256. */
    public int threads() {
        return TileShape.MMA_SYNC.blockQ() / (ROW_TILE * rowTiles()) * WARP;
    }

    /** CTAs of a multiprocessor that the registers must admit: with either number of threads, 8 warps. */
    public int minBlocks() {
        return MIN_THREADS / threads();
    }

    /** Registers a thread that {@link #minBlocks()} leaves. */
    public int registerBudget() {
        return Math.min(255, 65536 / MIN_THREADS);
    }
}
