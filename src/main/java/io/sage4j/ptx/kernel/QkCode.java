package io.sage4j.ptx.kernel;

import io.sage4j.numeric.QkFormat;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.MmaShape;

/** How the {@code mma.sync} kernels have the codes of Q and K in memory, and which instruction multiplies them. */
public enum QkCode {
    /** INT8, a byte each. */
    INT8(QkFormat.INT8, 1, MmaShape.S8),
    /** INT4, two to a byte, the lower channel in the low nibble: for tensor cores that multiply INT4. */
    INT4(QkFormat.INT4, 2, MmaShape.S4),
    /**
     * INT4 widened to a byte each by the quantizer: for tensor cores that have INT8 only. Widening nibbles behind each
     * load of the attention kernel would cost three instructions a register and save no multiplication.
     */
    INT4_WIDENED(QkFormat.INT4, 1, MmaShape.S8);

    /** Channels are padded to a multiple of this. */
    public static final int DIM_UNIT = 32;

    private final QkFormat format;
    private final int perByte;
    private final MmaShape shape;

    QkCode(QkFormat format, int perByte, MmaShape shape) {
        this.format = format;
        this.perByte = perByte;
        this.shape = shape;
    }

    /**
     * The codes of a format on an architecture.
     *
     * @throws IllegalArgumentException if the format is no integer
     */
    public static QkCode of(QkFormat format, Arch arch) {
        return switch (format) {
            case INT8 -> INT8;
            case INT4 -> NativeSupport.of(arch).int4() ? INT4 : INT4_WIDENED;
            case FP32 ->
                throw new IllegalArgumentException("the native kernels multiply INT8 or INT4 Q and K, not FP32");
        };
    }

    /** Largest magnitude of a code. */
    public int limit() {
        return format.limit();
    }

    /** The format of the codes, however they lie in memory. */
    public QkFormat format() {
        return format;
    }

    /** Codes of a byte. */
    public int perByte() {
        return perByte;
    }

    /** Bytes of a row of {@code channels} codes. */
    public int rowBytes(int channels) {
        return channels / perByte;
    }

    /** What multiplies 32 bytes of a row. */
    public MmaShape shape() {
        return shape;
    }

    /**
     * What multiplies the 16 bytes that a row of an odd number of {@link #DIM_UNIT} leaves.
     *
     * @throws IllegalStateException if rows leave none
     */
    public MmaShape halfShape() {
        if (this != INT4) {
            throw new IllegalStateException(this + " has rows of whole instructions");
        }
        return MmaShape.S4_HALF;
    }
}
