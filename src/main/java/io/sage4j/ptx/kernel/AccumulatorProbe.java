package io.sage4j.ptx.kernel;

import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Fence;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.MmaShape;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;
import io.sage4j.ptx.Wgmma;
import io.sage4j.ptx.WgmmaWait;
import java.util.Collections;
import java.util.List;

/**
 * Measures how many bits a tensor core keeps when it sums. SageAttention2 (section 3.4) found that the FP32 accumulator of
 * FP8 products has 13 bits of mantissa, not 23: long sums then lose what is small, which is why tiles are summed apart.
 *
 * <p>The kernel computes {@code 2^n + 1 * 1} for n = 0, 1, ... with 2^n in the accumulator, then {@code 2^8 * 1 + 2^-n * 1}
 * with an accumulator of 0. Where the small number is lost, the result is the large one.
 *
 * <p>Grid: 1 CTA of 32 threads (128 for wgmma, which also takes 4 KiB of shared memory). Parameters: {@code out} (U64, FP32
 * [{@link #RESULTS}]).
 */
public final class AccumulatorProbe {
    /** Results of a kernel. */
    public static final int RESULTS = 40;

    private static final int ADDENDS = 30;
    private static final int HALF_ADDENDS = 16;
    private static final int PRODUCTS = RESULTS - ADDENDS;
    private static final int LARGE_EXPONENT = 8;
    private static final int FLOAT = 4;
    private static final int SHARED = 4096;
    private static final int ROW = 32;

    /**
     * What was measured.
     *
     * @param addend largest n for which {@code 2^n + 1} is not {@code 2^n}: the mantissa of the accumulator has so many bits
     * @param products largest n for which {@code 2^8 + 2^(8 - n)} is not {@code 2^8}, both products of one instruction; the
     *     format of the operands admits up to 17
     */
    public record Bits(int addend, int products) {
        /** From the numbers that a kernel left. */
        public static Bits of(float[] out) {
            int addend = -1;
            int products = -1;
            for (int n = 0; n < ADDENDS; n++) {
                addend = out[n] > Math.scalb(1f, n) ? n : addend;
            }
            for (int n = 0; n < PRODUCTS; n++) {
                products = out[ADDENDS + n] > Math.scalb(1f, LARGE_EXPONENT) ? LARGE_EXPONENT + n : products;
            }
            return new Bits(addend, products);
        }
    }

    private final KernelBuilder k;
    private final MmaShape shape;
    private final Reg lane;
    private final Reg out;
    private final Reg first;

    private AccumulatorProbe(KernelBuilder k, MmaShape shape) {
        this.k = k;
        this.shape = shape;
        out = k.param("out", Type.U64);
        Reg tid = k.read(Special.TID_X);
        lane = k.and(tid, 31);
        first = k.compare(Relation.EQ, Type.U32, tid, Imm.of(0));
    }

    /** The kernel for an instruction with floating-point sums. */
    public static Kernel mma(MmaShape shape) {
        if (shape.isInteger()) {
            throw new IllegalArgumentException(shape.opcode() + " sums integers, exactly");
        }
        KernelBuilder k = new KernelBuilder("sage_probe_mma", 32);
        AccumulatorProbe probe = new AccumulatorProbe(k, shape);
        probe.measure((large, a) -> {
            List<Reg> d = k.regs(shape.accumulator(), shape.accumulatorRegs());
            Reg ones = k.move(Type.U32, Imm.of(probe.pair(0, 0)));
            Reg zero = k.move(Type.U32, Imm.of(0));
            List<Reg> c = Collections.nCopies(shape.accumulatorRegs(), large);
            k.mma(shape, d, List.of(a, zero, zero, zero), List.of(ones, ones), c);
            return d.get(0);
        });
        return k.build();
    }

