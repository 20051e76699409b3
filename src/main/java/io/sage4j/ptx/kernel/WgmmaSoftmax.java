package io.sage4j.ptx.kernel;

import io.sage4j.numeric.ExponentCode;
import io.sage4j.numeric.Numbers;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Fence;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.Type;
import io.sage4j.ptx.Vote;
import io.sage4j.ptx.WarpBarrier;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/**
 * The online softmax of a thread's two rows in {@link WgmmaConsumer}: scores become P, and the rows' maxima run on. Four threads share
 * a row, and a thread has 32 of a tile's 128 keys: {@code 2t, 2t + 1} of every 8. What ends up in the scores' registers is what the
 * next Q K^T starts from.
 *
 * <p>S are {@link FloatScores}; where a unit of them is much in the exponent, they first become exact distances from the largest
 * one. That and masking share one branch, decided while S is on its way.
 */
final class WgmmaSoftmax {
    private static final int N = 8;
    /** Bytes of a row that one matrix instruction takes. */
    static final int STEP_BYTES = 32;

    /** Registers of P that it takes. */
    static final int STEP_REGS = 4;

    private static final int LOW_BYTES_OF_TWO = 0x0040;
    private static final int MINUS_INFINITY = 0xFF800000;
    /** What an underflowed scale becomes, so that it times a hidden score is not NaN. */
    private static final float LEAST_SCALE = 0x1p-126f;

    private final KernelBuilder k;
    private final WgmmaAttentionSpec spec;
    private final WgmmaOrder order;
    private final float offset;
    private final List<Reg> s;
    private final List<Reg> p;
    private final Reg pStore;
    /** Running maximum of each row, and the factor of what was summed before it. */
    private final List<Reg> max;

    private final List<Reg> alpha;
    private final List<Reg> shift = new ArrayList<>();
    private Reg scale;
    private final List<Reg> codeShift = new ArrayList<>();
    /** The exponential that came last. */
    private Reg latest;

    private Reg codeScale;
    private Reg masked;
    private Reg coarse;
    private Reg rare;

    /**
     * @param s scores: 64 registers
     * @param p P as left operands of the tensor cores; one of its steps at a time if it goes through shared memory
     * @param pStore where the lane stores its first matrices of P; null if P stays in registers
     * @param max running maximum of each row
     * @param alpha the factor of what was summed before the last one
     */
    WgmmaSoftmax(
            KernelBuilder k,
            WgmmaAttentionSpec spec,
            WgmmaOrder order,
            List<Reg> s,
            List<Reg> p,
            Reg pStore,
            List<Reg> max,
            List<Reg> alpha) {
        this.k = k;
        this.spec = spec;
        this.order = order;
        this.s = s;
        this.p = p;
        this.pStore = pStore;
        this.max = max;
        this.alpha = alpha;
        offset = spec.scheme().pOffset();
    }

    /**
     * Of the scores on their way: whether they need more than the usual.
     *
     * @param factor what they will be multiplied by
     * @param holdsHidden whether some of their keys are hidden from the warpgroup
     */
    void expect(Reg factor, Reg holdsHidden) {
        scale = factor;
        masked = holdsHidden;
        // What is not a number is coarse, lest it stay in the scores' registers.
        Reg small = k.compare(Relation.LE, Type.F32, scale, Imm.of(FloatScores.smallScale(spec.fp16())));
        coarse = k.get(Operation.NOT, Type.PRED, small);
        rare = k.reg(RegType.PRED);
        k.emit(new Vote(rare, k.get(Operation.OR, Type.PRED, masked, coarse)));
    }

