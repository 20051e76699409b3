package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.numeric.Float16;
import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.PvFormat;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;
import java.util.ArrayList;
import java.util.List;

/**
 * Codes of V, FP8 or FP16 (docs/numerics.md, 4), transposed tile by tile, in the layout of a {@link VTarget}. A CTA
 * takes 64 keys of a head. A lane reads one channel, or two neighbouring ones, of four keys that end up side by side; the
 * tile is turned round in shared memory and leaves in 16-byte stores.
 *
 * <p>Grid: (keys / 64, batch * heads) CTAs of 128 threads, where keys is kvLen rounded up to whole tiles of the
 * attention kernel. Shared memory: paddedDim rows of 68 bytes for FP8, of 136 for FP16. Registers: at most 128.
 * Parameters: the seven of {@link StridedInput}; with smooth V {@code mean} (U64); for FP8 {@code inverse} (U64) as
 * {@link ChannelScale} writes it, where V is watched {@code wide_inverse} and {@code heavy} (U64) too: the former is taken
 * if the latter, a word that {@link HeavyChannels} counts, is not 0; {@code codes} (U64), [batch *
 * heads][tiles][paddedDim][keys of a row], zero in the padding.
 */
public final class QuantizeV {
    /** Threads of a CTA. */
    public static final int THREADS = 128;

    private static final int MIN_BLOCKS = 4;
    /** Channels beyond which a thread has more addresses and codes than a quarter of the registers hold. */
    private static final int WIDE = 128;

    private static final int KEYS = 64;
    private static final int GROUP = 16;
    private static final int LANES = 32;
    private static final int FLOAT = 4;
    private static final int QUAD = 4;
    private static final int CHUNK = 16;

    private final KernelBuilder k;
    private final int paddedDim;
    private final VTarget target;
    private final boolean fp8;
    private final StridedInput input;
    private final Reg mean;
    private final Reg inverse;
    private final Reg codes;
    private final Reg tid;
    private final Reg lane;
    private final Reg warp;
    private final Reg head;
    private final Reg shared;
    private final int pitch;
    /** Neighbouring channels of a lane. */
    private final int perLane;

    private QuantizeV(
            KernelBuilder k,
            DType type,
            int paddedDim,
            VTarget target,
            boolean smooth,
            boolean pairs,
            boolean watched) {
        this.k = k;
        perLane = pairs && paddedDim % (2 * LANES) == 0 ? 2 : 1;
        this.paddedDim = paddedDim;
        this.target = target;
        fp8 = target.format() == PvFormat.E4M3;
        input = new StridedInput(k, type);
        mean = smooth ? k.param("mean", Type.U64) : null;
        Reg narrow = fp8 ? k.param("inverse", Type.U64) : null;
        inverse = watched ? watched(narrow) : narrow;
        codes = k.param("codes", Type.U64);
        tid = k.read(Special.TID_X);
        lane = k.and(tid, LANES - 1);
        warp = k.shr(tid, 5);
        head = k.read(Special.CTAID_Y);
        pitch = fp8 ? KEYS + 4 : 2 * KEYS + 8;
        shared = k.read(k.shared("tile", paddedDim * pitch, CHUNK, false));
    }

    /** The kernel for {@link VTarget#mma}. */
    public static Kernel kernel(DType type, int paddedDim, PvFormat format, boolean smooth) {
        return kernel(type, paddedDim, VTarget.mma(format), smooth, false);
    }

    /**
     * The kernel.
     *
     * @param type element type
     * @param paddedDim channels of the codes, a multiple of 32; 64 or 128 where rows are swizzled
     * @param target layout and format of the output
     * @param smooth whether a mean is subtracted
     * @param pairs whether two neighbouring channels may be read at once: data pointer, strides and the number of
     *     channels allow 4-byte accesses
     */
    public static Kernel kernel(DType type, int paddedDim, VTarget target, boolean smooth, boolean pairs) {
        return kernel(type, paddedDim, target, smooth, pairs, false);
    }

    /** The same; {@code watched} for FP8 whose range {@link HeavyChannels} decides. */
    public static Kernel kernel(
            DType type, int paddedDim, VTarget target, boolean smooth, boolean pairs, boolean watched) {
        if (target.swizzled() && paddedDim != 64 && paddedDim != 128) {
            throw new IllegalArgumentException("no " + target + " with " + paddedDim + " channels, only 64 or 128");
        }
        KernelBuilder k = new KernelBuilder("sage_quantize_v", THREADS).minBlocks(paddedDim <= WIDE ? MIN_BLOCKS : 2);
        QuantizeV v = new QuantizeV(k, type, paddedDim, target, smooth, pairs, watched);
        v.turn();
        k.barrier();
        v.write();
        return k.build();
    }

    private Reg watched(Reg narrow) {
        Reg wide = k.param("wide_inverse", Type.U64);
        Reg heavy = k.load(Space.GLOBAL, Type.U32, Address.of(k.param("heavy", Type.U64)));
        return k.select(Type.U64, k.compare(Relation.NE, Type.U32, heavy, Imm.of(0)), wide, narrow);
    }

    /** Key at a position of the first quad of 16; those of the quad of a warp are {@link #quadKeys} times it further. */
    private int keyOfQuad(int n) {
        return target.permuted() ? OperandLayout.keyAt(n) : n;
    }

    private int quadKeys() {
        return target.permuted() ? 2 : QUAD;
    }

