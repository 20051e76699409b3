package uk.ac.manchester.tornado.api.types.vectors;

import java.nio.ShortBuffer;
import uk.ac.manchester.tornado.api.types.HalfFloat;

/** A mutable pair of halves. Arithmetic rounds every half on its own, to nearest even. */
public final class Half2 implements TornadoVectorsInterface<ShortBuffer> {
    /** This class. */
    public static final Class<Half2> TYPE = Half2.class;

    private static final long serialVersionUID = 1L;

    private final short[] storage = new short[2];

    /** Makes a pair of zeros. */
    public Half2() {}

    /**
     * Makes a pair.
     *
     * @param x the low half
     * @param y the high half
     */
    public Half2(HalfFloat x, HalfFloat y) {
        setX(x);
        setY(y);
    }

    /**
     * Sum by element.
     *
     * @param a first operand
     * @param b second operand
     * @return a + b
     */
    public static Half2 add(Half2 a, Half2 b) {
        return new Half2(HalfFloat.add(a.getX(), b.getX()), HalfFloat.add(a.getY(), b.getY()));
    }

    /**
     * Sum of both elements with one half.
     *
     * @param a first operand
     * @param b second operand
     * @return a + b
     */
    public static Half2 add(Half2 a, HalfFloat b) {
        return new Half2(HalfFloat.add(a.getX(), b), HalfFloat.add(a.getY(), b));
    }

    /**
     * Difference by element.
     *
     * @param a first operand
     * @param b second operand
     * @return a - b
     */
    public static Half2 sub(Half2 a, Half2 b) {
        return new Half2(HalfFloat.sub(a.getX(), b.getX()), HalfFloat.sub(a.getY(), b.getY()));
    }

    /**
     * Difference of both elements with one half.
     *
     * @param a first operand
     * @param b second operand
     * @return a - b
     */
    public static Half2 sub(Half2 a, HalfFloat b) {
        return new Half2(HalfFloat.sub(a.getX(), b), HalfFloat.sub(a.getY(), b));
    }

    /**
     * Quotient by element.
     *
     * @param a first operand
     * @param b second operand
     * @return a / b
     */
    public static Half2 div(Half2 a, Half2 b) {
        return new Half2(HalfFloat.div(a.getX(), b.getX()), HalfFloat.div(a.getY(), b.getY()));
    }

    /**
     * Quotient of both elements with one half.
     *
     * @param a first operand
     * @param b second operand
     * @return a / b
     */
    public static Half2 div(Half2 a, HalfFloat b) {
        return new Half2(HalfFloat.div(a.getX(), b), HalfFloat.div(a.getY(), b));
    }

    /**
     * Product by element.
     *
     * @param a first operand
     * @param b second operand
     * @return a * b
     */
    public static Half2 mult(Half2 a, Half2 b) {
        return new Half2(HalfFloat.mult(a.getX(), b.getX()), HalfFloat.mult(a.getY(), b.getY()));
    }

    /**
     * Product of both elements with one half.
     *
     * @param a first operand
     * @param b second operand
     * @return a * b
     */
    public static Half2 mult(Half2 a, HalfFloat b) {
        return new Half2(HalfFloat.mult(a.getX(), b), HalfFloat.mult(a.getY(), b));
    }

    /**
     * Sum by element into a third pair.
     *
     * @param a first operand
     * @param b second operand
     * @param result receives a + b
     */
    public static void add(Half2 a, Half2 b, Half2 result) {
        result.set(add(a, b));
    }

    /**
     * Difference by element into a third pair.
     *
     * @param a first operand
     * @param b second operand
     * @param result receives a - b
     */
    public static void sub(Half2 a, Half2 b, Half2 result) {
        result.set(sub(a, b));
    }

    /**
     * Product by element into a third pair.
     *
     * @param a first operand
     * @param b second operand
     * @param result receives a * b
     */
    public static void mult(Half2 a, Half2 b, Half2 result) {
        result.set(mult(a, b));
    }

    /**
     * Fused multiply-add by element: one rounding.
     *
     * @param a factor
     * @param b factor
     * @param c summand
     * @return a * b + c
     */
    public static Half2 fma(Half2 a, Half2 b, Half2 c) {
        return new Half2(fma(a.getX(), b.getX(), c.getX()), fma(a.getY(), b.getY(), c.getY()));
    }

