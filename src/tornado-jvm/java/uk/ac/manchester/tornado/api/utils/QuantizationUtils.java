package uk.ac.manchester.tornado.api.utils;

import uk.ac.manchester.tornado.api.types.arrays.Int8Array;

/** Integer dot products of quantized values. */
public class QuantizationUtils {
    /** Nothing to hold. */
    public QuantizationUtils() {}

    /**
     * Dot product of four signed bytes each, plus a sum.
     *
     * @param a first factors
     * @param offsetA index of the first of them
     * @param b second factors
     * @param offsetB index of the first of them
     * @param c summand
     * @return the sum, wrapping
     */
    public static int dp4a(Int8Array a, long offsetA, Int8Array b, long offsetB, int c) {
        int sum = c;
        for (int i = 0; i < 4; i++) {
            sum += a.get(Math.toIntExact(offsetA + i)) * b.get(Math.toIntExact(offsetB + i));
        }
        return sum;
    }

    /**
     * Dot product of four signed bytes each, plus a sum; the second factors lie in local memory.
     *
     * @param a first factors
     * @param offsetA index of the first of them
     * @param b second factors
     * @param offsetB index of the first of them
     * @param c summand
     * @return the sum, wrapping
     */
    public static int dp4a(Int8Array a, long offsetA, byte[] b, long offsetB, int c) {
        int sum = c;
        for (int i = 0; i < 4; i++) {
            sum += a.get(Math.toIntExact(offsetA + i)) * b[Math.toIntExact(offsetB + i)];
        }
        return sum;
    }

    /**
     * Scales an integer dot product back.
     *
     * @param sum the dot product
     * @param scaleA scale of the first factors
     * @param scaleB scale of the second factors
     * @return the product of all three
     */
    public static float dequantizeFusedResult(int sum, float scaleA, float scaleB) {
        return sum * scaleA * scaleB;
    }

    /**
     * Dot product of four signed bytes packed into each integer, plus a sum.
     *
     * @param a first factors
     * @param b second factors
     * @param c summand
     * @return the sum, wrapping
     */
    public static int dp4a_packed(int a, int b, int c) {
        int sum = c;
        for (int shift = 0; shift < 32; shift += 8) {
            sum += (byte) (a >> shift) * (byte) (b >> shift);
        }
        return sum;
    }
}
