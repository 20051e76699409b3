package io.sage4j.numeric;

import java.util.Arrays;

/**
 * A small floating-point format written down as the list of its non-negative finite values, in the order of their
 * codes; the independent definition against which the codecs are tested. Rounding is a search in that list.
 */
final class ValueTable {
    private final double[] values;

    private ValueTable(double[] values) {
        this.values = values;
    }

    /**
     * The format with the given field widths.
     *
     * @param maxCode code of the largest finite value; {@code code = exponent field, mantissa field}
     */
    static ValueTable of(int mantissaBits, int bias, int maxCode) {
        double[] values = new double[maxCode + 1];
        for (int code = 0; code <= maxCode; code++) {
            int exponent = code / (1 << mantissaBits);
            double fraction = (double) (code % (1 << mantissaBits)) / (1 << mantissaBits);
            values[code] =
                    exponent == 0 ? fraction * Math.pow(2, 1 - bias) : (1 + fraction) * Math.pow(2, exponent - bias);
        }
        return new ValueTable(values);
    }

    int maxCode() {
        return values.length - 1;
    }

    double value(int code) {
        return values[code];
    }

    /** Half-way between a code and the next one; above the largest code, the spacing goes on. */
    double midpointAbove(int code) {
        return code < maxCode()
                ? (values[code] + values[code + 1]) / 2
                : values[code] + (values[code] - values[code - 1]) / 2;
    }

    /**
     * Code of the nearest value, the even code on a tie; {@code maxCode + 1} where the next larger value would be
     * nearest.
     */
    int nearest(double magnitude) {
        int at = Arrays.binarySearch(values, magnitude);
        if (at >= 0) {
            return at;
        }
        int below = -at - 2;
        double midpoint = midpointAbove(below);
        if (magnitude == midpoint) {
            return below % 2 == 0 ? below : below + 1;
        }
        return magnitude < midpoint ? below : below + 1;
    }
}
