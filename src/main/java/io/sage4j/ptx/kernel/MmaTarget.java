package io.sage4j.ptx.kernel;

import io.sage4j.numeric.Accumulator;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;
import io.sage4j.ptx.Arch;

/**
 * What the architecture decides of {@link MmaAttention}: how the codes lie, how many rows a warp takes, and how many tiles
 * of V fit beside each other. Tiles of 128 by 64 keys are the numeric scheme's, so all architectures share them.
 *
 * @param code codes of Q and K
 * @param rowTiles tiles of 16 rows of a warp: 2, which share what is read of K and V; 1, with twice as many warps, where
 *     the output of 2 leaves too few registers for the scores
 * @param vStages tiles of V in shared memory: 2, or 1 where 2 leave no room for the CTAs that the registers admit; then V
 *     is copied while its tile's scores are computed, at the cost of a second barrier a tile
 * @param widened whether codes of P and V are multiplied as FP16 values, which is exact, since the tensor cores lack FP8: the
 *     assembler would do so too, but for each instruction anew, with one more addition
 */
public record MmaTarget(QkCode code, int rowTiles, int vStages, boolean widened) {
    /** Shared memory that a multiprocessor keeps for itself, of each CTA and beside its largest one. */
    private static final int RESERVED = 1024;

    private static final int ROW_TILE = 16;
    /** Channels up to which registers hold two row tiles. */
    private static final int TWO_ROW_TILES = 128;

    /** The same where something else needs more of them. */
    private static final int TWO_CROWDED_ROW_TILES = 64;

    private static final int WARP = 32;
    private static final int MIN_THREADS = 256;
    private static final int ROWS = TileShape.MMA_SYNC.blockQ();
    private static final int KEYS = TileShape.MMA_SYNC.blockK();

    /** @throws IllegalArgumentException if a number is out of range */
    public MmaTarget {
        if (rowTiles < 1 || rowTiles > 2 || vStages < 1 || vStages > 2) {
            throw new IllegalArgumentException("no mma attention with " + rowTiles + " row tiles a warp and " + vStages
                    + " tiles of V, expected 1 or 2 of each");
        }
    }

    /**
     * The target for an architecture.
     *
     * @param lse whether the log-sum-exp is written
     * @throws IllegalArgumentException if a CTA does not fit into its shared memory, or if it has no FP8 where the scheme
     *     needs it
     */
    public static MmaTarget of(Arch arch, Scheme scheme, int paddedDim, boolean lse) {
        boolean fp8 = scheme.pv() == PvFormat.E4M3;
        if (fp8 && arch.sm() < 89) {
            throw new IllegalArgumentException("FP8 P V needs sm_89 or later, this is " + arch.ptx() + ": take variant "
                    + NativeSupport.of(arch).variant());
        }
        QkCode code = QkCode.of(scheme.qk(), arch);
        boolean widened = fp8 && !NativeSupport.of(arch).fp8();
        int rowTiles =
                paddedDim <= TWO_ROW_TILES && !isCrowded(scheme, widened, lse) || paddedDim <= TWO_CROWDED_ROW_TILES
                        ? 2
                        : 1;
        for (int vStages = 2; vStages >= 1; vStages--) {
            MmaTarget target = new MmaTarget(code, rowTiles, vStages, widened);
            int bytes = target.sharedBytes(scheme, paddedDim);
            if (target.minBlocks() * (bytes + RESERVED) <= arch.maxSharedBytes() + RESERVED) {
                return target;
            }
        }
        throw new IllegalArgumentException("mma attention with " + scheme.pv() + " and " + paddedDim
                + " channels needs more shared memory than " + arch.ptx() + " has");
    }

    /** Whether two row tiles would want some registers too many: found by assembling. */
    private static boolean isCrowded(Scheme scheme, boolean widened, boolean lse) {
        if (scheme.pv() == PvFormat.E4M3) {
            // A sum of a tile in four registers; where V is widened, doing so once more would cost more than spilling.
            return !widened && (lse || scheme.accumulator() == Accumulator.FP32_FP32);
        }
        return lse || scheme.smoothQ() || scheme.smoothV();
    }

    /** Channels of the operands for a head_dim: filled up to whole instructions. */
    public static int paddedDim(int headDim) {
        return Math.ceilDiv(headDim, QkCode.DIM_UNIT) * QkCode.DIM_UNIT;
    }

    /** Threads of a CTA: 128 or 256. */
    public int threads() {
        return ROWS / (ROW_TILE * rowTiles) * WARP;
    }

    /** CTAs of a multiprocessor that the registers must admit: with either number of threads, 8 warps. */
    public int minBlocks() {
        return MIN_THREADS / threads();
    }

    /** Shared memory of a CTA: Q, two tiles of K, one or two of V, and with smooth Q two rows of 64 shifts. */
    public int sharedBytes(Scheme scheme, int paddedDim) {
        int vBytes = scheme.pv() == PvFormat.E4M3 ? 1 : 2;
        int qk = (ROWS + 2 * KEYS) * code.rowBytes(paddedDim);
        int shifts = scheme.smoothQ() ? 2 * KEYS * Float.BYTES : 0;
        return qk + vStages * KEYS * paddedDim * vBytes + shifts;
    }
}
