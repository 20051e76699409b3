package io.sage4j.tornadojvm;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/** Atomic additions to global and local memory. The caller has checked the index. */
public final class Atomics {
    private static final VarHandle CELL = MethodHandles.arrayElementVarHandle(int[].class);
    private static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();
    private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();

    private Atomics() {}

    /**
     * Adds.
     *
     * @param cells the array
     * @param index element
     * @param value summand
     */
    public static void add(int[] cells, int index, int value) {
        CELL.getAndAdd(cells, index, value);
    }

    /**
     * Adds.
     *
     * @param cells the array
     * @param index element
     * @param value summand
     */
    public static void add(MemorySegment cells, int index, int value) {
        INT.getAndAdd(cells, 4L * index, value);
    }

    /**
     * Adds.
     *
     * @param cells the array
     * @param index element
     * @param value summand
     */
    public static void add(MemorySegment cells, int index, long value) {
        LONG.getAndAdd(cells, 8L * index, value);
    }

    /**
     * Adds.
     *
     * @param cells the array
     * @param index element
     * @param value summand
     */
    public static void add(MemorySegment cells, int index, float value) {
        long at = 4L * index;
        int old;
        int sum;
        do {
            old = (int) INT.getVolatile(cells, at);
            sum = Float.floatToRawIntBits(Float.intBitsToFloat(old) + value);
        } while (!INT.compareAndSet(cells, at, old, sum));
    }

    /**
     * Adds.
     *
     * @param cells the array
     * @param index element
     * @param value summand
     */
    public static void add(MemorySegment cells, int index, double value) {
        long at = 8L * index;
        long old;
        long sum;
        do {
            old = (long) LONG.getVolatile(cells, at);
            sum = Double.doubleToRawLongBits(Double.longBitsToDouble(old) + value);
        } while (!LONG.compareAndSet(cells, at, old, sum));
    }
}
