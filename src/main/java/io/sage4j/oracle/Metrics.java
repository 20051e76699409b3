package io.sage4j.oracle;

import java.util.Locale;

/**
 * Distance of a result from a reference (SageAttention, section 4.3; SageAttention2, appendix A.7), over the
 * positions where both are finite.
 *
 * @param count positions compared, the non-finite ones included
 * @param cosine cosine similarity of the flattened arrays; 1 if both are zero, 0 if one is, NaN if
 *     nothing finite could be compared and there are mismatches
 * @param relativeL1 {@code sum |result - reference| / sum |reference|}; 0 if both sums are zero
 * @param rmse root of the mean squared difference
 * @param maxAbs largest absolute difference
 * @param bias mean of {@code result - reference}
 * @param nanMismatch positions where exactly one of the two is NaN
 * @param infMismatch positions without NaN where one is infinite and the other is not the same infinity
 * @param nonFinite positions where one or both are not finite: the figures leave them out
 */
public record Metrics(
        long count,
        double cosine,
        double relativeL1,
        double rmse,
        double maxAbs,
        double bias,
        long nanMismatch,
        long infMismatch,
        long nonFinite) {

    /** Compares arrays of equal length. */
    public static Metrics of(double[] reference, double[] result) {
        if (reference.length != result.length) {
            throw new IllegalArgumentException(
                    "reference has " + reference.length + " elements, result " + result.length);
        }
        double dot = 0;
        double refSquare = 0;
        double resSquare = 0;
        double refSum = 0;
        double absSum = 0;
        double square = 0;
        double signed = 0;
        double max = 0;
        long finite = 0;
        long nan = 0;
        long inf = 0;
        for (int n = 0; n < reference.length; n++) {
            double x = reference[n];
            double y = result[n];
            if (Double.isFinite(x) && Double.isFinite(y)) {
                double difference = y - x;
                dot += x * y;
                refSquare += x * x;
                resSquare += y * y;
                refSum += Math.abs(x);
                absSum += Math.abs(difference);
                square += difference * difference;
                signed += difference;
                max = Math.max(max, Math.abs(difference));
                finite++;
            } else if (Double.isNaN(x) || Double.isNaN(y)) {
                nan += Double.isNaN(x) && Double.isNaN(y) ? 0 : 1;
            } else {
                inf += x == y ? 0 : 1;
            }
        }
        double norm = Math.sqrt(refSquare) * Math.sqrt(resSquare);
        double cosine = norm > 0 ? dot / norm : refSquare == resSquare ? 1 : 0;
        double relative = refSum > 0 ? absSum / refSum : absSum == 0 ? 0 : Double.POSITIVE_INFINITY;
        if (finite == 0 && nan + inf > 0) {
            // Nothing was compared but disagreement: no figure may look good.
            cosine = Double.NaN;
            relative = Double.NaN;
        }
        double n = Math.max(finite, 1);
        return new Metrics(
                reference.length,
                cosine,
                relative,
                Math.sqrt(square / n),
                max,
                signed / n,
                nan,
                inf,
                reference.length - finite);
    }

    /** Compares an FP32 result with a double reference. */
    public static Metrics of(double[] reference, float[] result) {
        return of(reference, widen(result));
    }

    /** Compares two FP32 arrays. */
    public static Metrics of(float[] reference, float[] result) {
        return of(widen(reference), widen(result));
    }

    private static double[] widen(float[] values) {
        double[] wide = new double[values.length];
        for (int n = 0; n < values.length; n++) {
            wide[n] = values[n];
        }
        return wide;
    }

    /** Whether NaNs and infinities are in the same places; the other figures mean nothing where they are not. */
    public boolean nonFiniteAgree() {
        return nanMismatch == 0 && infMismatch == 0;
    }

    /**
     * Whether NaNs and infinities agree, the cosine is at least {@code minCosine}, and relative L1 at most {@code
     * maxL1}.
     */
    public boolean isWithin(double minCosine, double maxL1) {
        return nonFiniteAgree() && cosine >= minCosine && relativeL1 <= maxL1;
    }

    /** One line for tables. */
    @Override
    public String toString() {
        String line = String.format(
                Locale.ROOT,
                "cosine %.6f  relL1 %.6f  rmse %.3e  max %.3e  bias %+.2e",
                cosine,
                relativeL1,
                rmse,
                maxAbs,
                bias);
        if (nonFinite > 0) {
            line += "  without " + nonFinite + " of " + count + " that are not finite";
        }
        return nonFiniteAgree() ? line : line + "  NaN MISMATCH " + nanMismatch + "  INF MISMATCH " + infMismatch;
    }
}
