package uk.ac.manchester.tornado.api.math;

import uk.ac.manchester.tornado.api.types.HalfFloat;

/** Mathematical functions of kernels; on the JVM those of {@link Math}, float ones rounded from double. */
public class TornadoMath {
    /** Nothing to hold. */
    public TornadoMath() {}

    /**
     * Smaller of two values.
     *
     * @param a first operand
     * @param b second operand
     * @return the result
     */
    public static float min(float a, float b) {
        return Math.min(a, b);
    }

    /**
     * Smaller of two values.
     *
     * @param a first operand
     * @param b second operand
     * @return the result
     */
    public static double min(double a, double b) {
        return Math.min(a, b);
    }

    /**
     * Smaller of two values.
     *
     * @param a first operand
     * @param b second operand
     * @return the result
     */
    public static long min(long a, long b) {
        return Math.min(a, b);
    }

    /**
     * Smaller of two values.
     *
     * @param a first operand
     * @param b second operand
     * @return the result
     */
    public static int min(int a, int b) {
        return Math.min(a, b);
    }

    /**
     * Smaller of two values.
     *
     * @param a first operand
     * @param b second operand
     * @return the result
     */
    public static short min(short a, short b) {
        return (short) Math.min(a, b);
    }

    /**
     * Smaller of two values.
     *
     * @param a first operand
     * @param b second operand
     * @return the result
     */
    public static byte min(byte a, byte b) {
        return (byte) Math.min(a, b);
    }

    /**
     * Smaller of two halves.
     *
     * @param a first operand
     * @param b second operand
     * @return the result
     */
    public static HalfFloat min(HalfFloat a, HalfFloat b) {
        return new HalfFloat(Math.min(a.getFloat32(), b.getFloat32()));
    }

    /**
     * Larger of two values.
     *
     * @param a first operand
     * @param b second operand
     * @return the result
     */
    public static float max(float a, float b) {
        return Math.max(a, b);
    }

    /**
     * Larger of two values.
     *
     * @param a first operand
     * @param b second operand
     * @return the result
     */
    public static double max(double a, double b) {
        return Math.max(a, b);
    }

    /**
     * Larger of two values.
     *
     * @param a first operand
     * @param b second operand
     * @return the result
     */
    public static long max(long a, long b) {
        return Math.max(a, b);
    }

    /**
     * Larger of two values.
     *
     * @param a first operand
     * @param b second operand
     * @return the result
     */
    public static int max(int a, int b) {
        return Math.max(a, b);
    }

    /**
     * Larger of two values.
     *
     * @param a first operand
     * @param b second operand
     * @return the result
     */
    public static short max(short a, short b) {
        return (short) Math.max(a, b);
    }

    /**
     * Larger of two values.
     *
     * @param a first operand
     * @param b second operand
     * @return the result
     */
    public static byte max(byte a, byte b) {
        return (byte) Math.max(a, b);
    }

    /**
     * Larger of two halves.
     *
     * @param a first operand
     * @param b second operand
     * @return the result
     */
    public static HalfFloat max(HalfFloat a, HalfFloat b) {
        return new HalfFloat(Math.max(a.getFloat32(), b.getFloat32()));
    }

    /**
     * Absolute value.
     *
     * @param a the value
     * @return the result
     */
    public static float abs(float a) {
        return Math.abs(a);
    }

    /**
     * Absolute value.
     *
     * @param a the value
     * @return the result
     */
    public static double abs(double a) {
        return Math.abs(a);
    }

    /**
     * Absolute value.
     *
     * @param a the value
     * @return the result
     */
    public static long abs(long a) {
        return Math.abs(a);
    }

    /**
     * Absolute value.
     *
     * @param a the value
     * @return the result
     */
    public static int abs(int a) {
        return Math.abs(a);
    }

    /**
     * Absolute value.
     *
     * @param a the value
     * @return the result
     */
    public static short abs(short a) {
        return (short) Math.abs(a);
    }

    /**
     * Absolute value.
     *
     * @param a the value
     * @return the result
     */
    public static byte abs(byte a) {
        return (byte) Math.abs(a);
    }

    /**
     * Nearest value in a range.
     *
     * @param val the value
     * @param min lower end
     * @param max upper end
     * @return the result
     */
    public static long clamp(long val, long min, long max) {
        return Math.max(Math.min(val, max), min);
    }

