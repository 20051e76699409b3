package io.sage4j.io;

import io.sage4j.DType;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** Element types that files may hold. Attention takes fewer: those with a {@link #dtype()}. */
public enum ElementType {
    /** One byte, zero or not. */
    BOOL(1, "|b1", "BOOL", DType.BOOL),
    /** Unsigned byte. */
    UINT8(1, "|u1", "U8", null),
    /** Signed byte. */
    INT8(1, "|i1", "I8", null),
    /** OCP FP8, 4 exponent and 3 mantissa bits. */
    FLOAT8_E4M3(1, null, "F8_E4M3", null),
    /** OCP FP8, 5 exponent and 2 mantissa bits. */
    FLOAT8_E5M2(1, null, "F8_E5M2", null),
    /** Unsigned 16 bits. */
    UINT16(2, "<u2", "U16", null),
    /** Signed 16 bits. */
    INT16(2, "<i2", "I16", null),
    /** IEEE binary16. */
    FLOAT16(2, "<f2", "F16", DType.FLOAT16),
    /** bfloat16; in .npy files {@code <V2}, as Python's ml_dtypes writes it. */
    BFLOAT16(2, "<V2", "BF16", DType.BFLOAT16),
    /** Unsigned 32 bits. */
    UINT32(4, "<u4", "U32", null),
    /** Signed 32 bits. */
    INT32(4, "<i4", "I32", null),
    /** IEEE binary32. */
    FLOAT32(4, "<f4", "F32", DType.FLOAT32),
    /** Unsigned 64 bits. */
    UINT64(8, "<u8", "U64", null),
    /** Signed 64 bits. */
    INT64(8, "<i8", "I64", null),
    /** IEEE binary64. */
    FLOAT64(8, "<f8", "F64", null);

    private final int bytes;
    private final String npy;
    private final String safetensors;
    private final DType dtype;

    ElementType(int bytes, String npy, String safetensors, DType dtype) {
        this.bytes = bytes;
        this.npy = npy;
        this.safetensors = safetensors;
        this.dtype = dtype;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }

    /** The type that a {@link io.sage4j.Tensor} has for it, if it can have one. */
    public Optional<DType> dtype() {
        return Optional.ofNullable(dtype);
    }

    /** The element type that holds a tensor's dtype. */
    public static ElementType of(DType dtype) {
        return Arrays.stream(values()).filter(t -> t.dtype == dtype).findFirst().orElseThrow();
    }

    /** NumPy's type descriptor, if .npy files can hold this type. */
    Optional<String> npy() {
        return Optional.ofNullable(npy);
    }

    /** Name in a safetensors header. */
    String safetensors() {
        return safetensors;
    }

    static Optional<ElementType> ofNpy(String descr) {
        if (descr.equals("bfloat16")) {
            return Optional.of(BFLOAT16);
        }
        return Arrays.stream(values()).filter(t -> descr.equals(t.npy)).findFirst();
    }

    static Optional<ElementType> ofSafetensors(String name) {
        return Arrays.stream(values()).filter(t -> name.equals(t.safetensors)).findFirst();
    }

    /** Lower-case name, as NumPy writes it. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
