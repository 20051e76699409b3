package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.numeric.Accumulator;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.QkFormat;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;

/**
 * Which {@link MmaAttention} to generate.
 *
 * @param scheme numeric scheme
 * @param paddedDim channels of the operands: a multiple of 32 up to 256, 192 with FP8 P V, 128 with smooth Q
 * @param target what the architecture decides
 * @param causal whether the diagonal hides keys
 * @param lse whether the log-sum-exp is written
 * @param negativeScale whether the score factor is negative
 * @param output FP16 or BF16
 * @param pairedStores whether two neighbouring channels of the output may be stored at once: channels, strides and
 *     pointer
 *     allow 4-byte accesses
 * @param watch when it runs
 */
public record MmaAttentionSpec(
        Scheme scheme,
        int paddedDim,
        MmaTarget target,
        boolean causal,
        boolean lse,
        boolean negativeScale,
        DType output,
        boolean pairedStores,
        Watch watch) {
    /** Largest number of channels. */
    public static final int MAX_DIM = 256;

    /** Largest number of channels with FP8 P V: with more of them registers are spilled. */
    public static final int MAX_FP8_DIM = 192;

    private static final int MIN_THREADS = 256;
    private static final int MAX_REGISTERS = 255;

    /** @throws IllegalArgumentException saying what the kernel cannot do */
    public MmaAttentionSpec {
        if (scheme.qk() != target.code().format()) {
            throw new IllegalArgumentException(
                    "mma attention's codes are " + target.code() + ", the scheme has " + scheme.qk());
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
        boolean e4m3 = scheme.pv() == PvFormat.E4M3;
        int most = scheme.smoothQ() ? DeltaS.MAX_DIM : e4m3 ? MAX_FP8_DIM : MAX_DIM;
        if (paddedDim <= 0 || paddedDim > most || paddedDim % QkCode.DIM_UNIT != 0) {
            throw new IllegalArgumentException("mma attention has a multiple of " + QkCode.DIM_UNIT + " channels up to "
                    + most + (scheme.smoothQ() ? " with smooth Q" : e4m3 ? " with FP8 P V" : "") + ", not "
                    + paddedDim);
        }
        if (output != DType.FLOAT16 && output != DType.BFLOAT16) {
            throw new IllegalArgumentException("mma attention writes float16 or bfloat16, not " + output);
        }
    }

    /** One that always runs. */
    public MmaAttentionSpec(
            Scheme scheme,
            int paddedDim,
            MmaTarget target,
            boolean causal,
            boolean lse,
            boolean negativeScale,
            DType output,
            boolean pairedStores) {
        this(scheme, paddedDim, target, causal, lse, negativeScale, output, pairedStores, Watch.NONE);
    }

    /**
     * Whether p is added up as it was before rounding: the log-sum-exp needs that; and where the tensor cores have most to do,
     * with INT8 scores and FP32 sums of tiles in FP8, one row tile to a warp, a column of ones would cost more than it saves.
     * Else the tensor cores add P up.
     */
    public boolean addsP() {
        boolean tensorBound = scheme.qk() == QkFormat.INT8 && scheme.accumulator() == Accumulator.FP32_FP32;
        return lse || tensorBound && rowTiles() == 1;
    }

    /**
     * Whether sums of tiles without a mask are {@link FloatScores}: the log-sum-exp would show their rounding, and so would the
     * score scales of INT4, which are 300 times those of INT8. With smooth Q it is the shifts that are rounded.
     */
    boolean floatScores() {
        return scheme.qk() == QkFormat.INT8 && !lse && !scheme.smoothQ();
    }

    /** Whether all sums are {@link FloatScores}, exact, and smooth Q's shifts on a {@link io.sage4j.numeric.ShiftGrid}. */
    boolean roundsShifts() {
        return scheme.smoothQ() && !lse;
    }

    /** Whether P and V are FP8. */
    boolean fp8() {
        return scheme.pv() == PvFormat.E4M3;
    }

    /** Row tiles of 16 rows of a warp. */
    public int rowTiles() {
        return target.rowTiles();
    }

    /** Threads of a CTA: 128 or 256. */
    public int threads() {
        return target.threads();
    }

    /** CTAs of a multiprocessor that the registers must admit. */
    public int minBlocks() {
        return target.minBlocks();
    }

    /** Registers a thread that {@link #minBlocks()} leaves. */
    public int registerBudget() {
        return Math.min(MAX_REGISTERS, 65536 / MIN_THREADS);
    }
}
