package uk.ac.manchester.tornado.api.types;

/** An immutable IEEE half. Arithmetic is done in float and rounded once, to nearest even. */
public class HalfFloat {
    private final short bits;

    /**
     * Rounds a float.
     *
     * @param halfFloat the value
     */
    public HalfFloat(float halfFloat) {
        this(Float.floatToFloat16(halfFloat));
    }

    /**
     * Takes raw bits.
     *
     * @param halfFloat IEEE half bits
     */
    public HalfFloat(short halfFloat) {
        bits = halfFloat;
    }

    /**
     * Sum.
     *
     * @param a first operand
     * @param b second operand
     * @return a + b
     */
    public static HalfFloat add(HalfFloat a, HalfFloat b) {
        return new HalfFloat(a.getFloat32() + b.getFloat32());
    }

    /**
     * Difference.
     *
     * @param a first operand
     * @param b second operand
     * @return a - b
     */
    public static HalfFloat sub(HalfFloat a, HalfFloat b) {
        return new HalfFloat(a.getFloat32() - b.getFloat32());
    }

    /**
     * Product.
     *
     * @param a first operand
     * @param b second operand
     * @return a * b
     */
    public static HalfFloat mult(HalfFloat a, HalfFloat b) {
        return new HalfFloat(a.getFloat32() * b.getFloat32());
    }

    /**
     * Quotient.
     *
     * @param a first operand
     * @param b second operand
     * @return a / b
     */
    public static HalfFloat div(HalfFloat a, HalfFloat b) {
        return new HalfFloat(a.getFloat32() / b.getFloat32());
    }

    /**
     * The raw bits.
     *
     * @return IEEE half bits
     */
    public short getHalfFloatValue() {
        return bits;
    }

    /**
     * The value, exactly.
     *
     * @return the value as a float
     */
    public float getFloat32() {
        return Float.float16ToFloat(bits);
    }

    @Override
    public String toString() {
        return "HalfFloat: " + String.format("%.4f", getFloat32());
    }
}
