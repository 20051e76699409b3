package io.sage4j.oracle;

import io.sage4j.DType;
import io.sage4j.numeric.BFloat16;
import io.sage4j.numeric.Float16;
import java.util.Optional;

/**
 * What {@link VariantModel} computed.
 *
 * @param o [batch, qHeads, qoLen, headDim] in FP32, before it is rounded to the output type
 * @param lse [batch, qHeads, qoLen], natural logarithm, with the smooth-K correction; minus infinity without a
 *     visible key
 * @param quantized the quantized operands; empty for the unquantized rungs
 * @param counts what a numeric report counts
 */
public record ModelResult(float[] o, float[] lse, Optional<QuantizedOperands> quantized, NumericCounts counts) {

    /**
     * Rounds each value to the nearest of a type, ties to even; values beyond the range become infinite.
     *
     * @param values FP32 numbers
     * @param type a floating-point type
     * @return a new array
     */
    public static float[] rounded(float[] values, DType type) {
        float[] result = new float[values.length];
        for (int n = 0; n < values.length; n++) {
            result[n] = switch (type) {
                case FLOAT32 -> values[n];
                case FLOAT16 -> Float16.round(values[n]);
                case BFLOAT16 -> BFloat16.round(values[n]);
                case BOOL -> throw new IllegalArgumentException("bool holds no numbers");
            };
        }
        return result;
    }

    /** The output rounded to its type. */
    public float[] output(DType type) {
        return rounded(o, type);
    }

    /** The quantized operands. */
    public QuantizedOperands operands() {
        return quantized.orElseThrow(() -> new IllegalStateException("nothing was quantized"));
    }
}
