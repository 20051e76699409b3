package io.sage4j.tornadojvm;

import java.util.Arrays;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.vectors.Half2;

/** One array in the local memory of a work-group. */
final class LocalArray {
    /** Element types. */
    enum Kind {
        INT("int"),
        LONG("long"),
        FLOAT("float"),
        DOUBLE("double"),
        BYTE("byte"),
        HALF("HalfFloat"),
        HALF2("Half2");

        private final String type;

        Kind(String type) {
            this.type = type;
        }

        String describe(int length) {
            return type + "[" + length + "]";
        }
    }

    /** What an unwritten cell holds when checking is on: a value that spoils every result. */
    private static final long PATTERN = 0xBADC0DEBADC0DEBAL;

    final int order;
    final Kind kind;
    final int length;
    final int allocator;
    final Object array;

    /** One word per cell for the race check, null when that is off. */
    final long[] shadow;

    LocalArray(int order, Kind kind, int length, int allocator, boolean checked) {
        this.order = order;
        this.kind = kind;
        this.length = length;
        this.allocator = allocator;
        array = make(kind, length, checked);
        shadow = checked ? new long[length] : null;
    }

    private static Object make(Kind kind, int length, boolean checked) {
        switch (kind) {
            case INT -> {
                int[] cells = new int[length];
                if (checked) {
                    Arrays.fill(cells, (int) PATTERN);
                }
                return cells;
            }
            case LONG -> {
                long[] cells = new long[length];
                if (checked) {
                    Arrays.fill(cells, PATTERN);
                }
                return cells;
            }
            case FLOAT -> {
                float[] cells = new float[length];
                if (checked) {
                    Arrays.fill(cells, Float.NaN);
                }
                return cells;
            }
            case DOUBLE -> {
                double[] cells = new double[length];
                if (checked) {
                    Arrays.fill(cells, Double.NaN);
                }
                return cells;
            }
            case BYTE -> {
                byte[] cells = new byte[length];
                if (checked) {
                    Arrays.fill(cells, (byte) PATTERN);
                }
                return cells;
            }
            case HALF -> {
                HalfFloat[] cells = new HalfFloat[length];
                Arrays.fill(cells, new HalfFloat(checked ? Float.NaN : 0));
                return cells;
            }
            default -> {
                Half2[] cells = new Half2[length];
                for (int i = 0; i < length; i++) {
                    cells[i] = checked ? Half2.fromFloats(Float.NaN, Float.NaN) : new Half2();
                }
                return cells;
            }
        }
    }

    String describe() {
        return kind.describe(length);
    }
}
