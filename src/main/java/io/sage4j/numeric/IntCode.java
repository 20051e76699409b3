package io.sage4j.numeric;

/**
 * Symmetric integer quantization of a group of values by one scale (SageAttention, section 3.1):
 * {@code scale = amax / limit}, {@code code = round(x * (limit / amax))}, ties to even, clamped to {@code +-limit}.
 *
 * <p>A group with a NaN or an infinity has scale NaN: everything computed from it is NaN, nothing else is.
 */
public final class IntCode {
    private IntCode() {}

    /** Scale of a group whose largest magnitude is {@code amax}. */
    public static float scale(float amax, float limit) {
        return Float.isFinite(amax) ? Math.max(amax, Numbers.AMAX_FLOOR) / limit : Float.NaN;
    }

    /** Factor that maps a value of the group to its code before rounding. */
    public static float inverse(float amax, float limit) {
        return limit / Math.max(amax, Numbers.AMAX_FLOOR);
    }

    /** Code of a value; 0 for NaN. */
    public static byte encode(float value, float inverse, int limit) {
        float code = (float) Math.rint(value * inverse);
        return (byte) Math.max(-limit, Math.min(limit, code));
    }

    /** Two INT4 codes in one byte, the first in the low nibble. */
    public static byte packNibbles(int low, int high) {
        return (byte) (low & 0xF | high << 4);
    }

    /** INT4 code in the low nibble. */
    public static int lowNibble(byte packed) {
        return packed << 28 >> 28;
    }

    /** INT4 code in the high nibble. */
    public static int highNibble(byte packed) {
        return packed >> 4;
    }
}
