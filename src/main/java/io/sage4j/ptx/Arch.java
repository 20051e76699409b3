package io.sage4j.ptx;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** GPU targets. */
public enum Arch {
    /** A100. */
    SM_80(80, 70, 163),
    /** RTX 30. */
    SM_86(86, 71, 99),
    /** RTX 40, L4, L40. */
    SM_89(89, 78, 99),
    /** H100, H200, without the features that only they have. */
    SM_90(90, 78, 227),
    /** H100, H200. */
    SM_90A(90, 80, 227),
    /** B200. */
    SM_100A(100, 86, 227),
    /** RTX 50. */
    SM_120(120, 87, 99),
    /** RTX 50, with the features that only they have. */
    SM_120A(120, 87, 99);

    private final int sm;
    private final int version;
    private final int sharedKib;

    Arch(int sm, int version, int sharedKib) {
        this.sm = sm;
        this.version = version;
        this.sharedKib = sharedKib;
    }

    /**
     * The target for a GPU, with the features that only it has.
     *
     * @param capability compute capability times ten
     * @throws IllegalArgumentException if there is none
     */
    public static Arch ofCapability(int capability) {
        return switch (capability) {
            case 80 -> SM_80;
            case 86, 87 -> SM_86;
            case 89 -> SM_89;
            case 90 -> SM_90A;
            case 100 -> SM_100A;
            case 120, 121 -> SM_120;
            default ->
                throw new IllegalArgumentException("compute capability " + capability / 10 + "." + capability % 10
                        + ", the native kernels are for 8.0, 8.6, 8.7, 8.9, 9.0, 10.0, 12.0 and 12.1");
        };
    }

    /** Compute capability times ten. */
    public int sm() {
        return sm;
    }

    /** Least PTX version that names it, times ten. */
    public int version() {
        return version;
    }

    /** Most shared memory of one CTA. */
    public int maxSharedBytes() {
        return sharedKib * 1024;
    }

    /** Name in {@code .target} and for {@code ptxas -arch}. */
    public String ptx() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * The target of a name such as {@code sm_89}.
     *
     * @throws IllegalArgumentException if there is none
     */
    public static Arch of(String ptx) {
        return Arrays.stream(values())
                .filter(a -> a.ptx().equals(ptx))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("unknown target '" + ptx + "', expected one of "
                        + Arrays.stream(values()).map(Arch::ptx).collect(Collectors.joining(", "))));
    }
}
