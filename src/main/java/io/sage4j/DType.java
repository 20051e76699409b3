package io.sage4j;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** Element types of a {@link Tensor}. */
public enum DType {
    /** IEEE binary32. */
    FLOAT32(4),
    /** IEEE binary16. */
    FLOAT16(2),
    /** bfloat16, the upper half of a binary32. */
    BFLOAT16(2),
    /** One byte, zero or not: masks only. */
    BOOL(1);

    private final int bytes;

    DType(int bytes) {
        this.bytes = bytes;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }

    /** Whether Q, K, V and the output may have this type. */
    public boolean isFloat() {
        return this != BOOL;
    }

    /** Lower-case name, as the command line writes it. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }

    static String floats() {
        return Arrays.stream(values())
                .filter(DType::isFloat)
                .map(DType::toString)
                .collect(Collectors.joining(", "));
    }
}
