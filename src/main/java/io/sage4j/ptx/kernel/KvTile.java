package io.sage4j.ptx.kernel;

import io.sage4j.numeric.TokenMean;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.CopyAsync;
import io.sage4j.ptx.CopyCommit;
import io.sage4j.ptx.CopyWait;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Load;
import io.sage4j.ptx.Operand;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;
import io.sage4j.ptx.WarpBarrier;
import java.util.ArrayList;
import java.util.List;

/**
 * Which elements of a tile of 128 tokens a thread of {@link QuantizeKv} has: 8 neighbouring channels of one strand of {@link
 * TokenMean}, that is of the tokens {@code t} of 32 with {@code t % 8 / 2 == group}. They share a scale of K, and four at a
 * time lie side by side in a row of FP8 V.
 */
final class KvTile {
    /** Tokens of a tile. */
    static final int TOKENS = TokenMean.PART;
    /** Tokens of a thread. */
    static final int ROWS = TokenMean.STRAND_ROWS;
    /** Neighbouring channels of a thread. */
    static final int CHANNELS = 8;

    /** Tokens whose elements are taken from shared memory at once where registers hold another tile. */
    private static final int ROWS_AT_A_TIME = 2;

    private static final int BLOCK = 32;
    private static final int GROUPS = 4;
    private static final int WIDE = 128;
    private static final int BYTES = 2;
    /** All but the signs of two halves. */
    private static final int MAGNITUDES = 0x7FFF7FFF;

    final int dim;
    final Reg tid;
    final Reg lane;
    final Reg warp;
    /** Which 8 channels: the first one over 8. */
    final Reg octet;
    /** First channel. */
    final Reg channel;
    /** 32 tokens of the tile, 0 to 3. */
    final Reg block;
    /** Strand of the 32 tokens, 0 to 3. */
    final Reg group;
    /** First token in the tile. */
    final Reg first;

    private final KernelBuilder k;
    /** Where the thread's elements arrive. */
    private final Reg own;

    /** @param arrivals address of {@link #bytes} of shared memory */
    KvTile(KernelBuilder k, int dim, Reg arrivals) {
        this.k = k;
        this.dim = dim;
        tid = k.read(Special.TID_X);
        lane = k.and(tid, 31);
        warp = k.shr(tid, 5);
        int octets = dim / CHANNELS;
        octet = k.and(lane, octets - 1);
        channel = k.shl(octet, 3);
        Reg sub = k.shr(lane, Integer.numberOfTrailingZeros(octets));
        block = dim == WIDE ? k.mad(Type.U32, sub, Imm.of(2), k.shr(warp, 2)) : sub;
        group = k.and(warp, GROUPS - 1);
        first = k.mad(Type.U32, block, Imm.of(BLOCK), k.shl(group, 1));
        own = k.mad(Type.U32, tid, Imm.of(CopyAsync.BYTES), arrivals);
    }

    /** Threads of a CTA. */
    static int threads(int dim) {
        return TOKENS / ROWS * (dim / CHANNELS);
    }

    /** Token {@code n} of a thread behind its first one. */
    static int row(int n) {
        return n / 2 * 8 + n % 2;
    }

    /** Strand of the thread in the tile, 0 to 15. */
    Reg strand() {
        return k.mad(Type.U32, block, Imm.of(GROUPS), group);
    }

    /** Of so many tokens those that the thread has of a tile, from which {@link #has} tells each. */
    Reg remaining(Reg part, Reg tokens) {
        return k.sub(Type.U32, tokens, k.mad(Type.U32, part, Imm.of(TOKENS), first));
    }

    /** Whether the tensor has the thread's token {@code n}. */
    Reg has(Reg remaining, int n) {
        return k.compare(Relation.GT, Type.S32, remaining, Imm.of(row(n)));
    }

    /** Bytes of shared memory where a tile arrives: each thread has a place of its own for what it will read. */
    static int bytes(int dim) {
        return TOKENS * dim * BYTES;
    }

    /**
     * Starts to bring a tile's elements, two channels to a word, zero outside of the tensor. They are there for the same thread
     * behind a {@link CopyWait}.
     *
     * @param wide whether 8 channels may be copied at once
     */
    void fetch(StridedInput input, Reg head, Reg part, Reg remaining, boolean wide) {
        Reg token = k.mad(Type.U32, part, Imm.of(TOKENS), first);
        Reg start = input.address(head, token, channel);
        Reg stride = input.tokenBytes();
        for (int n = 0; n < ROWS; n++) {
            Reg at = n == 0 ? start : k.add(Type.U64, start, k.mul(Type.U64, stride, Imm.of((long) row(n))));
            Reg valid = has(remaining, n);
            if (wide) {
                Reg inside = k.and(valid, k.compare(Relation.LT, Type.U32, channel, input.channels()));
                Reg bytes = k.select(Type.U32, inside, Imm.of(CopyAsync.BYTES), Imm.of(0));
                k.emit(new CopyAsync(piece(n), Address.of(at), bytes));
            } else {
                k.store(
                        Space.SHARED,
                        Type.U32,
                        piece(n),
                        loadNarrow(input, at, valid).toArray(Operand[]::new));
            }
        }
        k.emit(new CopyCommit());
    }

