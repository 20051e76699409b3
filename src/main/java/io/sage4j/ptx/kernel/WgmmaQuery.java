package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.ScaleGroups;
import io.sage4j.numeric.TileShape;
import io.sage4j.numeric.WgmmaLayout;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.CopyAsync;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operand;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Pack;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.Shuffle;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * A warp's INT8 codes and scales of some rows of Q (docs/numerics.md, 2), from global memory to the image and the scales of
 * {@link WgmmaLayout} in shared memory: what {@link QuantizeQk} does for {@link QkTarget#wgmmaQ}, with its arithmetic, inside
 * the attention kernel.
 *
 * <p>A unit is a set of rows that hangs together by its scales: 16, with one scale for a block 64. Each lane copies the
 * 16-byte pieces of rows that it will need to a place of its own, asynchronously and past the registers, reads them from
 * there once for the largest magnitude and once for the codes, and so needs few registers and no barrier. A load of the
 * warp takes rows {@code i} and {@code i + 8}, or two such pairs where 64 channels make shorter rows: with a scale a
 * thread these pairs are the groups, and their maxima are brought together for all groups at once.
 */
final class WgmmaQuery {
    private static final int LANES = 32;
    private static final int PIECE = CopyAsync.BYTES;
    private static final int HALF = 2;
    private static final int FLOAT = 4;
    /** Channels of a piece, codes of a lane. */
    private static final int CHANNELS = PIECE / HALF;
    /** Rows of a warp of the attention kernel: the codes of a unit are blocks of so many. */
    private static final int BLOCK = 16;

    private static final int MAGNITUDES = 0x7FFF7FFF;
    private static final float LIMIT = 127f;

    private final KernelBuilder k;
    private final DType type;
    private final int dim;
    private final Reg lane;
    private final boolean perThread;
    private final int blocks;
    private final int loads;

    /**
     * Emits into a kernel.
     *
     * @param type FP16 or BF16
     * @param granularity per thread, per warp or per block
     * @param dim padded channels, 64 or 128
     * @param lane number of the lane
     */
    WgmmaQuery(KernelBuilder k, DType type, Granularity granularity, int dim, Reg lane) {
        this.k = k;
        this.type = type;
        this.dim = dim;
        this.lane = lane;
        perThread = granularity == Granularity.PER_THREAD;
        blocks = unitRows(granularity) / BLOCK;
        loads = dim / BLOCK;
    }

    /** Rows of a unit. */
    static int unitRows(Granularity granularity) {
        return ScaleGroups.ofQ(granularity, TileShape.WGMMA, 0).tile();
    }

    /** Bytes of shared memory for the rows of a unit as they come. */
    int rawBytes() {
        return blocks * BLOCK * dim * HALF;
    }

    /** Bytes of the codes of a unit. */
    int codeBytes() {
        return blocks * BLOCK * dim;
    }

    /** Bytes of the scales of a unit. */
    int scaleBytes() {
        return blocks * WgmmaLayout.Q_SCALES / (WgmmaLayout.Q_ROWS / BLOCK) * FLOAT;
    }

    /**
     * Starts the copies of a unit.
     *
     * @param raw shared address, aligned to 16
     * @param from global address of the first row, aligned to 16 as all rows are
     * @param tokenBytes bytes from one row to the next (U64)
     * @param rows rows from the first one on that are there, beyond which all is zero (S32)
     * @param channels channels that are there, a multiple of 8, beyond which all is zero
     */
    void fetch(Reg raw, Reg from, Reg tokenBytes, Reg rows, Reg channels) {
        Reg first = firstRow();
        Reg piece = k.and(lane, dim / CHANNELS - 1);
        Reg at = k.mad64(first, tokenBytes, k.index(from, piece, PIECE));
        Reg step = k.mul(Type.U64, tokenBytes, Imm.of((long) rowStep()));
        Reg inRow = k.compare(Relation.LT, Type.U32, k.mul(Type.U32, piece, Imm.of(CHANNELS)), channels);
        Reg left = k.select(Type.S32, inRow, k.sub(Type.S32, rows, first), Imm.of(0));
        Reg to = own(raw);
        eachBlock(block -> {
            Address place = Address.of(at(to, block, rawBytes()));
            Reg rest = block == null ? left : k.sub(Type.S32, left, k.mul(Type.U32, block, Imm.of(BLOCK)));
            for (int i = 0; i < loads; i++) {
                Reg there = k.compare(Relation.GT, Type.S32, rest, Imm.of(i * rowStep()));
                Reg valid = k.select(Type.U32, there, Imm.of(PIECE), Imm.of(0));
                k.emit(new CopyAsync(place.plus(piece(i)), Address.of(at), valid));
                k.set(at, Operation.ADD, Type.U64, at, step);
            }
            // The second eight rows of a block went with the first.
            if (block != null) {
                k.set(at, Operation.ADD, Type.U64, at, k.mul(Type.U64, tokenBytes, Imm.of((long) BLOCK / 2)));
            }
        });
    }

    /** Runs {@code body} for each block of the unit, given its number, or null if it is the only one. */
    private void eachBlock(Consumer<Reg> body) {
        if (blocks == 1) {
            body.accept(null);
        } else {
            k.range(Imm.of(0), Imm.of(blocks), 1, body);
        }
    }

    /** Where a block's part of a unit's {@code bytes} starts. */
    private Reg at(Reg start, Reg block, int bytes) {
        return block == null ? start : k.mad(Type.U32, block, Imm.of(bytes / blocks), start);
    }

    /**
     * Codes and scales of a unit whose copies have arrived.
     *
     * @param raw where they went
     * @param codes shared address of the unit's part of the image
     * @param scales shared address of the unit's scales
     * @param negative whether the codes are those of the negated rows
     */
    void quantize(Reg raw, Reg codes, Reg scales, Reg negative) {
        Reg from = own(raw);
        Reg amax = widen(perThread ? over(ofGroups(Address.of(from), 0, loads), 2) : over(ofUnit(from), LANES / 2));
        SymmetricScale of = SymmetricScale.ofHalf(k, amax, LIMIT);
        storeScale(scales, of.scale());
        k.guarded(negative, () -> k.set(of.inverse(), Operation.NEG, Type.F32, of.inverse()));
        Reg to = k.mad(Type.U32, k.and(lane, dim / CHANNELS - 1), Imm.of(CHANNELS), codes);
        k.set(to, Operation.MAD, Type.U32, firstRow(), Imm.of(dim), to);
        eachBlock(block -> {
            Address place = Address.of(at(from, block, rawBytes()));
            Reg start = at(to, block, codeBytes());
            for (int i = 0; i < loads; i++) {
                Reg inverse = perThread ? inverseOf(of.inverse(), i) : of.inverse();
                // Rows of a load are 128 bytes times i further, and exchange chunks by i (WgmmaLayout, both pitches).
                Address at = Address.of(i == 0 ? start : k.xor(start, Imm.of(i * PIECE)));
                codes(place.plus(piece(i)), inverse, at.plus(i * rowStep() * dim));
            }
        });
    }

    /** Row of the unit that the lane has in the first load. */
    private Reg firstRow() {
        Reg upper = k.shl(k.shr(lane, 4), 3);
        return rowStep() == 1 ? upper : k.add(Type.U32, upper, k.and(k.shr(lane, 3), 1));
    }

    /** Rows from one load of the warp to the next. */
    private int rowStep() {
        return WgmmaLayout.MAX_DIM / dim;
    }

    private Reg own(Reg raw) {
        return k.mad(Type.U32, lane, Imm.of(PIECE), raw);
    }

    /** Where the piece of a load of a block lies. */
    private int piece(int load) {
        return load * LANES * PIECE;
    }

    private List<Reg> words(Address from) {
        return k.loadVector(Space.SHARED, Type.U32, PIECE / FLOAT, from, false);
    }

    /** Largest magnitude of the even and of the odd channels of a piece. As integers: a NaN is the largest, as it must be. */
    private Reg magnitude(Address from) {
        return words(from).stream()
                .map(word -> k.and(word, MAGNITUDES))
                .reduce((a, b) -> k.max(Type.U16X2, a, b))
                .orElseThrow();
    }

    /** FP32 of the larger half. */
    private Reg widen(Reg pair) {
        Reg larger = k.max(Type.U16X2, pair, k.shr(pair, 16));
        return widened(k.unpack(larger).get(0));
    }

    private Reg widened(Reg half) {
        if (type == DType.FLOAT16) {
            return k.convert(Conversion.F32_FROM_F16, half);
        }
        Reg to = k.reg(RegType.F32);
        k.emit(new Pack(to, zero(), half));
        return to;
    }

    private Reg zero() {
        return k.move(Type.B16, Imm.ofBits16(0));
    }

    /** The largest of the lanes that differ in the bits of {@code mask} and below. */
    private Reg over(Reg pair, int mask) {
        Reg all = pair;
        for (int bit = mask; bit > 0; bit /= 2) {
            all = k.max(Type.U16X2, all, k.shuffleXor(all, bit));
        }
        return all;
    }

    /** The lane's largest of all loads. */
    private Reg ofUnit(Reg from) {
        Reg largest = k.move(Type.U32, Imm.of(0));
        eachBlock(block -> {
            Address place = Address.of(at(from, block, rawBytes()));
            for (int i = 0; i < loads; i++) {
                k.set(largest, Operation.MAX, Type.U16X2, largest, magnitude(place.plus(piece(i))));
            }
        });
        return largest;
    }

    /**
     * The largest of a group, four lanes to each ({@link #groupOfLane}), of the loads {@code first}, {@code first + loads /
     * count} and so on. Each step joins two of half as many loads: a lane keeps one of them and gets from the lane that
     * keeps the other what that one has of it. Depth first, so that few are under way.
     */
    private Reg ofGroups(Address from, int first, int count) {
        if (count == 1) {
            return magnitude(from.plus(piece(first)));
        }
        int bit = count == loads ? 4 : LANES / count;
        Reg low = ofGroups(from, first, count / 2);
        Reg high = ofGroups(from, first + loads / count, count / 2);
        Reg upper = k.compare(Relation.NE, Type.U32, k.and(lane, bit), Imm.of(0));
        Reg mine = k.select(Type.U32, upper, high, low);
        return k.max(Type.U16X2, mine, k.shuffleXor(k.select(Type.U32, upper, low, high), bit));
    }

    /** Group whose maximum {@link #ofGroups} leaves in a lane. With 64 channels, bit 3 of the lane has always told odd rows. */
    private Reg groupOfLane() {
        if (rowStep() == 1) {
            return k.shr(lane, 2);
        }
        Reg pairs = k.mad(Type.U32, k.shr(lane, 4), Imm.of(4), k.shr(k.and(lane, 4), 1));
        return k.add(Type.U32, pairs, k.and(k.shr(lane, 3), 1));
    }

    /** The factor of the rows that the lane has in a load, from a lane with the group's. */
    private Reg inverseOf(Reg inverse, int load) {
        Operand from;
        if (rowStep() == 1) {
            from = Imm.of(4 * load);
        } else {
            from = k.add(k.and(lane, 8), load / 2 * 16 + load % 2 * 4);
        }
        Reg to = k.reg(RegType.F32);
        k.emit(new Shuffle(Shuffle.Mode.IDX, to, inverse, from));
        return to;
    }

    private void storeScale(Reg scales, Reg scale) {
        Reg index = perThread ? groupOfLane() : lane;
        Reg writes = perThread
                ? k.compare(Relation.EQ, Type.U32, k.and(lane, 3), Imm.of(0))
                : k.compare(Relation.LT, Type.U32, lane, Imm.of(scaleBytes() / FLOAT));
        Address to = Address.of(k.mad(Type.U32, index, Imm.of(FLOAT), scales));
        k.guarded(writes, () -> k.store(Space.SHARED, Type.F32, to, scale));
    }

    /** As QuantizeQk: product, nearest even, no clamp is needed. */
    private void codes(Address from, Reg inverse, Address to) {
        List<Reg> packed = new ArrayList<>();
        List<Reg> words = words(from);
        for (int n = 0; n < words.size(); n += 2) {
            List<Reg> c = new ArrayList<>();
            for (Reg word : words.subList(n, n + 2)) {
                k.unpack(word)
                        .forEach(half ->
                                c.add(k.convert(Conversion.S32_FROM_F32, k.mul(Type.F32, widened(half), inverse))));
            }
            Reg high = k.convert(Conversion.S8X2_FROM_S32, c.get(3), c.get(2), Imm.of(0));
            packed.add(k.convert(Conversion.S8X2_FROM_S32, c.get(1), c.get(0), high));
        }
        k.store(Space.SHARED, Type.U32, to, packed.get(0), packed.get(1));
    }
}