    /** The kernel for the FP8 instruction with FP32 sums of a warpgroup, sm_90a only. */
    public static Kernel wgmma() {
        KernelBuilder k = new KernelBuilder("sage_probe_wgmma", 128);
        AccumulatorProbe probe = new AccumulatorProbe(k, MmaShape.E4M3_F32);
        Reg shared = k.read(k.shared("ones", SHARED, 1024, false));
        Reg mine = k.mad(Type.U32, k.read(Special.TID_X), Imm.of(ROW), shared);
        Reg ones = k.move(Type.U32, Imm.of(probe.pair(0, 0)));
        for (int n = 0; n < ROW; n += FLOAT) {
            k.store(Space.SHARED, Type.U32, Address.of(mine).plus(n), ones);
        }
        k.emit(new Fence(Fence.Kind.PROXY_ASYNC));
        k.barrier();
        // All of B is 1, so any layout of it will do.
        Reg at = k.shr(k.and(shared, 0x3FFFF), 4);
        Reg low = k.get(Operation.OR, Type.B32, at, Imm.of(1 << 16));
        Reg b = k.get(Operation.OR, Type.B64, k.convert(Conversion.U64_FROM_U32, low), Imm.of(16L << 32));
        probe.measure((large, a) -> {
            List<Reg> d = k.regs(MmaShape.E4M3_F32.accumulator(), 4);
            d.forEach(r -> k.set(r, Type.F32, large));
            Reg zero = k.move(Type.U32, Imm.of(0));
            k.emit(new Fence(Fence.Kind.WGMMA));
            k.emit(new Wgmma(Wgmma.Form.E4M3_F32, 8, d, List.of(a, zero, zero, zero), b, true));
            k.emit(new Fence(Fence.Kind.WGMMA_COMMIT));
            k.emit(new WgmmaWait(0));
            return d.get(0);
        });
        return k.build();
    }

    /** Computes an element from the accumulators' start and the left operand's register. */
    private interface Sum {
        Reg of(Reg large, Reg a);
    }

    private void measure(Sum sum) {
        for (int n = 0; n < RESULTS; n++) {
            boolean addend = n < ADDENDS;
            int exponent = addend ? n : LARGE_EXPONENT;
            if (addend && shape.isHalf() && n >= HALF_ADDENDS) {
                // FP16 ends at 2^15: what cannot be held is not kept.
                store(n, k.move(Type.F32, Imm.of(Math.scalb(1f, n))));
                continue;
            }
            Reg start;
            if (shape.isHalf()) {
                int half = (15 + exponent) << 10;
                start = k.move(Type.U32, Imm.of(addend ? half | half << 16 : 0));
            } else {
                start = k.move(Type.F32, Imm.of(addend ? Math.scalb(1f, exponent) : 0f));
            }
            int codes = addend ? pair(0, 0) & elementMask() : pair(LARGE_EXPONENT, -(n - ADDENDS));
            // Only the first depth of a row: lanes 0, 4, 8, ...
            Reg isFirst = k.compare(Relation.EQ, Type.U32, k.and(lane, 3), Imm.of(0));
            Reg result = sum.of(start, k.select(Type.U32, isFirst, Imm.of(codes), Imm.of(0)));
            store(
                    n,
                    shape.isHalf()
                            ? k.convert(
                                    Conversion.F32_FROM_F16, k.unpack(result).get(0))
                            : result);
        }
    }

    private void store(int n, Reg value) {
        k.guarded(first, () -> k.store(Space.GLOBAL, Type.F32, Address.of(out).plus(n * FLOAT), value));
    }

    private int elementMask() {
        return shape.bits() == 8 ? 0xFF : 0xFFFF;
    }

    /** 2^a and 2^b in the operand's format as its first two elements, repeated where there is room for more. */
    private int pair(int a, int b) {
        if (shape.bits() != 8) {
            return (15 + a) << 10 | (15 + b) << 26;
        }
        int two = e4m3(a) | e4m3(b) << 8;
        return a == b ? two | two << 16 : two;
    }

    /** 2^n, n from -9 (the least subnormal) to 8. */
    private static int e4m3(int n) {
        return n >= -6 ? (7 + n) << 3 : 1 << 9 + n;
    }
}