    /** Where the elements of the thread are found, token by token, in this order. */
    interface Rows {
        List<Reg> row(int n);
    }

    /** Registers for the elements of the thread, by tokens. */
    List<List<Reg>> registers() {
        List<List<Reg>> rows = new ArrayList<>();
        for (int n = 0; n < ROWS; n++) {
            rows.add(k.regs(RegType.B32, CHANNELS / 2));
        }
        return rows;
    }

    /** Takes the elements of the thread that have arrived into registers. */
    void arrived(List<List<Reg>> rows) {
        for (int n = 0; n < ROWS; n++) {
            k.emit(new Load(Space.SHARED, Type.U32, false, rows.get(n), piece(n)));
        }
    }

    /** The elements of the thread where they have arrived. */
    Rows arrived() {
        return n -> {
            if (n % ROWS_AT_A_TIME == 0 && n > 0) {
                // Nothing to wait for, but the assembler leaves the loads behind it.
                k.emit(new WarpBarrier());
            }
            return k.loadVector(Space.SHARED, Type.U32, CHANNELS / 2, piece(n), false);
        };
    }

    private Address piece(int n) {
        return Address.of(own).plus(n * threads(dim) * CopyAsync.BYTES);
    }

    private List<Reg> loadNarrow(StridedInput input, Reg at, Reg valid) {
        List<Reg> pairs = new ArrayList<>();
        for (int c = 0; c < CHANNELS; c += 2) {
            List<Reg> halves = new ArrayList<>();
            for (int e = c; e < c + 2; e++) {
                Reg half = k.move(Type.B16, Imm.ofBits16(0));
                Reg there = k.compare(Relation.LT, Type.U32, k.add(channel, e), input.channels());
                Address from = Address.of(at).plus(BYTES * e);
                k.guarded(k.and(valid, there), () -> k.loadReadOnly(Type.B16, List.of(half), from));
                halves.add(half);
            }
            pairs.add(k.pack(halves.get(0), halves.get(1)));
        }
        return pairs;
    }

    /** FP32 of the 8 channels of a token. */
    List<Reg> widen(StridedInput input, List<Reg> pairs) {
        List<Reg> x = new ArrayList<>();
        for (Reg pair : pairs) {
            k.unpack(pair).forEach(half -> x.add(input.widen(half)));
        }
        return x;
    }

    /** Largest magnitude of each of the thread's channels, two to a register, 0 outside of the tensor; a NaN wins. */
    List<Reg> magnitudes(StridedInput input, Rows rows) {
        List<Reg> largest = new ArrayList<>();
        rows.row(0).forEach(pair -> largest.add(k.and(pair, MAGNITUDES)));
        for (int n = 1; n < ROWS; n++) {
            List<Reg> row = rows.row(n);
            for (int p = 0; p < CHANNELS / 2; p++) {
                Reg of = largest.get(p);
                k.set(of, Operation.MAX_NAN, input.pairs(), of, k.and(row.get(p), MAGNITUDES));
            }
        }
        return largest;
    }

    /**
     * Largest or smallest number of each of the thread's channels, two to a register, among the tokens that the tensor has; a
     * NaN wins; an infinity of the other sign if there is none.
     *
     * @param operation {@link Operation#MAX_NAN} or {@link Operation#MIN_NAN}
     */
    List<Reg> extreme(Operation operation, StridedInput input, Rows rows, Reg remaining) {
        int none = operation == Operation.MAX_NAN ? input.infinity() | 0x8000 : input.infinity();
        List<Reg> found = new ArrayList<>();
        for (int p = 0; p < CHANNELS / 2; p++) {
            found.add(k.move(Type.U32, Imm.of(none << 16 | none)));
        }
        for (int n = 0; n < ROWS; n++) {
            List<Reg> row = rows.row(n);
            k.guarded(has(remaining, n), () -> {
                for (int p = 0; p < CHANNELS / 2; p++) {
                    k.set(found.get(p), operation, input.pairs(), found.get(p), row.get(p));
                }
            });
        }
        return found;
    }

    /** Whether the thread is the first of the CTA. */
    Reg isFirst() {
        return k.compare(Relation.EQ, Type.U32, tid, Imm.of(0));
    }

    /** Largest of a number over the warp; a NaN wins. */
    void warpMax(Reg number) {
        for (int mask = 16; mask > 0; mask /= 2) {
            k.set(number, Operation.MAX_NAN, Type.F32, number, k.shuffleXor(number, mask));
        }
    }
}
