package io.sage4j.ptx.kernel;

import io.sage4j.numeric.Float16;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;
import java.util.ArrayList;
import java.util.List;

/** Codes of a tile of K or of V in {@link io.sage4j.numeric.WgmmaLayout}, from a thread's elements in registers. */
final class KvCodes {
    private static final int LIMIT = 127;
    private static final int K_SCALES = 4;
    private static final int ROW_BYTES = 128;
    private static final int CHUNK = 16;
    private static final int WORD = 4;
    private static final int WORDS = ROW_BYTES / WORD;
    private static final int WIDE = 128;

    private final KernelBuilder k;
    private final KvTile tile;
    private final StridedInput input;
    private final int dim;
    private final Reg shared;

    /** @param shared {@link #sharedBytes} of shared memory */
    KvCodes(KernelBuilder k, KvTile tile, StridedInput input, Reg shared) {
        this.k = k;
        this.tile = tile;
        this.input = input;
        this.dim = tile.dim;
        this.shared = shared;
    }

    /** Shared memory of the turning of V. */
    static int sharedBytes(boolean fp8, int dim) {
        return dim * ROW_BYTES * (fp8 ? 1 : 2);
    }

    private List<Reg> centred(List<Reg> pairs, List<Reg> mean) {
        List<Reg> x = tile.widen(input, pairs);
        if (!mean.isEmpty()) {
            for (int c = 0; c < x.size(); c++) {
                x.set(c, k.sub(Type.F32, x.get(c), mean.get(c)));
            }
        }
        return x;
    }

    /**
     * INT8 codes of K and their scales.
     *
     * @param index of the tile over all heads
     * @param mean of the thread's channels, or none
     * @param perThread whether the four groups of tokens have a scale each, or one for the whole tile
     * @param maxima 32 bytes of shared memory
     */
    void keys(
            Reg index,
            List<List<Reg>> rows,
            Reg remaining,
            List<Reg> mean,
            boolean perThread,
            Reg maxima,
            Reg codes,
            Reg scales) {
        Reg amax = amax(rows, remaining, mean);
        tile.warpMax(amax);
        int warps = KvTile.threads(dim) / 32;
        int sharing = perThread ? warps / K_SCALES : warps;
        if (sharing > 1) {
            k.store(Space.SHARED, Type.F32, Address.of(k.mad(Type.U32, tile.warp, Imm.of(WORD), maxima)), amax);
            k.barrier();
            Reg from = perThread ? k.mad(Type.U32, tile.group, Imm.of(WORD), maxima) : maxima;
            for (int n = 0; n < sharing; n++) {
                Address at = Address.of(from).plus(n * (perThread ? K_SCALES : 1) * WORD);
                k.set(amax, Operation.MAX_NAN, Type.F32, amax, k.load(Space.SHARED, Type.F32, at));
            }
        }
        SymmetricScale scale = SymmetricScale.of(k, amax, LIMIT);
        Reg leads = k.and(
                k.compare(Relation.EQ, Type.U32, tile.lane, Imm.of(0)),
                k.compare(Relation.LT, Type.U32, tile.warp, Imm.of(K_SCALES)));
        Reg at = k.index(k.index(scales, index, K_SCALES * WORD), tile.warp, WORD);
        k.guarded(leads, () -> k.store(Space.GLOBAL, Type.F32, Address.of(at), scale.scale()));
        keyCodes(index, rows, remaining, mean, scale.inverse(), codes);
    }

    /**
     * Largest {@code |x - mean|} of the thread. Rounding keeps order, so for each channel it is that of the largest or of the
     * smallest x. Tokens that are not there count as 0, and they are not 0 with the mean taken off.
     */
    private Reg amax(List<List<Reg>> rows, Reg remaining, List<Reg> mean) {
        List<Reg> bounds = new ArrayList<>();
        if (mean.isEmpty()) {
            bounds.addAll(tile.widen(input, tile.magnitudes(input, rows::get)));
        } else {
            bounds.addAll(centred(tile.extreme(Operation.MAX_NAN, input, rows::get, remaining), mean));
            bounds.addAll(centred(tile.extreme(Operation.MIN_NAN, input, rows::get, remaining), mean));
        }
        Reg amax = k.move(Type.F32, Imm.of(0f));
        bounds.forEach(x -> k.set(amax, Operation.MAX_NAN, Type.F32, amax, k.get(Operation.ABS, Type.F32, x)));
        return k.select(Type.F32, tile.has(remaining, 0), amax, Imm.of(0f));
    }

