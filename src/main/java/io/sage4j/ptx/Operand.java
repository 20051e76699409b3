package io.sage4j.ptx;

/** What an instruction reads. {@code toString} is its PTX text. */
public sealed interface Operand permits Reg, Imm, Special, SharedArray, Param {
    /** Class of register that could hold it. */
    RegType type();
}
