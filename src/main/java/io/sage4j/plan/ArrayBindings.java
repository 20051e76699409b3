package io.sage4j.plan;

import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * TornadoVM arrays of the caller that a plan is to use instead of its own; null for its own. FP32 is a FloatArray, FP16 a
 * HalfFloatArray, bfloat16 a BFloat16Array or a ShortArray, a bool mask a ByteArray, an additive mask a FloatArray.
 *
 * @param q array of Q
 * @param k array of K
 * @param v array of V
 * @param mask array of the mask
 * @param out array of the output
 */
public record ArrayBindings(
        TornadoNativeArray q,
        TornadoNativeArray k,
        TornadoNativeArray v,
        TornadoNativeArray mask,
        TornadoNativeArray out) {
    /** Everything in the plan's own arrays. */
    public static final ArrayBindings NONE = new ArrayBindings(null, null, null, null, null);
}
