package io.sage4j.numeric;

/** Number format of P and V in the product P V. */
public enum PvFormat {
    /** Not quantized. */
    FP32(Float.MAX_VALUE, 1),
    /** IEEE half precision; V is not scaled. */
    FP16(65504f, 16),
    /** 8-bit float, 4 exponent and 3 mantissa bits, no infinity (OCP FP8). */
    E4M3(448f, 32),
    /** {@link #E4M3}, but half of P is coded by {@link ExponentCode} and what is summed for the row is P as coded. */
    E4M3_FAST(448f, 32),
    /** 8-bit float, 5 exponent and 2 mantissa bits (OCP FP8). */
    E5M2(57344f, 32),
    /** Symmetric 8-bit integer, -127..127 (SageAttention, variants vT and vB). */
    INT8(127f, 32);

    private final float max;
    private final int mmaKeys;

    PvFormat(float max, int mmaKeys) {
        this.max = max;
        this.mmaKeys = mmaKeys;
    }

    /** Largest finite magnitude. */
    public float max() {
        return max;
    }

    /** Keys that one MMA instruction of this format sums before its result is rounded to the accumulator. */
    public int mmaKeys() {
        return mmaKeys;
    }

    /** Format of V. */
    public PvFormat ofV() {
        return this == E4M3_FAST ? E4M3 : this;
    }

    /** The value rounded to this format, nearest even, saturating; NaN stays NaN, except that INT8 makes it 0. */
    public float round(float value) {
        return switch (this) {
            case FP32 -> value;
            case FP16 -> Float16.decode(Float16.encodeSaturating(value));
            case E4M3, E4M3_FAST -> Fp8.E4M3.round(value);
            case E5M2 -> Fp8.E5M2.round(value);
            case INT8 -> IntCode.encode(value, 1f, (int) max);
        };
    }

    /** Whether V is scaled per channel to a range. */
    public boolean scalesV() {
        return ofV() == E4M3 || this == E5M2 || this == INT8;
    }
}
