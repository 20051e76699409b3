package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.numeric.Accumulator;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.QkFormat;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;
import io.sage4j.numeric.WgmmaLayout;

/**
 * Which {@link WgmmaAttention} to generate.
 *
 * @param scheme numeric scheme, on Hopper tiles
 * @param paddedDim channels of the operands, 64 or 128
 * @param causal whether the diagonal hides keys
 * @param lse whether the log-sum-exp is written
 * @param output FP16 or BF16, of Q too where it comes as it is
 * @param stores how the output may be written
 * @param watch when it runs
 * @param quantizesQ whether Q comes as it is, in the type of the output, and is quantized on the way ({@link WgmmaQuery}):
 *     strides and pointer allow 16-byte accesses, and there are whole eights of channels
 * @param packed whether it attends sequences that lie behind each other, each for itself ({@link SequenceTable})
 */
public record WgmmaAttentionSpec(
        Scheme scheme,
        int paddedDim,
        boolean causal,
        boolean lse,
        DType output,
        Stores stores,
        Watch watch,
        boolean quantizesQ,
        boolean packed) {
    private static final int WARPGROUP = 128;

    /** Accesses of the output that channels, strides and pointer allow. */
    public enum Stores {
        /** Channel by channel. */
        SINGLE,
        /** Two neighbouring channels, 4 bytes. */
        PAIRED,
        /** Eight neighbouring channels, 16 bytes: whole rows, by way of shared memory. */
        WIDE,
        /** None yet: the keys of each 64 rows are split, and {@link JoinParts} joins what is written of each part. */
        PARTS
    }

    /** @throws IllegalArgumentException saying what the kernel cannot do */
    public WgmmaAttentionSpec {
        if (scheme.qk() != QkFormat.INT8 || scheme.smoothQ()) {
            throw new IllegalArgumentException(
                    "wgmma attention multiplies INT8 Q and K without smooth Q, not " + scheme.qk());
        }
        if (!scheme.tiles().equals(TileShape.WGMMA)) {
            throw new IllegalArgumentException(
                    "wgmma attention has tiles " + TileShape.WGMMA + ", not " + scheme.tiles());
        }
        boolean known =
                switch (scheme.pv()) {
                    case E4M3 -> scheme.accumulator().isTwoLevel();
                    case E4M3_FAST -> true;
                    case FP16 -> scheme.accumulator() == Accumulator.FP32;
                    default -> false;
                };
        if (!known) {
            throw new IllegalArgumentException("wgmma attention multiplies P and V in E4M3, summed anew in each tile"
                    + " (FP32_FP32 or FP16_FP32), or in FP16 with FP32 sums, not " + scheme.pv() + " in "
                    + scheme.accumulator());
        }
        if (scheme.granularity() == Granularity.PER_TOKEN || scheme.granularity() == Granularity.PER_TENSOR) {
            throw new IllegalArgumentException(
                    "wgmma attention has one scale a thread, warp or block, not " + scheme.granularity());
        }
        if (paddedDim != WgmmaLayout.MAX_DIM && paddedDim != WgmmaLayout.MAX_DIM / 2) {
            throw new IllegalArgumentException("wgmma attention has 64 or 128 channels, not " + paddedDim);
        }
        if (stores == Stores.PARTS && lse) {
            throw new IllegalArgumentException("wgmma attention that splits keys leaves the log-sum-exp to the join");
        }
        if (packed && (stores == Stores.PARTS || watch != Watch.NONE || !quantizesQ)) {
            throw new IllegalArgumentException(
                    "wgmma attention of packed sequences quantizes Q, does not watch V and does not split keys");
        }
        if (output != DType.FLOAT16 && output != DType.BFLOAT16) {
            throw new IllegalArgumentException("wgmma attention writes float16 or bfloat16, not " + output);
        }
    }

    /** One that always runs. */
    public WgmmaAttentionSpec(
            Scheme scheme,
            int paddedDim,
            boolean causal,
            boolean lse,
            DType output,
            Stores stores,
            boolean quantizesQ) {
        this(scheme, paddedDim, causal, lse, output, stores, Watch.NONE, quantizesQ);
    }

    /** One that attends what is no packed sequences. */
    public WgmmaAttentionSpec(
            Scheme scheme,
            int paddedDim,
            boolean causal,
            boolean lse,
            DType output,
            Stores stores,
            Watch watch,
            boolean quantizesQ) {
        this(scheme, paddedDim, causal, lse, output, stores, watch, quantizesQ, false);
    }

    /** The one that attends the same with the keys split. */
    public WgmmaAttentionSpec inParts() {
        return new WgmmaAttentionSpec(scheme, paddedDim, causal, false, output, Stores.PARTS, watch, quantizesQ);
    }

    /** The one that attends packed sequences so. */
    public WgmmaAttentionSpec ofSequences() {
        return new WgmmaAttentionSpec(scheme, paddedDim, causal, lse, output, stores, watch, quantizesQ, true);
    }

    /** Whether a tile's P V is summed in FP16. */
    boolean halfSums() {
        return scheme.accumulator() == Accumulator.FP16_FP32;
    }

    /** Whether its warpgroups attend the same rows, each with some of their keys, and write their sums as they are. */
    boolean splitsKeys() {
        return stores == Stores.PARTS;
    }

    /** Whether its CTAs may take every second round backwards: work tiles differ in length. */
    boolean takesTurns() {
        return causal && !splitsKeys() || packed;
    }

    /** Whether the end of a work tile needs the maxima of its rows. */
    boolean keepsMax() {
        return lse || splitsKeys();
    }

    /** Whether the output is multiplied by V's scales. */
    boolean appliesVScale() {
        return scheme.pv().scalesV() && !splitsKeys();
    }

    /** Whether V's means are added to the output. */
    boolean addsVMean() {
        return scheme.smoothV() && !splitsKeys();
    }

    /** Whether P and V are FP16, summed in FP32 from the first tile to the last. */
    boolean fp16() {
        return scheme.pv() == PvFormat.FP16;
    }

    /** Whether half of P is coded by {@link io.sage4j.numeric.ExponentCode}. */
    boolean fast() {
        return scheme.pv() == PvFormat.E4M3_FAST;
    }

    /** Whether P goes through shared memory: three warpgroups have no registers for it beside FP32 sums. */
    boolean sharedP() {
        return paddedDim < WgmmaLayout.MAX_DIM && !fp16() && !halfSums();
    }

    /** Tiles of K and of V in shared memory at a time, a power of two. */
    int stages() {
        if (fp16()) {
            return paddedDim == WgmmaLayout.MAX_DIM ? 2 : 4;
        }
        // Three warpgroups with keys of their own hold more of them at a time.
        return splitsKeys() && consumers() > 2 ? 8 : 4;
    }

    /**
     * Whether K and V of a key tile share their stage's barriers: one wait and one arrival a pass instead of two each. K's stage
     * is then held a pass longer, for which two stages are too few, and so are those that each warpgroup has of its own.
     */
    boolean pairsTiles() {
        return stages() > 2 && !splitsKeys();
    }

    /** Swizzled images of 128-byte rows that make up a tile of V: FP16 has 64 keys in each of two. */
    int vParts() {
        return fp16() ? 2 : 1;
    }

    /** Warpgroups that attend 64 rows; one more copies. Fewer channels leave registers for a third one. */
    public int consumers() {
        return consumers(paddedDim);
    }

    /** The same, of so many padded channels. */
    public static int consumers(int paddedDim) {
        return paddedDim == WgmmaLayout.MAX_DIM ? 2 : 3;
    }

    /** Rows of Q that a CTA attends at a time. */
    public int rows() {
        return qTiles() * WgmmaLayout.Q_ROWS;
    }

    /** Tiles of 64 rows of Q that a CTA attends at a time. */
    int qTiles() {
        return consumers() / keySharers();
    }

    /** Warpgroups that take the key tiles of the same rows in turn. */
    public int keySharers() {
        return splitsKeys() ? consumers() : 1;
    }

    /** Threads of a CTA. */
    public int threads() {
        return (consumers() + 1) * WARPGROUP;
    }

    /** Registers of a thread that attends, a share of the 512 that four threads of different warpgroups have. */
    public int consumerRegisters() {
        return consumers() == 2 ? 240 : 160;
    }

    /** Whether the warps that quantize Q of packed sequences look the next work tile up ahead: with 128 channels that was slower. */
    boolean looksAhead() {
        return packed && consumers() > 2;
    }

    /**
     * Warps of the copying warpgroup that quantize Q, if they do: all, so that no sub-partition has more to do than the
     * others, where that was faster (docs/hopper-kernel.md) and the registers suffice; else those that copy nothing.
     */
    int queryWarps() {
        if (splitsKeys()) {
            // One copies K, one V.
            return 2;
        }
        // Where it looks ahead, the copying warp has no register left for it.
        boolean gains = consumers() > 2 && !fast() && !halfSums() && !looksAhead();
        return gains && stores == Stores.WIDE ? 4 : 3;
    }

    /** Whether the warp that copies quantizes Q too. */
    boolean copierQuantizes() {
        return quantizesQ && queryWarps() == 4;
    }

    /** Registers of a thread of the copying warpgroup. */
    public int producerRegisters() {
        return copierQuantizes() || looksAhead() ? 32 : 24;
    }
}
