package io.sage4j.ptx.sim;

import java.util.Arrays;

/**
 * Shared memory of one CTA, byte by byte: what is not written yet, what an asynchronous copy has not delivered yet, and
 * who touched it since the last barrier.
 */
final class SharedMemory {
    /** Address of the first byte, as on hardware. */
    static final int BASE = 1024;

    private static final byte UNWRITTEN = 0;
    private static final byte WRITTEN = 1;
    private static final byte UNDER_WAY = 2;

    private final byte[] data;
    private final byte[] state;
    private final boolean races;
    private final int[] writer;
    private final int[] writeEpoch;
    private final int[] readers;
    private final int[] readEpoch;
    private int epoch = 1;

    SharedMemory(int bytes, boolean races) {
        this.races = races;
        data = new byte[bytes];
        state = new byte[bytes];
        writer = new int[bytes];
        writeEpoch = new int[bytes];
        readers = new int[bytes];
        readEpoch = new int[bytes];
    }

    /** All warps have passed a barrier. */
    void barrier() {
        epoch++;
    }

    long read(int warp, long address, int bytes) {
        int at = offset(address, bytes);
        long value = 0;
        for (int n = 0; n < bytes; n++) {
            if (state[at + n] != WRITTEN) {
                throw new Fault(String.format(
                        state[at + n] == UNWRITTEN
                                ? "reads shared byte %d, which was never written"
                                : "reads shared byte %d, which an asynchronous copy has not delivered yet",
                        at + n));
            }
            touchRead(warp, at + n);
            value |= (data[at + n] & 0xFFL) << 8 * n;
        }
        return value;
    }

    void write(int warp, long address, int bytes, long value) {
        int at = offset(address, bytes);
        for (int n = 0; n < bytes; n++) {
            touchWrite(warp, at + n);
            state[at + n] = WRITTEN;
            data[at + n] = (byte) (value >>> 8 * n);
        }
    }

    /** A copy to these bytes starts. */
    void startCopy(int warp, long address, int bytes) {
        int at = offset(address, bytes);
        for (int n = at; n < at + bytes; n++) {
            touchWrite(warp, n);
        }
        Arrays.fill(state, at, at + bytes, UNDER_WAY);
    }

    /** A copy that was started arrives. */
    void deliver(int warp, long address, byte[] bytes) {
        int at = offset(address, bytes.length);
        for (int n = 0; n < bytes.length; n++) {
            state[at + n] = WRITTEN;
            touchWrite(warp, at + n);
            data[at + n] = bytes[n];
        }
    }

    private int offset(long address, int bytes) {
        long at = address - BASE;
        if (at < 0 || at + bytes > data.length) {
            throw new Fault(String.format(
                    "shared address: %d bytes at offset %d of %d bytes of shared memory", bytes, at, data.length));
        }
        return (int) at;
    }

    private void touchRead(int warp, int at) {
        if (races && writeEpoch[at] == epoch && writer[at] != warp) {
            throw new Fault(
                    "race: reads shared byte " + at + ", which warp " + writer[at] + " wrote since the last barrier");
        }
        if (readEpoch[at] != epoch) {
            readEpoch[at] = epoch;
            readers[at] = 0;
        }
        readers[at] |= 1 << warp;
    }

    private void touchWrite(int warp, int at) {
        if (state[at] == UNDER_WAY) {
            throw new Fault("writes shared byte " + at + ", which an asynchronous copy has not delivered yet");
        }
        if (races && writeEpoch[at] == epoch && writer[at] != warp) {
            throw new Fault(
                    "race: writes shared byte " + at + ", which warp " + writer[at] + " wrote since the last barrier");
        }
        int others = readers[at] & ~(1 << warp);
        if (races && readEpoch[at] == epoch && others != 0) {
            throw new Fault("race: writes shared byte " + at + ", which warp " + Integer.numberOfTrailingZeros(others)
                    + " read since the last barrier");
        }
        writeEpoch[at] = epoch;
        writer[at] = warp;
    }
}
