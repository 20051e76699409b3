package io.sage4j.backend;

import io.sage4j.Layout;
import io.sage4j.Tensor;
import io.sage4j.plan.HostThreads;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * FP32 tensors of the host for kernels that take FP16: rounded to nearest even on the way into staged memory, which lies as
 * {@link Staging} says, and widened on the way out.
 *
 * <p>FP16 ends at 65504 and gets coarse below 2^-14. So a tensor whose largest finite magnitude lies outside {@link #LEAST} to
 * {@link #MOST} is multiplied by a power of two first, which is exact, to have it at 2^13 to 2^14. Attention does not care:
 * the score factor takes back what Q and K got, the output what V got.
 *
 * <p>The loops over segments are such that C2 makes vector code of them: plain, over int indices, one thing each. Much is
 * shared among the threads of the common pool.
 */
final class HalfStaging {
    /** Least largest magnitude of a tensor that goes as it is: FP16 rounds the others by at most 2^-15 of it, or 2^-11 of themselves. */
    static final float LEAST = 0x1p-10f;

    /** Most: outputs, which may pass V by their rounding, stay finite. */
    static final float MOST = 0x1p15f;

    private static final int TARGET_EXPONENT = 13;

    /** Elements that are converted while they stay in the first-level cache. */
    private static final int BLOCK = 4096;

    /** Elements that one thread takes at a time. */
    private static final long SHARE = 1 << 17;

    private static final int INFINITE_BITS = Float.floatToRawIntBits(Float.POSITIVE_INFINITY);
    private static final int MAGNITUDE_BITS = 0x7FFF_FFFF;

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

    private HalfStaging() {}

    /** 2^exponent as two factors, each of which FP32 holds. */
    private record Power(float first, float second) {
        static final Power ONE = new Power(1, 1);

        static Power of(int exponent) {
            return exponent == 0
                    ? ONE
                    : new Power(Math.scalb(1f, exponent / 2), Math.scalb(1f, exponent - exponent / 2));
        }
    }

    /** What is done to elements that lie behind each other in the tensor and in the staged memory. */
    @FunctionalInterface
    private interface Run {
        /** @param at element of the tensor's memory; @param staged element of the staged memory; @param count at most {@link #BLOCK} */
        void take(long at, long staged, int count);
    }

    /**
     * Rounds a tensor to FP16.
     *
     * @param t FP32, in host memory
     * @param halves as many halves as {@link Staging#stagedElements} says
     * @return exponent of the power of two that the numbers were multiplied by before
     */
    static int copyIn(Tensor t, Layout layout, MemorySegment halves) {
        MemorySegment data = t.data();
        AtomicInteger largest = new AtomicInteger();
        Run look = (at, staged, count) -> note(largest, largest(data, at * Float.BYTES, count));
        Run narrow = (at, staged, count) -> narrow(data, at * Float.BYTES, halves, staged * Short.BYTES, count);
        if (Staging.isCompact(t) && !Staging.isDense(t)) {
            // What lies between the elements is copied with them, but is none.
            forSpan(t, narrow);
            forRows(t, layout, look);
        } else {
            forRuns(t, layout, (at, staged, count) -> {
                narrow.take(at, staged, count);
                look.take(at, staged, count);
            });
        }
        int exponent = exponentFor(Float.intBitsToFloat(largest.get()));
        if (exponent != 0) {
            Power power = Power.of(exponent);
            forRuns(
                    t,
                    layout,
                    (at, staged, count) ->
                            narrowTimes(data, at * Float.BYTES, halves, staged * Short.BYTES, count, power));
        }
        return exponent;
    }

    /** The power of two, by its exponent, for a tensor of this largest finite magnitude. */
    static int exponentFor(float largest) {
        boolean fits = largest == 0 || largest >= LEAST && largest <= MOST;
        // Of a double, which has no subnormal numbers where FP32 has them.
        return fits ? 0 : TARGET_EXPONENT - Math.getExponent((double) largest);
    }

    /**
     * Widens staged halves into a tensor.
     *
     * @param t FP32, in host memory
     * @param exponent of the power of two that the numbers are multiplied by after
     */
    static void copyOut(MemorySegment halves, Tensor t, Layout layout, int exponent) {
        MemorySegment data = t.data();
        Power power = Power.of(exponent);
        forRuns(
                t,
                layout,
                (at, staged, count) -> widenTimes(halves, staged * Short.BYTES, data, at * Float.BYTES, count, power));
    }

    private static void narrow(MemorySegment from, long at, MemorySegment to, long staged, int count) {
        for (int i = 0; i < count; i++) {
            to.set(SHORT, staged + i * 2L, Float.floatToFloat16(from.get(FLOAT, at + i * 4L)));
        }
    }

    private static void narrowTimes(
            MemorySegment from, long at, MemorySegment to, long staged, int count, Power power) {
        float first = power.first;
        float second = power.second;
        for (int i = 0; i < count; i++) {
            to.set(SHORT, staged + i * 2L, Float.floatToFloat16(from.get(FLOAT, at + i * 4L) * first * second));
        }
    }

    private static void widenTimes(MemorySegment from, long staged, MemorySegment to, long at, int count, Power power) {
        float first = power.first;
        float second = power.second;
        for (int i = 0; i < count; i++) {
            to.set(FLOAT, at + i * 4L, Float.float16ToFloat(from.get(SHORT, staged + i * 2L)) * first * second);
        }
    }

    private static void note(AtomicInteger largest, int bits) {
        if (bits > largest.get()) {
            largest.accumulateAndGet(bits, Math::max);
        }
    }

    /** Bits of the largest finite magnitude. */
    private static int largest(MemorySegment from, long at, int count) {
        int largest = 0;
        for (int i = 0; i < count; i++) {
            largest = Math.max(largest, from.get(INT, at + i * 4L) & MAGNITUDE_BITS);
        }
        return largest < INFINITE_BITS ? largest : largestFinite(from, at, count);
    }

    private static int largestFinite(MemorySegment from, long at, int count) {
        int largest = 0;
        for (int i = 0; i < count; i++) {
            int bits = from.get(INT, at + i * 4L) & MAGNITUDE_BITS;
            largest = bits < INFINITE_BITS ? Math.max(largest, bits) : largest;
        }
        return largest;
    }

    /** All of what is staged of a tensor, in shares for several threads if it is much and the memory is for any thread. */
    private static void forRuns(Tensor t, Layout layout, Run run) {
        if (Staging.isCompact(t)) {
            forSpan(t, run);
        } else {
            forRows(t, layout, run);
        }
    }

    private static void forSpan(Tensor t, Run run) {
        boolean isShared = HostThreads.mayShare(t.data());
        HostThreads.run(t.span(), SHARE, isShared, (from, to) -> blocks(from, from, to - from, run));
    }

    private static void forRows(Tensor t, Layout layout, Run run) {
        long row = t.size(3);
        long rows = t.size(0) * t.size(1) * t.size(2);
        long share = Math.max(1, SHARE / Math.max(1, row));
        HostThreads.run(rows, share, HostThreads.mayShare(t.data()), (from, to) -> {
            for (long r = from; r < to; r++) {
                blocks(Staging.rowStart(t, layout, r), r * row, row, run);
            }
        });
    }

    private static void blocks(long at, long staged, long count, Run run) {
        for (long done = 0; done < count; done += BLOCK) {
            run.take(at + done, staged + done, (int) Math.min(BLOCK, count - done));
        }
    }
}
