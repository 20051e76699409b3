package io.sage4j.ptx.sim;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.TreeMap;

/** Device memory: segments of the caller's, each at an address past 4 GiB with unmapped space on both sides. */
public final class GlobalMemory {
    private static final long FIRST = 0x7_0000_0000L;
    private static final long GAP = 1L << 20;
    private static final long ALIGN = 256;
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final TreeMap<Long, MemorySegment> regions = new TreeMap<>();
    private long next = FIRST;

    /** Maps a segment and returns its address, aligned to 256. */
    public long map(MemorySegment segment) {
        return map(segment, 0);
    }

    /** Maps a segment at an address that is {@code skew} bytes past a multiple of 256. */
    public long map(MemorySegment segment, int skew) {
        long address = next + skew;
        regions.put(address, segment);
        next = Math.ceilDiv(address + segment.byteSize() + GAP, ALIGN) * ALIGN;
        return address;
    }

    /** Value of 1, 2, 4 or 8 bytes, zero-extended. */
    long read(long address, int bytes) {
        Map.Entry<Long, MemorySegment> region = region(address, bytes);
        MemorySegment segment = region.getValue();
        long at = address - region.getKey();
        return switch (bytes) {
            case 1 -> segment.get(ValueLayout.JAVA_BYTE, at) & 0xFFL;
            case 2 -> segment.get(SHORT, at) & 0xFFFFL;
            case 4 -> segment.get(INT, at) & 0xFFFFFFFFL;
            default -> segment.get(LONG, at);
        };
    }

    /** Writes the low 1, 2, 4 or 8 bytes of a value. */
    void write(long address, int bytes, long value) {
        Map.Entry<Long, MemorySegment> region = region(address, bytes);
        MemorySegment segment = region.getValue();
        long at = address - region.getKey();
        switch (bytes) {
            case 1 -> segment.set(ValueLayout.JAVA_BYTE, at, (byte) value);
            case 2 -> segment.set(SHORT, at, (short) value);
            case 4 -> segment.set(INT, at, (int) value);
            default -> segment.set(LONG, at, value);
        }
    }

    private Map.Entry<Long, MemorySegment> region(long address, int bytes) {
        Map.Entry<Long, MemorySegment> below = regions.floorEntry(address);
        if (below == null) {
            throw new Fault(String.format("global address 0x%x is below everything mapped", address));
        }
        long size = below.getValue().byteSize();
        long at = address - below.getKey();
        if (at + bytes > size) {
            throw new Fault(String.format(
                    "global address 0x%x: %d bytes at offset %d of an allocation of %d bytes",
                    address, bytes, at, size));
        }
        return below;
    }
}
