package io.sage4j.numeric;

/** Rungs of the ladder of Java attention kernels, from the plainest to the quantized one. */
public enum Rung {
    /** Three passes with the whole score matrix in memory: Q K^T, softmax, P V. */
    NAIVE,
    /** Online softmax over tiles of keys, one work-item a row, no local memory. */
    TILED,
    /** Online softmax with a work-group per tile of Q and K, V tiles in local memory. */
    FLASH,
    /** The flash kernel on quantized operands. */
    QUANTIZED
}