    /** No clamp is needed: {@code |x| * (127 / amax)} rounds to at most 127. */
    private void keyCodes(Reg index, List<List<Reg>> rows, Reg remaining, List<Reg> mean, Reg inverse, Reg codes) {
        Reg start = k.index(k.index(codes, index, KvTile.TOKENS * dim), tile.first, dim);
        SwizzledTile swizzle = new SwizzledTile(dim, false);
        List<Reg> places = new ArrayList<>();
        for (int odd = 0; odd < 2; odd++) {
            Reg exchange = k.shl(swizzle.exchange(k, k.add(tile.first, odd)), 4);
            places.add(k.index(start, k.xor(tile.channel, exchange), 1));
        }
        for (int n = 0; n < rows.size(); n++) {
            Reg factor = k.select(Type.F32, tile.has(remaining, n), inverse, Imm.of(0f));
            List<Reg> c = centred(rows.get(n), mean).stream()
                    .map(x -> k.convert(Conversion.S32_FROM_F32, k.mul(Type.F32, x, factor)))
                    .toList();
            k.store(
                    Space.GLOBAL,
                    Type.U32,
                    Address.of(places.get(n % 2)).plus(KvTile.row(n) * dim),
                    codes4(c.subList(0, 4)),
                    codes4(c.subList(4, 8)));
        }
    }

    private Reg codes4(List<Reg> c) {
        Reg high = k.convert(Conversion.S8X2_FROM_S32, c.get(3), c.get(2), Imm.of(0));
        return k.convert(Conversion.S8X2_FROM_S32, c.get(1), c.get(0), high);
    }

    /**
     * FP8 codes of V, or FP16, a row for each channel. The tile is turned in shared memory, whose words are exchanged within a
     * row so that all banks are hit by writers, which have one word of many rows, and by readers, which have few rows.
     *
     * @param index of the tile over all heads
     * @param mean of the thread's channels, or none
     * @param inverse what they are multiplied with for FP8; none for FP16
     */
    void values(Reg index, List<List<Reg>> rows, Reg remaining, List<Reg> mean, List<Reg> inverse, Reg codes) {
        turn(rows, remaining, mean, inverse);
        k.barrier();
        write(index, inverse.isEmpty() ? 2 * dim : dim, codes);
    }

    private void turn(List<List<Reg>> rows, Reg remaining, List<Reg> mean, List<Reg> inverse) {
        boolean fp8 = !inverse.isEmpty();
        Reg word;
        Reg start = shared;
        if (fp8) {
            word = k.xor(k.mad(Type.U32, tile.block, Imm.of(8), tile.group), tile.octet);
        } else {
            Reg half = k.shr(tile.block, 1);
            word = k.xor(k.mad(Type.U32, k.and(tile.block, 1), Imm.of(16), tile.group), tile.octet);
            word = k.xor(word, k.shl(half, halfShift()));
            start = k.mad(Type.U32, half, Imm.of(dim * ROW_BYTES), shared);
        }
        Reg row = k.mad(Type.U32, tile.channel, Imm.of(ROW_BYTES), start);
        for (int quad = 0; quad < rows.size(); quad += 4) {
            List<Reg> masks = fp8
                    ? List.of(bytes(remaining, quad))
                    : List.of(halves(remaining, quad), halves(remaining, quad + 2));
            for (int e = 0; e < KvTile.CHANNELS; e += 2) {
                List<List<Reg>> y = new ArrayList<>();
                for (int n = quad; n < quad + 4; n++) {
                    y.add(ready(rows.get(n).get(e / 2), e, mean, inverse));
                }
                for (int c = 0; c < 2; c++) {
                    Reg low = pair(fp8, y.get(1).get(c), y.get(0).get(c));
                    Reg high = pair(fp8, y.get(3).get(c), y.get(2).get(c));
                    if (fp8) {
                        store(row, word, quad, e + c, mask(k.pack(low, high), masks.get(0)));
                    } else {
                        store(row, word, 2 * quad, e + c, mask(low, masks.get(0)));
                        store(row, word, 2 * quad + 4, e + c, mask(high, masks.get(1)));
                    }
                }
            }
        }
    }

