package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Pack;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;
import java.util.ArrayList;
import java.util.List;

/**
 * A tensor [batch, heads, tokens, channels] of FP16 or BF16 as a kernel reads it: any strides, the last dimension
 * contiguous, 64-bit offsets. Declares the parameters {@code data} (U64), {@code heads} (U32), {@code stride_batch},
 * {@code stride_head}, {@code stride_token} (U64, in elements), {@code tokens} and {@code channels} (U32), in this
 * order.
 */
final class StridedInput {
    private static final int BYTES = 2;

    private final KernelBuilder k;
    private final DType type;
    private final Reg data;
    private final Reg heads;
    private final Reg strideBatch;
    private final Reg strideHead;
    private final Reg strideToken;
    private final Reg tokens;
    private final Reg channels;
    private final Reg zero;
    /** Token of the tensor that is the first one here; null for its own first one. */
    private final Reg start;

    StridedInput(KernelBuilder k, DType type) {
        this(k, type, "");
    }

    /** The same with {@code prefix} before the names of the parameters. */
    StridedInput(KernelBuilder k, DType type, String prefix) {
        if (type != DType.FLOAT16 && type != DType.BFLOAT16) {
            throw new IllegalArgumentException("native kernels read float16 and bfloat16, not " + type);
        }
        this.k = k;
        this.type = type;
        data = k.param(prefix + "data", Type.U64);
        heads = k.param(prefix + "heads", Type.U32);
        strideBatch = k.param(prefix + "stride_batch", Type.U64);
        strideHead = k.param(prefix + "stride_head", Type.U64);
        strideToken = k.param(prefix + "stride_token", Type.U64);
        tokens = k.param(prefix + "tokens", Type.U32);
        channels = k.param(prefix + "channels", Type.U32);
        zero = k.move(Type.B16, Imm.ofBits16(0));
        start = null;
    }

    private StridedInput(Reg first, StridedInput a, StridedInput b) {
        k = a.k;
        type = a.type;
        data = k.select(Type.U64, first, a.data, b.data);
        heads = a.heads;
        strideBatch = k.select(Type.U64, first, a.strideBatch, b.strideBatch);
        strideHead = k.select(Type.U64, first, a.strideHead, b.strideHead);
        strideToken = k.select(Type.U64, first, a.strideToken, b.strideToken);
        tokens = a.tokens;
        channels = a.channels;
        zero = a.zero;
        start = null;
    }

    private StridedInput(StridedInput of, Reg start, Reg count) {
        k = of.k;
        type = of.type;
        this.start = start;
        data = of.data;
        heads = of.heads;
        strideBatch = of.strideBatch;
        strideHead = of.strideHead;
        strideToken = of.strideToken;
        tokens = count;
        channels = of.channels;
        zero = of.zero;
    }

    /** So many tokens of it, from {@code start} on, where it has one batch entry only. */
    StridedInput part(Reg start, Reg count) {
        return new StridedInput(this, start, count);
    }

    /** Heads of a batch entry. */
    Reg heads() {
        return heads;
    }

    /** {@code a} where {@code first} is true, else {@code b}: tensors of one shape and type. */
    static StridedInput either(Reg first, StridedInput a, StridedInput b) {
        return new StridedInput(first, a, b);
    }

    Reg tokens() {
        return tokens;
    }

    Reg channels() {
        return channels;
    }

    /** Bytes between two tokens. */
    Reg tokenBytes() {
        return k.mul(Type.U64, strideToken, Imm.of((long) BYTES));
    }

    /** Address of channel {@code channel} of token {@code token} of a head, counted over batch and heads. */
    Reg address(Reg head, Reg token, Reg channel) {
        if (start != null) {
            Reg ofHead = k.mad64(head, strideHead, k.convert(Conversion.U64_FROM_U32, channel));
            return bytes(k.mad64(k.add(Type.U32, token, start), strideToken, ofHead));
        }
        Reg batch = k.div(Type.U32, head, heads);
        Reg inBatch = k.sub(Type.U32, head, k.mul(Type.U32, batch, heads));
        Reg inEntry = k.mad64(inBatch, strideHead, k.convert(Conversion.U64_FROM_U32, channel));
        return bytes(k.mad64(token, strideToken, k.mad64(batch, strideBatch, inEntry)));
    }

    private Reg bytes(Reg element) {
        return k.add(Type.U64, data, k.mul(Type.U64, element, Imm.of((long) BYTES)));
    }

    /** Loads one element into an FP32 register. */
    Reg load(Address from) {
        return widen(k.loadReadOnly(Type.B16, from));
    }

    /** Loads 1, 2, 4 or 8 neighbouring elements at once; the address must be aligned to all of them. */
    List<Reg> loadVector(int count, Address from) {
        List<Reg> values = new ArrayList<>();
        if (count == 1) {
            values.add(load(from));
            return values;
        }
        for (Reg pair : k.loadVector(Space.GLOBAL, Type.U32, count / 2, from, true)) {
            k.unpack(pair).forEach(half -> values.add(widen(half)));
        }
        return values;
    }

    /** Type of two elements in a register. */
    Type pairs() {
        return type == DType.FLOAT16 ? Type.F16X2 : Type.BF16X2;
    }

    /** Bits of an infinity. */
    int infinity() {
        return type == DType.FLOAT16 ? 0x7C00 : 0x7F80;
    }

    /** FP32 of an element's bits. */
    Reg widen(Reg bits) {
        if (type == DType.FLOAT16) {
            return k.convert(Conversion.F32_FROM_F16, bits);
        }
        Reg to = k.reg(RegType.F32);
        k.emit(new Pack(to, zero, bits));
        return to;
    }
}
