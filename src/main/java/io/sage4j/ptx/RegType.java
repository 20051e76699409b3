package io.sage4j.ptx;

/** Classes of virtual registers. Signedness belongs to the instruction, not to the register, as in PTX. */
public enum RegType {
    /** Predicate. */
    PRED("pred", "%p"),
    /** 16 bits: a half, a bfloat16, two FP8 codes. */
    B16("b16", "%h"),
    /** 32 bits: an integer, two halves, four codes, a shared address. */
    B32("b32", "%r"),
    /** 64 bits: an integer or a global address. */
    B64("b64", "%rd"),
    /** FP32. */
    F32("f32", "%f");

    private final String ptx;
    private final String prefix;

    RegType(String ptx, String prefix) {
        this.ptx = ptx;
        this.prefix = prefix;
    }

    /** Name in a declaration, without the dot. */
    public String ptx() {
        return ptx;
    }

    /** What register names of this class start with. */
    public String prefix() {
        return prefix;
    }
}
