package io.sage4j.ptx;

/**
 * Matrix multiply-accumulate instructions of a warp: D = A B + C with A of 16 x k, B of k x 8, C and D of 16 x 8.
 *
 * <p>Lane {@code l}, with {@code g = l / 4} and {@code t = l % 4}, holds: of A, registers 0..3 (elements {@code e} to a
 * register; where k is only {@code 4 * e}, there are half as many registers of A and of B): row {@code g + 8 * (r & 1)}, columns {@code e * t + 4 * e * (r >> 1)} and the following; of B, registers 0
 * and 1: rows {@code e * t + 4 * e * r} and the following of column {@code g}; of C and D: rows {@code g} (first two
 * elements) and {@code g + 8}, columns {@code 2 * t} and {@code 2 * t + 1}. FP16 accumulators hold two elements a
 * register.
 */
public enum MmaShape {
    /** INT8, exact. */
    S8("m16n8k32.row.col.s32.s8.s8.s32", 32, 8, RegType.B32, 4, Requirement.BASE),
    /** INT4, exact. */
    S4("m16n8k64.row.col.s32.s4.s4.s32", 64, 4, RegType.B32, 4, Requirement.BASE),
    /** INT4 of half that depth, for what a multiple of 64 leaves. */
    S4_HALF("m16n8k32.row.col.s32.s4.s4.s32", 32, 4, RegType.B32, 4, Requirement.BASE),
    /** E4M3 with FP32 sums. */
    E4M3_F32("m16n8k32.row.col.f32.e4m3.e4m3.f32", 32, 8, RegType.F32, 4, new Requirement(84, 89)),
    /** E4M3 with FP16 sums: SageAttention2++'s instruction. */
    E4M3_F16("m16n8k32.row.col.f16.e4m3.e4m3.f16", 32, 8, RegType.B32, 2, new Requirement(87, 89)),
    /** FP16 with FP32 sums. */
    F16_F32("m16n8k16.row.col.f32.f16.f16.f32", 16, 16, RegType.F32, 4, Requirement.BASE),
    /** FP16 with FP16 sums. */
    F16_F16("m16n8k16.row.col.f16.f16.f16.f16", 16, 16, RegType.B32, 2, Requirement.BASE);

    private final String ptx;
    private final int k;
    private final int bits;
    private final RegType accumulator;
    private final int accumulatorRegs;
    private final Requirement requirement;

    MmaShape(String ptx, int k, int bits, RegType accumulator, int accumulatorRegs, Requirement requirement) {
        this.ptx = ptx;
        this.k = k;
        this.bits = bits;
        this.accumulator = accumulator;
        this.accumulatorRegs = accumulatorRegs;
        this.requirement = requirement;
    }

    /** Opcode. */
    public String opcode() {
        return "mma.sync.aligned." + ptx;
    }

    /** Products of one sum. */
    public int k() {
        return k;
    }

    /** Bits of an element of A and B. */
    public int bits() {
        return bits;
    }

    /** Registers of A: 16 x k elements over the lanes. */
    public int aRegs() {
        return k * bits / 64;
    }

    /** Registers of B: k x 8 elements over the lanes. */
    public int bRegs() {
        return k * bits / 128;
    }

    /** Whether products and sums are integers, exact. */
    public boolean isInteger() {
        return accumulator == RegType.B32 && !isHalf();
    }

    /** Class of the registers of C and D. */
    public RegType accumulator() {
        return accumulator;
    }

    /** Registers of C and of D: 4, or 2 with FP16 sums. */
    public int accumulatorRegs() {
        return accumulatorRegs;
    }

    /** Whether C and D are FP16. */
    public boolean isHalf() {
        return accumulatorRegs == 2;
    }

    /** What it needs. */
    public Requirement requirement() {
        return requirement;
    }
}