    /**
     * Nearest value in a range.
     *
     * @param val the value
     * @param min lower end
     * @param max upper end
     * @return the result
     */
    public static int clamp(int val, int min, int max) {
        return Math.max(Math.min(val, max), min);
    }

    /**
     * Nearest value in a range.
     *
     * @param val the value
     * @param min lower end
     * @param max upper end
     * @return the result
     */
    public static short clamp(short val, short min, short max) {
        return (short) Math.max(Math.min(val, max), min);
    }

    /**
     * Nearest value in a range.
     *
     * @param val the value
     * @param min lower end
     * @param max upper end
     * @return the result
     */
    public static byte clamp(byte val, byte min, byte max) {
        return (byte) Math.max(Math.min(val, max), min);
    }

    /**
     * Nearest value in a range.
     *
     * @param val the value
     * @param min lower end
     * @param max upper end
     * @return the result
     */
    public static float clamp(float val, float min, float max) {
        return Math.max(Math.min(val, max), min);
    }

    /**
     * Nearest value in a range.
     *
     * @param val the value
     * @param min lower end
     * @param max upper end
     * @return the result
     */
    public static double clamp(double val, double min, double max) {
        return Math.max(Math.min(val, max), min);
    }

    /**
     * e to a power.
     *
     * @param value the argument
     * @return the result
     */
    public static float exp(float value) {
        return (float) Math.exp(value);
    }

    /**
     * e to a power.
     *
     * @param value the argument
     * @return the result
     */
    public static double exp(double value) {
        return Math.exp(value);
    }

    /**
     * Square root.
     *
     * @param value the argument
     * @return the result
     */
    public static float sqrt(float value) {
        return (float) Math.sqrt(value);
    }

    /**
     * Square root.
     *
     * @param value the argument
     * @return the result
     */
    public static double sqrt(double value) {
        return Math.sqrt(value);
    }

    /**
     * Largest integer not above a value.
     *
     * @param value the argument
     * @return the result
     */
    public static float floor(float value) {
        return (float) Math.floor(value);
    }

    /**
     * Largest integer not above a value.
     *
     * @param value the argument
     * @return the result
     */
    public static double floor(double value) {
        return Math.floor(value);
    }

    /**
     * Smallest integer not below a value.
     *
     * @param value the argument
     * @return the result
     */
    public static float ceil(float value) {
        return (float) Math.ceil(value);
    }

    /**
     * Smallest integer not below a value.
     *
     * @param value the argument
     * @return the result
     */
    public static double ceil(double value) {
        return Math.ceil(value);
    }

    /**
     * Natural logarithm.
     *
     * @param value the argument
     * @return the result
     */
    public static float log(float value) {
        return (float) Math.log(value);
    }

    /**
     * Natural logarithm.
     *
     * @param value the argument
     * @return the result
     */
    public static double log(double value) {
        return Math.log(value);
    }

    /**
     * Tangent.
     *
     * @param value the argument
     * @return the result
     */
    public static float tan(float value) {
        return (float) Math.tan(value);
    }

    /**
     * Tangent.
     *
     * @param value the argument
     * @return the result
     */
    public static double tan(double value) {
        return Math.tan(value);
    }

    /**
     * Arc tangent.
     *
     * @param value the argument
     * @return the result
     */
    public static float atan(float value) {
        return (float) Math.atan(value);
    }

    /**
     * Arc tangent.
     *
     * @param value the argument
     * @return the result
     */
    public static double atan(double value) {
        return Math.atan(value);
    }

    /**
     * Hyperbolic tangent.
     *
     * @param value the argument
     * @return the result
     */
    public static float tanh(float value) {
        return (float) Math.tanh(value);
    }

    /**
     * Hyperbolic tangent.
     *
     * @param value the argument
     * @return the result
     */
    public static double tanh(double value) {
        return Math.tanh(value);
    }

    /**
     * Arc cosine.
     *
     * @param value the argument
     * @return the result
     */
    public static float acos(float value) {
        return (float) Math.acos(value);
    }

    /**
     * Arc cosine.
     *
     * @param value the argument
     * @return the result
     */
    public static double acos(double value) {
        return Math.acos(value);
    }

    /**
     * Arc sine.
     *
     * @param value the argument
     * @return the result
     */
    public static float asin(float value) {
        return (float) Math.asin(value);
    }

    /**
     * Arc sine.
     *
     * @param value the argument
     * @return the result
     */
    public static double asin(double value) {
        return Math.asin(value);
    }

    /**
     * Cosine.
     *
     * @param value the argument
     * @return the result
     */
    public static float cos(float value) {
        return (float) Math.cos(value);
    }

