package io.sage4j.ptx;

import java.util.EnumSet;
import java.util.Set;

/** Lane-wise arithmetic. The FP32 forms name their rounding, so that the assembler contracts nothing. */
public enum Operation {
    /** a + b. */
    ADD(2, "add", Type.U32, Type.S32, Type.U64, Type.S64, Type.F32, Type.F16X2),
    /** a - b. */
    SUB(2, "sub", Type.U32, Type.S32, Type.U64, Type.S64, Type.F32),
    /** a * b, the low half for integers. */
    MUL(2, "mul", Type.U32, Type.S32, Type.U64, Type.S64, Type.F32, Type.F16X2),
    /** a * b in 64 bits. */
    MUL_WIDE(2, "mul.wide", Type.U32, Type.S32),
    /** a / b, rounded to nearest for FP32. */
    DIV(2, "div", Type.U32, Type.S32, Type.U64, Type.F32),
    /** Remainder of a / b. */
    REM(2, "rem", Type.U32, Type.S32, Type.U64),
    /** Smaller one; a NaN gives way. */
    MIN(2, "min", Type.U32, Type.S32, Type.U64, Type.S64, Type.F32),
    /** Larger one; a NaN gives way. */
    MAX(2, "max", Type.U32, Type.S32, Type.U64, Type.S64, Type.F32, Type.U16X2),
    /** Smaller one; a NaN wins. */
    MIN_NAN(2, "min.NaN", Type.F32, Type.F16X2, Type.BF16X2),
    /** Larger one; a NaN wins. */
    MAX_NAN(2, "max.NaN", Type.F32, Type.F16X2, Type.BF16X2),
    /** Bitwise and. */
    AND(2, "and", Type.B32, Type.B64, Type.PRED),
    /** Bitwise or. */
    OR(2, "or", Type.B32, Type.B64, Type.PRED),
    /** Bitwise exclusive or. */
    XOR(2, "xor", Type.B32, Type.B64, Type.PRED),
    /** a &lt;&lt; b; b past the width gives 0. */
    SHL(2, "shl", Type.B32, Type.B64),
    /** a &gt;&gt; b, with the sign for signed types. */
    SHR(2, "shr", Type.U32, Type.S32, Type.U64, Type.S64),
    /** -a. */
    NEG(1, "neg", Type.S32, Type.S64, Type.F32),
    /** Magnitude. */
    ABS(1, "abs", Type.S32, Type.F32),
    /** Bitwise not. */
    NOT(1, "not", Type.B32, Type.B64, Type.PRED),
    /** 2^a, about 2 ulp, subnormals as zero. */
    EX2(1, "ex2.approx.ftz", Type.F32),
    /** log2 a, absolute error about 2^-22, subnormals as zero. */
    LG2(1, "lg2.approx.ftz", Type.F32),
    /** 1 / a, rounded to nearest. */
    RCP(1, "rcp", Type.F32),
    /** 1 / a, 1 ulp, subnormals as zero. */
    RCP_APPROX(1, "rcp.approx.ftz", Type.F32),
    /** a * b + c, the low half. */
    MAD(3, "mad.lo", Type.U32, Type.S32),
    /** a * b + c with c and the result in 64 bits. */
    MAD_WIDE(3, "mad.wide", Type.U32, Type.S32),
    /** a * b + c, rounded once. */
    FMA(3, "fma", Type.F32, Type.F16X2),
    /** a * b + c, rounded once, then brought into 0 to 1; a NaN becomes 0. */
    FMA_SATURATED(3, "fma.rn.sat", Type.F32),
    /** Four bytes of a and b, chosen by the nibbles of c. */
    PRMT(3, "prmt", Type.B32),
    /** High word of (b:a) &lt;&lt; (c &amp; 31). */
    SHF_LEFT(3, "shf.l.wrap", Type.B32);

    private final int operands;
    private final String ptx;
    private final Set<Type> types;

    Operation(int operands, String ptx, Type first, Type... more) {
        this.operands = operands;
        this.ptx = ptx;
        this.types = EnumSet.of(first, more);
    }

    /** Number of operands read. */
    public int operands() {
        return operands;
    }

    /** Whether it exists for a type. */
    public boolean has(Type type) {
        return types.contains(type);
    }

    /** Class of the result. */
    public RegType result(Type type) {
        return this == MUL_WIDE || this == MAD_WIDE ? RegType.B64 : type.reg();
    }

    /** Expected class of an operand. */
    RegType operand(Type type, int number) {
        boolean amount = (this == SHL || this == SHR) && number == 1;
        return this == MAD_WIDE && number == 2 ? RegType.B64 : amount ? RegType.B32 : type.reg();
    }

    /** Opcode for a type. */
    String opcode(Type type) {
        boolean integer = type.reg() != RegType.F32 && type != Type.F16X2 && type != Type.BF16X2;
        String middle = "";
        if (!integer) {
            boolean rounds = this == ADD || this == SUB || this == MUL || this == DIV || this == RCP || this == FMA;
            middle = rounds ? ".rn" : "";
        } else if (this == MUL) {
            middle = ".lo";
        }
        return ptx + middle + "." + type.ptx();
    }
}