    private Reg mask(Reg codes, Reg mask) {
        return k.get(Operation.AND, Type.B32, codes, mask);
    }

    private int halfShift() {
        return dim == WIDE ? 4 : 3;
    }

    private void store(Reg row, Reg word, int further, int channel, Reg value) {
        Reg place = k.xor(word, Imm.of(further ^ channel & 3));
        Reg at = k.mad(Type.U32, place, Imm.of(WORD), row);
        k.store(Space.SHARED, Type.U32, Address.of(at).plus(channel * ROW_BYTES), value);
    }

    /** Bytes of the codes of four tokens that the tensor has. */
    private Reg bytes(Reg remaining, int first) {
        Reg all = k.select(Type.U32, tile.has(remaining, first), Imm.of(0xFF), Imm.of(0));
        for (int n = 1; n < 4; n++) {
            Reg one = k.select(Type.U32, tile.has(remaining, first + n), Imm.of(0xFF << 8 * n), Imm.of(0));
            all = k.get(Operation.OR, Type.B32, all, one);
        }
        return all;
    }

    /** Halves of two tokens that the tensor has. */
    private Reg halves(Reg remaining, int first) {
        Reg low = k.select(Type.U32, tile.has(remaining, first), Imm.of(0xFFFF), Imm.of(0));
        Reg high = k.select(Type.U32, tile.has(remaining, first + 1), Imm.of(0xFFFF0000), Imm.of(0));
        return k.get(Operation.OR, Type.B32, low, high);
    }

    /** Two channels of a token ready to be rounded. */
    private List<Reg> ready(Reg pair, int channel, List<Reg> mean, List<Reg> inverse) {
        List<Reg> y = new ArrayList<>();
        List<Reg> centre = mean.isEmpty() ? mean : mean.subList(channel, channel + 2);
        List<Reg> x = centred(List.of(pair), centre);
        for (int c = 0; c < 2; c++) {
            if (inverse.isEmpty()) {
                Reg below = k.get(Operation.MIN_NAN, Type.F32, x.get(c), Imm.of(Float16.MAX));
                y.add(k.get(Operation.MAX_NAN, Type.F32, below, Imm.of(-Float16.MAX)));
            } else {
                y.add(k.mul(Type.F32, x.get(c), inverse.get(channel + c)));
            }
        }
        return y;
    }

    private Reg pair(boolean fp8, Reg high, Reg low) {
        return k.convert(fp8 ? Conversion.E4M3X2_FROM_F32 : Conversion.F16X2_FROM_F32, high, low);
    }

    private void write(Reg index, int rows, Reg codes) {
        int chunks = ROW_BYTES / CHUNK;
        int step = KvTile.threads(dim) / chunks;
        Reg chunk = k.and(tile.tid, chunks - 1);
        Reg row = k.shr(tile.tid, 3);
        Reg exchange = k.xor(k.shr(row, 3), k.and(row, 3));
        Reg word = k.xor(k.shl(chunk, 2), exchange);
        Reg from = k.mad(Type.U32, row, Imm.of(ROW_BYTES), shared);
        Reg place = k.xor(chunk, k.and(row, 7));
        Reg inTile = k.mad(Type.U32, row, Imm.of(ROW_BYTES), k.shl(place, 4));
        Reg out = k.index(k.index(codes, index, rows * ROW_BYTES), inTile, 1);
        for (int done = 0; done < rows; done += step) {
            // Rows of a thread are a multiple of 16 apart: what is exchanged differs by a constant.
            int further = done % dim / 8 ^ (done / dim << halfShift());
            List<Reg> words = new ArrayList<>();
            for (int w = 0; w < CHUNK / WORD; w++) {
                Reg at = k.mad(Type.U32, k.xor(word, Imm.of(further ^ w)), Imm.of(WORD), from);
                words.add(k.load(Space.SHARED, Type.U32, Address.of(at).plus(done * ROW_BYTES)));
            }
            k.store(Space.GLOBAL, Type.U32, Address.of(out).plus(done * ROW_BYTES), words.toArray(Reg[]::new));
        }
    }
}