    private void turn() {
        Reg channel = perLane == 1 ? lane : k.shl(lane, 1);
        Reg quad = k.mul(Type.U32, warp, Imm.of(quadKeys()));
        Reg first = k.mad(Type.U32, k.read(Special.CTAID_X), Imm.of(KEYS), quad);
        Reg base = input.address(head, k.move(Type.U32, Imm.of(0)), channel);
        Reg stride = input.tokenBytes();
        List<Reg> addresses = new ArrayList<>();
        List<Reg> validKeys = new ArrayList<>();
        for (int group = 0; group < KEYS; group += GROUP) {
            for (int n = 0; n < QUAD; n++) {
                Reg key = k.add(first, group + keyOfQuad(n));
                validKeys.add(k.compare(Relation.LT, Type.U32, key, input.tokens()));
                addresses.add(k.mad64(key, stride, base));
            }
        }
        int bytes = fp8 ? 1 : 2;
        Reg to = k.mad(Type.U32, channel, Imm.of(pitch), k.mad(Type.U32, warp, Imm.of(QUAD * bytes), shared));
        Reg statistics = k.mad(Type.U32, head, Imm.of(paddedDim), channel);
        for (int channels = 0; channels < paddedDim; channels += LANES * perLane) {
            Reg validChannel = k.compare(Relation.LT, Type.U32, k.add(channel, channels), input.channels());
            List<Reg> shift = statistic(mean, statistics, channels);
            List<Reg> factor = statistic(inverse, statistics, channels);
            List<List<Reg>> y = new ArrayList<>();
            for (int n = 0; n < addresses.size(); n++) {
                Reg valid = k.and(validKeys.get(n), validChannel);
                y.add(elements(Address.of(addresses.get(n)).plus(2 * channels), valid, shift, factor));
            }
            for (int n = 0; n < y.size(); n += QUAD) {
                for (int e = 0; e < perLane; e++) {
                    Address at = Address.of(to).plus((channels + e) * pitch + n / QUAD * GROUP * bytes);
                    Reg low = pair(y.get(n + 1).get(e), y.get(n).get(e));
                    Reg high = pair(y.get(n + 3).get(e), y.get(n + 2).get(e));
                    if (fp8) {
                        k.store(Space.SHARED, Type.U32, at, k.pack(low, high));
                    } else {
                        k.store(Space.SHARED, Type.U32, at, low, high);
                    }
                }
            }
        }
    }

    /** Numbers of the lane's channels; none without the array. */
    private List<Reg> statistic(Reg array, Reg index, int channels) {
        return array == null
                ? List.of()
                : k.loadVector(
                        Space.GLOBAL,
                        Type.F32,
                        perLane,
                        Address.of(k.index(array, index, FLOAT)).plus(channels * FLOAT),
                        true);
    }

    /** Elements of the lane's channels ready to be rounded, zero in the padding. */
    private List<Reg> elements(Address from, Reg valid, List<Reg> shift, List<Reg> factor) {
        List<Reg> to = new ArrayList<>();
        for (int e = 0; e < perLane; e++) {
            to.add(k.move(Type.F32, Imm.of(0f)));
        }
        k.guarded(valid, () -> {
            List<Reg> loaded = input.loadVector(perLane, from);
            for (int e = 0; e < perLane; e++) {
                Reg x = loaded.get(e);
                if (!shift.isEmpty()) {
                    x = k.sub(Type.F32, x, shift.get(e));
                }
                if (fp8) {
                    k.set(to.get(e), Operation.MUL, Type.F32, x, factor.get(e));
                } else {
                    Reg below = k.get(Operation.MIN_NAN, Type.F32, x, Imm.of(Float16.MAX));
                    k.set(to.get(e), Operation.MAX_NAN, Type.F32, below, Imm.of(-Float16.MAX));
                }
            }
        });
        return to;
    }

    private Reg pair(Reg high, Reg low) {
        return k.convert(fp8 ? Conversion.E4M3X2_FROM_F32 : Conversion.F16X2_FROM_F32, high, low);
    }

    private void write() {
        int bytes = fp8 ? KEYS : 2 * KEYS;
        int parts = target.keys() / KEYS;
        int rowBytes = bytes * parts;
        int chunksPerRow = bytes / CHUNK;
        Reg cta = k.add(Type.U32, k.mul(Type.U32, head, k.read(Special.NCTAID_X)), k.read(Special.CTAID_X));
        Reg row = k.shr(tid, Integer.numberOfTrailingZeros(chunksPerRow));
        Reg chunk = k.and(tid, chunksPerRow - 1);
        Reg from = k.mad(Type.U32, row, Imm.of(pitch), k.mad(Type.U32, chunk, Imm.of(CHUNK), shared));
        // A head has whole tiles, so a CTA's number over all heads tells its tile and its part of the tile's rows.
        Reg tile = k.shr(cta, Integer.numberOfTrailingZeros(parts));
        Reg place = k.mad(Type.U32, k.and(cta, parts - 1), Imm.of(chunksPerRow), chunk);
        if (target.swizzled()) {
            place = k.xor(place, new SwizzledTile(rowBytes, false).exchange(k, row));
        }
        Reg inTile = k.mad(Type.U32, row, Imm.of(rowBytes), k.mul(Type.U32, place, Imm.of(CHUNK)));
        Reg out = k.index(k.index(codes, tile, paddedDim * rowBytes), inTile, 1);
        // Rows of a thread are a multiple of 8 apart: their chunks are exchanged alike.
        int step = THREADS / chunksPerRow;
        for (int done = 0; done < paddedDim; done += step) {
            Address at = Address.of(from).plus(done * pitch);
            List<Reg> words = new ArrayList<>();
            int wide = fp8 ? 1 : 2;
            for (int n = 0; n < CHUNK; n += wide * FLOAT) {
                words.addAll(k.loadVector(Space.SHARED, Type.U32, wide, at.plus(n), false));
            }
            k.store(Space.GLOBAL, Type.U32, Address.of(out).plus(done * rowBytes), words.toArray(Reg[]::new));
        }
    }
}