    /**
     * Takes the scores in: new maxima, and the factors of what was summed before. An exponent is {@code s * scale +
     * zero - max + offset}, where {@code zero} takes off what the magic number puts on.
     *
     * @param limits makes the last visible one of the thread's keys in each row, counted from its first one
     */
    void maximum(Supplier<List<Reg>> limits) {
        List<Reg> zero = new ArrayList<>();
        for (int half = 0; half < 2; half++) {
            zero.add(k.mul(Type.F32, scale, Imm.of(-Numbers.ROUND_TO_INT)));
        }
        k.when(rare, () -> {
            k.when(masked, () -> {
                mask(limits.get());
                Reg nothing = k.compare(Relation.EQ, Type.F32, scale, Imm.of(0f));
                k.set(scale, Type.F32, k.select(Type.F32, nothing, Imm.of(LEAST_SCALE), scale));
            });
            k.when(coarse, () -> sharpen(zero));
        });
        shift.clear();
        for (int half = 0; half < 2; half++) {
            Reg m = k.fma(k.floating(largest(2 * half)), scale, zero.get(half));
            m = k.max(Type.F32, m, k.shuffleXor(m, 1));
            m = k.max(Type.F32, m, k.shuffleXor(m, 2));
            m = k.max(Type.F32, m, max.get(half));
            k.set(alpha.get(half), Operation.EX2, Type.F32, k.sub(Type.F32, max.get(half), m));
            k.set(max.get(half), Type.F32, m);
            shift.add(k.add(Type.F32, k.sub(Type.F32, zero.get(half), m), Imm.of(offset)));
        }
    }

    /**
     * Where a unit of the integer scores is much in the exponent, scores become what they are below the thread's largest
     * one, in units of 1. That one becomes 0, which is the largest integer too: the others are negative.
     */
    private void sharpen(List<Reg> zero) {
        for (int half = 0; half < 2; half++) {
            List<Reg> row = new ArrayList<>();
            for (int i = 2 * half; i < s.size(); i += 4) {
                row.add(s.get(i));
                row.add(s.get(i + 1));
            }
            Reg top = k.move(Type.F32, Imm.of(Numbers.MASKED));
            for (Reg r : row) {
                Reg exact = k.mul(Type.F32, k.add(Type.F32, k.floating(r), Imm.of(-Numbers.ROUND_TO_INT)), scale);
                k.set(r, Type.B32, exact);
                k.set(top, Operation.MAX, Type.F32, top, exact);
            }
            for (Reg r : row) {
                k.set(r, Type.B32, k.sub(Type.F32, k.floating(r), top));
            }
            k.set(zero.get(half), Type.F32, top);
        }
        k.set(scale, Type.F32, Imm.of(1f));
    }

    /** Largest score of one of the thread's two rows, as an integer: what is no mask is positive. */
    private Reg largest(int from) {
        Reg even = k.max(Type.S32, s.get(from), s.get(from + 1));
        Reg odd = k.max(Type.S32, s.get(from + 4), s.get(from + 5));
        for (int i = N; i < s.size(); i += N) {
            even = k.max(Type.S32, k.max(Type.S32, even, s.get(i + from)), s.get(i + from + 1));
            odd = k.max(Type.S32, k.max(Type.S32, odd, s.get(i + from + 4)), s.get(i + from + 5));
        }
        return k.max(Type.S32, even, odd);
    }

    private void mask(List<Reg> limits) {
        for (int i = 0; i < s.size(); i++) {
            int key = i / 4 * N + i % 2;
            Reg visible = k.compare(Relation.GE, Type.S32, limits.get(i / 2 % 2), Imm.of(key));
            k.set(s.get(i), Type.B32, k.select(Type.B32, visible, s.get(i), Imm.of(MINUS_INFINITY)));
        }
    }

    /**
     * P, as left operands: with E4M3 the order of V's keys makes each register four neighbouring scores of the thread, with
     * FP16 two.
     */
    void exponentials() {
        if (spec.fast()) {
            placeCodes();
        }
        int count = s.size() / (spec.fp16() ? 2 : 4);
        Reg all = scale;
        for (int r = 0; r < count; r++) {
            if (order.inHalves() && r == count / 2) {
                scale = behind(latest, scale);
            }
            register(r);
        }
        scale = all;
        if (spec.sharedP()) {
            // A warp reads no rows of P but its own.
            k.emit(new Fence(Fence.Kind.PROXY_ASYNC));
            k.emit(new WarpBarrier());
        }
        if (!order.resetsAtOnce()) {
            s.forEach(score -> reset(score, k.floating(score)));
        }
        // What was hidden, far below or not a number would stay.
        k.when(rare, this::setScores);
    }

