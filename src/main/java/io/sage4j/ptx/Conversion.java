package io.sage4j.ptx;

import java.util.List;

/** Conversions between types. */
public enum Conversion {
    /** Exact. */
    F32_FROM_F16("cvt.f32.f16", RegType.F32, RegType.B16),
    /** Nearest even, beyond the range infinite. */
    F16_FROM_F32("cvt.rn.f16.f32", RegType.B16, RegType.F32),
    /** Nearest even. */
    BF16_FROM_F32("cvt.rn.bf16.f32", RegType.B16, RegType.F32),
    /** First operand in the high half, second in the low half. */
    F16X2_FROM_F32("cvt.rn.f16x2.f32", RegType.B32, RegType.F32, RegType.F32),
    /** First operand in the high half, second in the low half. */
    BF16X2_FROM_F32("cvt.rn.bf16x2.f32", RegType.B32, RegType.F32, RegType.F32),
    /** First operand in the high byte, second in the low byte; saturates at 448. */
    E4M3X2_FROM_F32("cvt.rn.satfinite.e4m3x2.f32", new Requirement(81, 89), RegType.B16, RegType.F32, RegType.F32),
    /** First operand in the high byte, second in the low byte; saturates at 57344. */
    E5M2X2_FROM_F32("cvt.rn.satfinite.e5m2x2.f32", new Requirement(81, 89), RegType.B16, RegType.F32, RegType.F32),
    /** Exact; the high byte becomes the high half. */
    F16X2_FROM_E4M3X2("cvt.rn.f16x2.e4m3x2", new Requirement(81, 89), RegType.B32, RegType.B16),
    /** Nearest even, saturating, NaN to 0. */
    S32_FROM_F32("cvt.rni.s32.f32", RegType.B32, RegType.F32),
    /** Nearest even. */
    F32_FROM_S32("cvt.rn.f32.s32", RegType.F32, RegType.B32),
    /** Nearest even. */
    F32_FROM_U32("cvt.rn.f32.u32", RegType.F32, RegType.B32),
    /** Zero-extends. */
    U64_FROM_U32("cvt.u64.u32", RegType.B64, RegType.B32),
    /** Extends the sign. */
    S64_FROM_S32("cvt.s64.s32", RegType.B64, RegType.B32),
    /** Low word. */
    U32_FROM_U64("cvt.u32.u64", RegType.B32, RegType.B64),
    /** Zero-extends. */
    U32_FROM_U16("cvt.u32.u16", RegType.B32, RegType.B16),
    /** Low half. */
    U16_FROM_U32("cvt.u16.u32", RegType.B16, RegType.B32),
    /** Two integers saturated to bytes in the low half (the first one high), the third one's low half above them. */
    S8X2_FROM_S32("cvt.pack.sat.s8.s32.b32", RegType.B32, RegType.B32, RegType.B32, RegType.B32);

    private final String opcode;
    private final Requirement requirement;
    private final RegType to;
    private final List<RegType> from;

    Conversion(String opcode, RegType to, RegType... from) {
        this(opcode, Requirement.BASE, to, from);
    }

    Conversion(String opcode, Requirement requirement, RegType to, RegType... from) {
        this.opcode = opcode;
        this.requirement = requirement;
        this.to = to;
        this.from = List.of(from);
    }

    /** Opcode. */
    public String opcode() {
        return opcode;
    }

    /** What it needs. */
    public Requirement requirement() {
        return requirement;
    }

    /** Class of the result. */
    public RegType to() {
        return to;
    }

    /** Classes of the operands. */
    public List<RegType> from() {
        return from;
    }
}
