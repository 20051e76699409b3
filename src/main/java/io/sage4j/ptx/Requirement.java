package io.sage4j.ptx;

/**
 * What an instruction needs.
 *
 * @param version least PTX version times ten: 87 is 8.7
 * @param sm least compute capability times ten
 * @param hopperOnly whether only sm_90a has it
 */
public record Requirement(int version, int sm, boolean hopperOnly) {
    /** What every GPU here has. */
    public static final Requirement BASE = new Requirement(70, 80);
    /** What came with Hopper and stayed: mbarriers with bytes, bulk copies. */
    public static final Requirement SM_90 = new Requirement(80, 90);
    /** What only Hopper has: {@code wgmma}. */
    public static final Requirement HOPPER = new Requirement(80, 90, true);

    /** What this compute capability and later ones have. */
    public Requirement(int version, int sm) {
        this(version, sm, false);
    }

    /** What both need. */
    public Requirement and(Requirement other) {
        return new Requirement(
                Math.max(version, other.version), Math.max(sm, other.sm), hopperOnly || other.hopperOnly);
    }
}
