package io.sage4j.ptx;

import java.util.Locale;

/** Types that instructions name. */
public enum Type {
    /** One bit. */
    PRED(0, RegType.PRED),
    /** Byte, kept in a 32-bit register. */
    U8(1, RegType.B32),
    /** Signed byte, kept in a 32-bit register. */
    S8(1, RegType.B32),
    /** 16 untyped bits. */
    B16(2, RegType.B16),
    /** 32 untyped bits. */
    B32(4, RegType.B32),
    /** Unsigned. */
    U32(4, RegType.B32),
    /** Signed. */
    S32(4, RegType.B32),
    /** Two halves, the first in the low bits. */
    F16X2(4, RegType.B32),
    /** Two unsigned 16-bit integers, the first in the low bits. */
    U16X2(4, RegType.B32),
    /** Two bfloat16, the first in the low bits. */
    BF16X2(4, RegType.B32),
    /** IEEE single. */
    F32(4, RegType.F32),
    /** 64 untyped bits. */
    B64(8, RegType.B64),
    /** Unsigned. */
    U64(8, RegType.B64),
    /** Signed. */
    S64(8, RegType.B64);

    private final int bytes;
    private final RegType reg;

    Type(int bytes, RegType reg) {
        this.bytes = bytes;
        this.reg = reg;
    }

    /** Bytes in memory. */
    public int bytes() {
        return bytes;
    }

    /** Class of the registers that hold it. */
    public RegType reg() {
        return reg;
    }

    /** Name in an instruction, without the dot. */
    public String ptx() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Whether comparison and shift to the right look at the sign. */
    public boolean isSigned() {
        return this == S8 || this == S32 || this == S64;
    }

    /** Whether an operand of this class may stand where this type is expected: untyped 32 bits also take an FP32. */
    public boolean accepts(RegType operand) {
        return operand == reg || this == B32 && operand == RegType.F32;
    }
}