    /**
     * Cosine.
     *
     * @param value the argument
     * @return the result
     */
    public static double cos(double value) {
        return Math.cos(value);
    }

    /**
     * Sine.
     *
     * @param value the argument
     * @return the result
     */
    public static float sin(float value) {
        return (float) Math.sin(value);
    }

    /**
     * Sine.
     *
     * @param value the argument
     * @return the result
     */
    public static double sin(double value) {
        return Math.sin(value);
    }

    /**
     * Sign.
     *
     * @param value the argument
     * @return the result
     */
    public static float signum(float value) {
        return Math.signum(value);
    }

    /**
     * Sign.
     *
     * @param value the argument
     * @return the result
     */
    public static double signum(double value) {
        return Math.signum(value);
    }

    /**
     * Distance from the next lower integer.
     *
     * @param value the argument
     * @return the result
     */
    public static float fract(float value) {
        return value - floor(value);
    }

    /**
     * Distance from the next lower integer.
     *
     * @param value the argument
     * @return the result
     */
    public static double fract(double value) {
        return value - floor(value);
    }

    /**
     * Logarithm to base 2.
     *
     * @param value the argument
     * @return the result
     */
    public static float log2(float value) {
        return (float) log2((double) value);
    }

    /**
     * Logarithm to base 2.
     *
     * @param value the argument
     * @return the result
     */
    public static double log2(double value) {
        return Math.log(value) / Math.log(2);
    }

    /**
     * Power.
     *
     * @param a base
     * @param b exponent
     * @return the result
     */
    public static float pow(float a, float b) {
        return (float) Math.pow(a, b);
    }

    /**
     * Power.
     *
     * @param a base
     * @param b exponent
     * @return the result
     */
    public static double pow(double a, double b) {
        return Math.pow(a, b);
    }

    /**
     * Angle of a point.
     *
     * @param a ordinate
     * @param b abscissa
     * @return the result
     */
    public static float atan2(float a, float b) {
        return (float) Math.atan2(a, b);
    }

    /**
     * Angle of a point.
     *
     * @param a ordinate
     * @param b abscissa
     * @return the result
     */
    public static double atan2(double a, double b) {
        return Math.atan2(a, b);
    }

    /**
     * Inverse hyperbolic cosine.
     *
     * @param value the argument
     * @return the result
     */
    public static float acosh(float value) {
        return (float) acosh((double) value);
    }

    /**
     * Inverse hyperbolic cosine.
     *
     * @param value the argument
     * @return the result
     */
    public static double acosh(double value) {
        return Math.log(value + Math.sqrt(value * value - 1));
    }

    /**
     * Inverse hyperbolic sine.
     *
     * @param value the argument
     * @return the result
     */
    public static float asinh(float value) {
        return (float) asinh((double) value);
    }

    /**
     * Inverse hyperbolic sine.
     *
     * @param value the argument
     * @return the result
     */
    public static double asinh(double value) {
        return Math.copySign(Math.log(Math.abs(value) + Math.sqrt(value * value + 1)), value);
    }

    /**
     * Degrees to radians.
     *
     * @param value the angle
     * @return the result
     */
    public static float toRadians(float value) {
        return (float) Math.toRadians(value);
    }

    /**
     * Degrees to radians.
     *
     * @param value the angle
     * @return the result
     */
    public static double toRadians(double value) {
        return Math.toRadians(value);
    }

    /**
     * Sine of a multiple of pi.
     *
     * @param value the argument
     * @return the result
     */
    public static float sinpi(float value) {
        return (float) Math.sin(value * Math.PI);
    }

    /**
     * Sine of a multiple of pi.
     *
     * @param value the argument
     * @return the result
     */
    public static double sinpi(double value) {
        return Math.sin(value * Math.PI);
    }

    /**
     * Cosine of a multiple of pi.
     *
     * @param value the argument
     * @return the result
     */
    public static float cospi(float value) {
        return (float) Math.cos(value * Math.PI);
    }

    /**
     * Cosine of a multiple of pi.
     *
     * @param value the argument
     * @return the result
     */
    public static double cospi(double value) {
        return Math.cos(value * Math.PI);
    }

    /**
     * Pi.
     *
     * @return pi as a float
     */
    public static float floatPI() {
        return (float) Math.PI;
    }

    /**
     * Pi.
     *
     * @return pi as a double
     */
    public static double PI() {
        return Math.PI;
    }
}
