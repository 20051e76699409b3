package io.sage4j.numeric;

import java.util.List;

/** Rungs of the ladder of Java attention kernels, from the plainest to those on tensor cores. */
public enum Rung {
    /** Three passes with the whole score matrix in memory: Q K^T, softmax, P V. */
    NAIVE,
    /** Online softmax over tiles of keys, one work-item a row, no local memory. */
    TILED,
    /** Online softmax with a work-group per tile of Q and K, V tiles in local memory. */
    FLASH,
    /** The flash kernel on quantized operands. */
    QUANTIZED,
    /** Quantized, Q K^T on tensor cores in INT8, P V in FP16. */
    MMA_FP16,
    /** Quantized, Q K^T on tensor cores in INT8, P V in FP8 (E4M3). */
    MMA_FP8;

    /** Whether the kernel takes quantized operands. */
    public boolean isQuantized() {
        return this == QUANTIZED || usesTensorCores();
    }

    /** Whether the kernel uses the MMA operations of TornadoVM. */
    public boolean usesTensorCores() {
        return this == MMA_FP16 || this == MMA_FP8;
    }

    /**
     * Backends of TornadoVM that have the operations of this kernel, by the names of sage4j: {@code opencl}, {@code ptx},
     * {@code cuda}. tornado-jvm has all.
     */
    public List<String> tornadoBackends() {
        return switch (this) {
            case NAIVE, TILED, FLASH, QUANTIZED -> List.of("opencl", "ptx", "cuda");
            case MMA_FP16 -> List.of("ptx", "cuda");
            case MMA_FP8 -> List.of("cuda");
        };
    }

    /**
     * Checks that this kernel computes a scheme.
     *
     * @throws IllegalArgumentException if it does not, saying what it computes
     */
    public void requireFits(Scheme scheme) {
        if (isQuantized() != scheme.isQuantized()) {
            throw new IllegalArgumentException("rung " + this + " does not fit a scheme with QK in " + scheme.qk());
        }
        PvFormat pv = this == MMA_FP16 ? PvFormat.FP16 : PvFormat.E4M3;
        if (usesTensorCores()
                && !(scheme.pv() == pv
                        && scheme.accumulator() == Accumulator.FP32_FP32
                        && scheme.tiles().equals(TileShape.WGMMA))) {
            throw new IllegalArgumentException("rung " + this + " computes PV in " + pv
                    + " with sums FP32_FP32 on tiles of 64 x 128, not in " + scheme.pv() + " with "
                    + scheme.accumulator() + " on tiles of " + scheme.tiles().blockQ() + " x "
                    + scheme.tiles().blockK());
        }
    }
}
