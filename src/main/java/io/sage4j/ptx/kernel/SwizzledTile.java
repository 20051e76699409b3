package io.sage4j.ptx.kernel;

import io.sage4j.ptx.Address;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Type;

/**
 * A tile of rows in shared memory whose 16-byte chunks are exchanged by row, {@code chunk ^ f(row)}, so that the
 * readers of one column hit all banks. {@code f} repeats after 8 rows; rows 8 apart are {@code 8 * pitch} bytes apart. Rows of
 * an odd number of chunks lie one behind the other as they are: a column of 8 rows is in all banks then.
 *
 * @param pitch bytes of a row, a multiple of 16
 * @param pairs whether readers take 8 bytes of 4 rows at once instead of 16 bytes of 8 (128-byte rows only)
 */
record SwizzledTile(int pitch, boolean pairs) {
    /** Bytes of a chunk. */
    static final int CHUNK = 16;

    private static final int BANK_BYTES = 128;

    /** Chunks of a row. */
    int chunks() {
        return pitch / CHUNK;
    }

    /** {@code f(row)}. */
    Reg exchange(KernelBuilder k, Reg row) {
        if (pairs) {
            return k.shl(k.and(row, 3), 1);
        }
        return switch (exchanged()) {
            case 8 -> k.and(row, 7);
            case 4 -> k.and(k.shr(row, 1), 3);
            case 2 -> k.and(k.shr(row, 2), 1);
            default -> throw new IllegalStateException("rows of " + pitch + " bytes exchange nothing");
        };
    }

    /** Whether chunks are exchanged at all; else chunk after chunk is tile after tile. */
    boolean exchanges() {
        return exchanged() > 1;
    }

    /** Neighbouring chunks that are exchanged among each other: the pitch's part in the 128 bytes of all banks. */
    private int exchanged() {
        return Integer.lowestOneBit(pitch | BANK_BYTES) / CHUNK;
    }

    /** Address of a chunk, row and chunk in registers. */
    Reg address(KernelBuilder k, Reg base, Reg row, Reg chunk) {
        Reg at = k.mad(Type.U32, row, Imm.of(pitch), base);
        Reg place = exchanges() ? k.xor(chunk, exchange(k, row)) : chunk;
        return k.mad(Type.U32, place, Imm.of(CHUNK), at);
    }

    /** Address of chunk 0 or 1 of a row, from which {@link #further} reaches the even chunks behind it. */
    Reg start(KernelBuilder k, Reg base, Reg row, Reg first) {
        return address(k, base, row, first);
    }

    /**
     * The address {@code chunk} chunks behind {@code start}.
     *
     * @param start as {@link #start} gives it, or that plus a multiple of the tile's size; bases are multiples of 128
     * @param chunk an even number
     */
    Address further(KernelBuilder k, Reg start, int chunk) {
        int among = chunk % exchanged();
        int whole = (chunk - among) * CHUNK;
        return (among == 0 ? Address.of(start) : Address.of(k.xor(start, Imm.of(among * CHUNK)))).plus(whole);
    }
}
