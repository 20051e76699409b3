package io.sage4j.bench;

import io.sage4j.numeric.Scheme;
import java.util.Locale;

/** How choices and numbers are written, on the command line and in records. */
public final class Notation {
    private Notation() {}

    /** A constant in lower case with hyphens: {@code top-left}. */
    public static String of(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** A number without needless zeros. */
    public static String of(float value) {
        return value == Math.rint(value) ? Long.toString((long) value) : Float.toString(value);
    }

    /** A numeric scheme in one line. */
    public static String of(Scheme s) {
        if (!s.isQuantized()) {
            return "FP32";
        }
        String smooth = (s.smoothK() ? ", smooth K" : "")
                + (s.smoothQ() ? ", smooth Q" : "")
                + (s.smoothV() ? ", smooth V" : "");
        return "QK " + s.qk() + " " + of(s.granularity()) + ", tiles "
                + s.tiles().blockQ() + "x"
                + s.tiles().blockK() + ", PV " + s.pv() + ", sums " + sums(s) + ", P range " + of(s.pRange())
                + ", V range " + of(s.vRange()) + smooth;
    }

    /** The accumulators of a scheme: {@code FP16+FP32}. */
    public static String sums(Scheme s) {
        return s.accumulator().name().replace('_', '+');
    }
}