    /**
     * The low half.
     *
     * @param a the pair
     * @return its value
     */
    public static float lowFloat(Half2 a) {
        return a.getX().getFloat32();
    }

    /**
     * The high half.
     *
     * @param a the pair
     * @return its value
     */
    public static float highFloat(Half2 a) {
        return a.getY().getFloat32();
    }

    /**
     * Rounds two floats.
     *
     * @param x the low half
     * @param y the high half
     * @return a new pair
     */
    public static Half2 fromFloats(float x, float y) {
        return new Half2(new HalfFloat(x), new HalfFloat(y));
    }

    /**
     * Dot product; both products and their sum are rounded to halves.
     *
     * @param a first operand
     * @param b second operand
     * @return the sum of the products
     */
    public static HalfFloat dot(Half2 a, Half2 b) {
        Half2 products = mult(a, b);
        return HalfFloat.add(products.getX(), products.getY());
    }

    /**
     * Loads one half.
     *
     * @param index 0 or 1
     * @return the value
     */
    public HalfFloat get(int index) {
        return new HalfFloat(storage[index]);
    }

    /**
     * Stores one half.
     *
     * @param index 0 or 1
     * @param value the value
     */
    public void set(int index, HalfFloat value) {
        storage[index] = value.getHalfFloatValue();
    }

    /**
     * Stores both halves.
     *
     * @param value their source
     */
    public void set(Half2 value) {
        storage[0] = value.storage[0];
        storage[1] = value.storage[1];
    }

    /**
     * The low half.
     *
     * @return its value
     */
    public HalfFloat getX() {
        return get(0);
    }

    /**
     * Stores the low half.
     *
     * @param x the value
     */
    public void setX(HalfFloat x) {
        set(0, x);
    }

    /**
     * The high half.
     *
     * @return its value
     */
    public HalfFloat getY() {
        return get(1);
    }

    /**
     * Stores the high half.
     *
     * @param y the value
     */
    public void setY(HalfFloat y) {
        set(1, y);
    }

    /**
     * A copy.
     *
     * @return a new pair
     */
    public Half2 duplicate() {
        return new Half2(getX(), getY());
    }

    /**
     * Formats both values.
     *
     * @param format takes two floats
     * @return the text
     */
    public String toString(String format) {
        return String.format(format, lowFloat(this), highFloat(this));
    }

    @Override
    public String toString() {
        return toString("{%.3f,%.3f}");
    }

    @Override
    public void loadFromBuffer(ShortBuffer buffer) {
        buffer.get(storage);
    }

    @Override
    public ShortBuffer asBuffer() {
        return ShortBuffer.wrap(storage);
    }

    @Override
    public int size() {
        return 2;
    }

    /**
     * The raw bits, copied.
     *
     * @return two IEEE halves
     */
    public short[] toArray() {
        return storage.clone();
    }

    /**
     * The raw bits themselves.
     *
     * @return two IEEE halves
     */
    public short[] getArray() {
        return storage;
    }

    @Override
    public long getNumBytes() {
        return 4;
    }

    /* A product of two halves has at most 22 bits, and the sum with a half spans less than 53 + guard bits unless one
     * term is negligible; rounding to odd on the way to half is done by the exact double sum. */
    private static HalfFloat fma(HalfFloat a, HalfFloat b, HalfFloat c) {
        double sum = (double) a.getFloat32() * b.getFloat32() + c.getFloat32();
        return new HalfFloat(toFloatOdd(sum));
    }

    /* Double to float rounding to odd, so that the following rounding to half is the only one that matters. */
    private static float toFloatOdd(double value) {
        float nearest = (float) value;
        if (nearest == value || nearest != nearest || Float.isInfinite(nearest)) {
            return nearest;
        }
        int bits = Float.floatToRawIntBits(nearest);
        if ((bits & 1) != 0) {
            return nearest;
        }
        boolean above = Math.abs((double) nearest) > Math.abs(value);
        return Float.intBitsToFloat(above ? bits - 1 : bits + 1);
    }
}
