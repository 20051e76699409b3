package io.sage4j.ptx;

/** Special registers, 32 bits each. */
public enum Special implements Operand {
    /** Thread of the CTA. */
    TID_X("%tid.x"),
    /** CTA of the grid, first dimension. */
    CTAID_X("%ctaid.x"),
    /** CTA of the grid, second dimension. */
    CTAID_Y("%ctaid.y"),
    /** CTA of the grid, third dimension. */
    CTAID_Z("%ctaid.z"),
    /** CTAs in the first dimension. */
    NCTAID_X("%nctaid.x"),
    /** CTAs in the second dimension. */
    NCTAID_Y("%nctaid.y"),
    /** CTAs in the third dimension. */
    NCTAID_Z("%nctaid.z");

    private final String ptx;

    Special(String ptx) {
        this.ptx = ptx;
    }

    @Override
    public RegType type() {
        return RegType.B32;
    }

    @Override
    public String toString() {
        return ptx;
    }
}