    /** A value that waits for an exponential: the assembler would work out all exponents first, and fill no gaps with them later. */
    private Reg behind(Reg exponential, Reg value) {
        return k.fma(exponential, Imm.of(0f), value);
    }

    /** A register of P. */
    private void register(int r) {
        Reg to = p.get(r % p.size());
        if (spec.fp16()) {
            Reg high = exponential(2 * r + 1, r % 2);
            k.set(to, Type.B32, k.convert(Conversion.F16X2_FROM_F32, high, exponential(2 * r, r % 2)));
            return;
        }
        int first = r / 4 * 16 + r / 2 % 2 * 8 + r % 2 * 2;
        Reg low = pair(first, r % 2);
        Reg high = spec.fast() ? codes(first + 4, r % 2) : pair(first + 4, r % 2);
        k.set(to, Type.B32, k.pack(low, high));
        if (spec.sharedP() && r % STEP_REGS == STEP_REGS - 1) {
            // The swizzle is an exclusive or too.
            int bytes = r / STEP_REGS * STEP_BYTES;
            k.storeMatrix(Address.of(bytes == 0 ? pStore : k.xor(pStore, Imm.of(bytes))), p);
        }
    }

    private Reg pair(int first, int half) {
        return k.convert(Conversion.E4M3X2_FROM_F32, exponential(first + 1, half), exponential(first, half));
    }

    /**
     * {@link ExponentCode} as a fraction of the largest code, so that one saturated product clamps it: what to multiply a
     * score by and what to add.
     */
    private void placeCodes() {
        codeScale = k.mul(Type.F32, scale, Imm.of(ExponentCode.PER_OCTAVE / ExponentCode.LARGEST));
        codeShift.clear();
        for (Reg each : shift) {
            codeShift.add(k.fma(
                    each,
                    Imm.of(ExponentCode.PER_OCTAVE / ExponentCode.LARGEST),
                    Imm.of(ExponentCode.ZERO / ExponentCode.LARGEST)));
        }
    }

    /** Codes of two scores, straight from their exponents. */
    private Reg codes(int first, int half) {
        Reg both = k.get(Operation.PRMT, Type.B32, code(first, half), code(first + 1, half), Imm.of(LOW_BYTES_OF_TWO));
        return k.unpack(both).get(0);
    }

    private Reg code(int i, int half) {
        Reg score = k.floating(s.get(i));
        Reg place = k.get(Operation.FMA_SATURATED, Type.F32, score, codeScale, codeShift.get(half));
        if (order.resetsAtOnce()) {
            reset(s.get(i), score);
        }
        return k.bits(k.fma(place, Imm.of(ExponentCode.LARGEST), Imm.of(Numbers.ROUND_TO_INT)));
    }

    private Reg exponential(int i, int half) {
        latest = k.get(Operation.EX2, Type.F32, k.fma(k.floating(s.get(i)), scale, shift.get(half)));
        if (order.resetsAtOnce()) {
            reset(s.get(i), latest);
        }
        return latest;
    }

    /**
     * A score's register for the next Q K^T, from what was made of it. A product is faster than a move here: it keeps off the
     * pipe that maxima and packing fill.
     */
    private void reset(Reg score, Reg from) {
        k.set(score, Type.B32, k.bits(k.fma(from, Imm.of(0f), Imm.of(Numbers.ROUND_TO_INT))));
    }

    /** As they are where nothing was made of them. */
    void setScores() {
        s.forEach(r -> k.set(r, Type.B32, Imm.of(FloatScores.START)));
    }
}
