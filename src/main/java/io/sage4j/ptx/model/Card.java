package io.sage4j.ptx.model;

import io.sage4j.ptx.Arch;
import io.sage4j.ptx.MmaShape;

/**
 * A GPU's published rates. Tensor rates follow from the dense peak of the maker's papers (Ada and Blackwell GeForce
 * architecture papers, data sheets of A100, L20 and L40S): peak / (2 * multiprocessors * boost clock), which comes out as a
 * power of two within 2 %. The others are the CUDA programming guide's table of throughput per multiprocessor and cycle.
 */
public enum Card {
    /** GeForce RTX 4090: 660.6 TOPS in INT8 and in FP8 with FP16 sums, 330.3 with FP32 sums. */
    RTX_4090("RTX 4090", Arch.SM_89, 128, 2.52, 1024, 2048, 1024, 512, 512, 256, 128),
    /** GeForce RTX 5090: 838 TOPS in INT8 and in FP8 with FP16 sums, 419 with FP32 sums; no INT4. */
    RTX_5090("RTX 5090", Arch.SM_120, 170, 2.407, 1024, 1024, 1024, 512, 512, 256, 128),
    /** L20: 239 TOPS in INT8 and in FP8, with either sums. */
    L20("L20", Arch.SM_89, 92, 2.52, 512, 512, 512, 512, 256, 256, 128),
    /** L40S: 733 TOPS in INT8, INT4 and FP8, with either sums. */
    L40S("L40S", Arch.SM_89, 142, 2.52, 1024, 1024, 1024, 1024, 512, 512, 128),
    /** A100: 624 TOPS in INT8, 1248 in INT4, 312 in FP16 with either sums. */
    A100("A100", Arch.SM_80, 108, 1.41, 2048, 4096, 0, 0, 1024, 1024, 64),
    /** GeForce RTX 3090: 284 TOPS in INT8, 568 in INT4, 142 in FP16 with FP16 sums, 71 with FP32 sums. */
    RTX_3090("RTX 3090", Arch.SM_86, 82, 1.695, 1024, 2048, 0, 0, 512, 256, 128);

    private static final int INTEGER_LANES = 64;
    private static final int SPECIAL_LANES = 16;
    private static final int SHARED_BYTES = 128;
    private static final int SCHEDULERS = 4;
    private static final int WARP = 32;

    private final String words;
    private final Arch arch;
    private final int multiprocessors;
    private final double gigahertz;
    private final int int8;
    private final int int4;
    private final int fp8Half;
    private final int fp8Single;
    private final int halfHalf;
    private final int halfSingle;
    private final int fp32;

    Card(
            String words,
            Arch arch,
            int multiprocessors,
            double gigahertz,
            int int8,
            int int4,
            int fp8Half,
            int fp8Single,
            int halfHalf,
            int halfSingle,
            int fp32) {
        this.words = words;
        this.arch = arch;
        this.multiprocessors = multiprocessors;
        this.gigahertz = gigahertz;
        this.int8 = int8;
        this.int4 = int4;
        this.fp8Half = fp8Half;
        this.fp8Single = fp8Single;
        this.halfHalf = halfHalf;
        this.halfSingle = halfSingle;
        this.fp32 = fp32;
    }

    /** Target of its kernels. */
    public Arch arch() {
        return arch;
    }

    /** Multiprocessors. */
    public int multiprocessors() {
        return multiprocessors;
    }

    /** Boost clock. */
    public double gigahertz() {
        return gigahertz;
    }

    /**
     * Multiply-accumulates of a multiprocessor in a cycle.
     *
     * @throws IllegalArgumentException if its tensor cores lack the instruction
     */
    public int tensor(MmaShape shape) {
        int rate =
                switch (shape) {
                    case S8 -> int8;
                    case S4, S4_HALF -> int4;
                    case E4M3_F16 -> fp8Half;
                    case E4M3_F32 -> fp8Single;
                    case F16_F16 -> halfHalf;
                    case F16_F32 -> halfSingle;
                };
        if (rate == 0) {
            throw new IllegalArgumentException(this + " has no " + shape.opcode());
        }
        return rate;
    }

    /** What a pipe does in a cycle: lanes; bytes for shared memory; lanes of started instructions for {@link Pipe#ISSUE}. */
    public int rate(Pipe pipe) {
        return switch (pipe) {
            case FMA -> fp32;
            case ALU, HALF -> INTEGER_LANES;
            case SPECIAL -> SPECIAL_LANES;
            case SHARED -> SHARED_BYTES;
            case ISSUE -> SCHEDULERS * WARP;
            case TENSOR -> throw new IllegalArgumentException("the rate of tensor cores depends on the instruction");
        };
    }

    @Override
    public String toString() {
        return words;
    }
}
