package io.sage4j.ptx;

import java.util.Locale;

/**
 * A constant.
 *
 * @param type class of register that could hold it
 * @param bits value; 32-bit and narrower ones zero-extended
 */
public record Imm(RegType type, long bits) implements Operand {
    /** 32-bit integer. */
    public static Imm of(int value) {
        return new Imm(RegType.B32, value & 0xFFFFFFFFL);
    }

    /** 64-bit integer. */
    public static Imm of(long value) {
        return new Imm(RegType.B64, value);
    }

    /** FP32, printed bit by bit. */
    public static Imm of(float value) {
        return new Imm(RegType.F32, Float.floatToRawIntBits(value) & 0xFFFFFFFFL);
    }

    /** 16 bits. */
    public static Imm ofBits16(int bits) {
        return new Imm(RegType.B16, bits & 0xFFFFL);
    }

    @Override
    public String toString() {
        if (type == RegType.F32) {
            return String.format(Locale.ROOT, "0f%08X", bits);
        }
        return type == RegType.B32 ? Integer.toString((int) bits) : Long.toString(bits);
    }
}
