package io.sage4j.ptx.model;

/** What instructions of a multiprocessor compete for. */
public enum Pipe {
    /** Tensor cores. */
    TENSOR("tensor cores"),
    /** FP32 addition and multiplication. */
    FMA("FP32"),
    /** Integer and logical instructions, comparisons, selections, and packing conversions. */
    ALU("integer"),
    /** FP16 arithmetic, and FP16 to FP32. */
    HALF("FP16"),
    /** Exponentials, logarithms, reciprocals. */
    SPECIAL("exponential"),
    /** Shared memory: 128 bytes a cycle. */
    SHARED("shared memory"),
    /** Instructions that the four schedulers can start. */
    ISSUE("issue");

    private final String words;

    Pipe(String words) {
        this.words = words;
    }

    @Override
    public String toString() {
        return words;
    }
}
