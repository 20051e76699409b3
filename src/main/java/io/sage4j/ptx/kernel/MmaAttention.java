package io.sage4j.ptx.kernel;

import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.ScaleGroups;
import io.sage4j.numeric.TileShape;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.CopyCommit;
import io.sage4j.ptx.CopyWait;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;
import io.sage4j.ptx.Vote;
import java.util.ArrayList;
import java.util.List;

/**
 * Quantized attention (docs/numerics.md, 5 and 6) with the matrix instructions of a warp: Q K^T in INT8 or INT4, and P V
 * in FP8 or FP16.
 *
 * <p>A CTA attends 128 rows of Q, 32 to each of 4 warps or 16 to each of 8, in tiles of 64 keys ({@link MmaTarget}). K and
 * V are copied two tiles deep, asynchronously: tile j + 1 travels while tile j is multiplied, with one barrier a tile. Where
 * shared memory has no room for two tiles of V ({@link MmaTarget#vStages()}), V(j) travels while Q K(j)^T is computed, with
 * a second barrier. Tiles that every row sees whole run in a first loop without a mask, the others in a second one.
 *
 * <pre>
 *   for each tile j: wait for K(j), V(j); barrier; start copying K(j+1), V(j+1)
 *       S = Q K(j)^T                  exact; 64 scores a row, 2 or 4 rows a thread, shared by 4 threads
 *       m' = max(m, c max S - offset); alpha = 2^(m - m'); p = 2^(c S - m')
 *       O = O alpha + round(p) V(j); l = l alpha + sum p or round(p) 1   see {@link PvProduct}
 * </pre>
 *
 * <p>The maximum is taken of the integer sums, which some architectures compare faster. With smooth Q, {@code c S} becomes
 * {@code c S + ds}, and the maximum is taken behind it. INT8 sums in the first loop are {@link FloatScores} unless the
 * log-sum-exp is written; a warp with a c that is not small runs all its tiles in the second loop, which is exact. With smooth Q
 * sums are such floats in both loops, exact, and shifts lie on a {@link io.sage4j.numeric.ShiftGrid}.
 *
 * <p>Grid: (Q tiles, query heads, batch) CTAs of {@link MmaAttentionSpec#threads()}. Dynamic shared memory:
 * {@link MmaTarget#sharedBytes}: 48 KiB for INT8 and FP8 at D = 128, 64 KiB for FP16; every access is free of bank
 * conflicts. Registers: at most 255, 8 warps on a multiprocessor, none spilled, except FP8 and INT4 on sm_90 and sm_100,
 * which lack these instructions, need many more registers in their place, and have wgmma and tcgen05 for FP8; FP16 with two
 * row tiles of 128 channels is one register short there.
 *
 * <p>Parameters: {@code q}, {@code k}, {@code v} codes, {@code q_scale}, {@code k_scale} (U64,
 * {@link io.sage4j.numeric.OperandLayout}, 16-byte aligned); for FP8 {@code v_scale} (U64); with smooth V {@code
 * v_mean} (U64), both FP32 [batch * kvHeads][D]; with smooth Q {@code delta_s} (U64, {@link DeltaS}); {@code out} (U64),
 * {@code out_batch}, {@code out_head}, {@code out_token} (U64, in elements); with lse {@code lse} and {@code correction}
 * (U64, FP32 [batch * qHeads][qoLen], the second one added to the first, 0 for none); {@code qo_len}, {@code kv_len}, {@code kv_heads}, {@code group_size},
 * {@code channels} (U32, the output channels, more than D - 32), {@code diagonal} (S32, causal
 * only), {@code score_scale} (F32, sm_scale * log2 e); where V is watched {@code heavy} (U64, {@link HeavyChannels}).
 *
 * <p>l is one more column of P V, of ones, and so the sum of the rounded p; or p is added as it was, by each thread its own 16
 * of a row, and the four threads of a row meet at the end ({@link MmaAttentionSpec#addsP()}). Beside {@link FloatScores},
 * differences from the model are in the last bits: {@code c S - m} and {@code O alpha + t} are rounded once; ex2, lg2 and
 * the division by l are approximate. A NaN in FP16 V also reaches rows that do not see its key, if they see its tile.
 */
public final class MmaAttention {
    private static final int ROWS = TileShape.MMA_SYNC.blockQ();
    private static final int KEYS = TileShape.MMA_SYNC.blockK();
    private static final int N = 8;
    private static final int ROW_TILE = 16;
    private static final int FLOAT = 4;
    private static final int WARP = 32;

    private final KernelBuilder k;
    private final MmaAttentionSpec spec;
    private final int rowTiles;
    private final AttentionParams in;
    private final MmaPlace place;
    private final MmaShared shared;
    private final MmaSoftmax softmax;
    private final PvProduct pv;
    private final Reg tid;
    private final Reg lane;
    private final Reg warp;
    private MmaCopies copies;
    private QkProduct qk;
    private Reg qScale;
    private Reg vStart;

    private MmaAttention(KernelBuilder k, MmaAttentionSpec spec) {
        this.k = k;
        this.spec = spec;
        rowTiles = spec.rowTiles();
        in = new AttentionParams(k, spec);
        place = new MmaPlace(k, spec, in);
        spec.watch().exit(k, in.heavy);
        shared = MmaShared.of(k, spec);
        tid = k.read(Special.TID_X);
        lane = k.and(tid, 31);
        warp = k.shr(tid, 5);
        softmax = new MmaSoftmax(k, spec, in, place, lane, shared.shifts());
        pv = new PvProduct(k, spec);
    }

    /** The kernel. */
    public static Kernel kernel(MmaAttentionSpec spec) {
        KernelBuilder k = new KernelBuilder("sage_mma_attention", spec.threads()).minBlocks(spec.minBlocks());
        MmaAttention attention = new MmaAttention(k, spec);
        attention.attend();
        attention.finish();
        return k.build();
    }

    /** Shared memory of a CTA. */
    public static int sharedBytes(MmaAttentionSpec spec) {
        return spec.target().sharedBytes(spec.scheme(), spec.paddedDim());
    }

    private void attend() {
        Reg tiles = k.reg(RegType.B32);
        Reg wholeTiles = k.reg(RegType.B32);
        countTiles(tiles, wholeTiles);
        copies = new MmaCopies(k, spec, in, place, tid, shared);
        k.when(k.compare(Relation.GT, Type.S32, tiles, Imm.of(0)), () -> {
            copies.startQ();
            copies.startTile(k.move(Type.U32, Imm.of(0)));
            k.emit(new CopyCommit());
        });
        qScale = qScale();
        qk = new QkProduct(k, spec, lane, warp, shared.q(), shared.k());
        vStart = pv.start(shared.v(), lane);
        if (spec.floatScores()) {
            k.set(wholeTiles, Type.U32, k.select(Type.U32, isCoarse(tiles), Imm.of(0), wholeTiles));
        }
        k.range(Imm.of(0), wholeTiles, 1, j -> step(j, tiles, false));
        k.range(wholeTiles, tiles, 1, j -> step(j, tiles, true));
    }

    /** Tiles with a key that some row sees, and those before them that all rows see whole. */
    private void countTiles(Reg tiles, Reg wholeTiles) {
        Reg visible = in.kvLen;
        Reg whole = in.kvLen;
        if (spec.causal()) {
            Reg first = k.mul(Type.U32, place.tile(), Imm.of(ROWS));
            Reg end = k.min(Type.U32, k.add(first, ROWS), in.qoLen);
            visible = seen(k.add(Type.S32, end, in.diagonal));
            whole = seen(k.add(Type.S32, k.add(first, 1), in.diagonal));
        }
        k.set(tiles, Operation.SHR, Type.U32, k.add(visible, KEYS - 1), Imm.of(6));
        k.set(wholeTiles, Operation.SHR, Type.U32, whole, Imm.of(6));
    }

    private Reg seen(Reg keys) {
        return k.min(Type.S32, k.max(Type.S32, keys, Imm.of(0)), in.kvLen);
    }

    /** The thread's one Q scale, with the score factor. */
    private Reg qScale() {
        ScaleGroups groups = ScaleGroups.ofQ(spec.scheme().granularity(), TileShape.MMA_SYNC, 0);
        Reg sets = k.mul(Type.U32, k.read(Special.NCTAID_X), Imm.of(ROWS / groups.tile()));
        Reg set = k.mad(Type.U32, place.head(), sets, k.mul(Type.U32, place.tile(), Imm.of(ROWS / groups.tile())));
        if (groups.tile() < ROWS) {
            set = k.add(
                    Type.U32, set, k.get(Operation.DIV, Type.U32, warp, Imm.of(groups.tile() / (ROW_TILE * rowTiles))));
        }
        Reg index = set;
        if (spec.scheme().granularity() == Granularity.PER_THREAD) {
            index = k.mad(Type.U32, set, Imm.of(groups.groups()), k.shr(lane, 2));
        }
        Reg scale = k.loadReadOnly(Type.F32, Address.of(k.index(in.qScale, index, FLOAT)));
        return k.mul(Type.F32, scale, in.scoreScale);
    }

    /** Whether {@link FloatScores} would show in a row of the warp: a score scale of it is not small, or no number. */
    private Reg isCoarse(Reg tiles) {
        Reg largest = k.move(Type.U32, Imm.of(0));
        // As integers, so that a NaN is the largest.
        k.range(lane, tiles, WARP, j -> copies.kScales(j)
                .forEach(scale -> k.set(largest, Operation.MAX, Type.U32, largest, magnitude(scale))));
        for (int mask = WARP / 2; mask >= 1; mask /= 2) {
            k.set(largest, Operation.MAX, Type.U32, largest, k.shuffleXor(largest, mask));
        }
        Reg product = k.mul(Type.F32, qScale, k.floating(largest));
        int small = Float.floatToRawIntBits(FloatScores.smallScale(!spec.fp8()));
        Reg coarse = k.reg(RegType.PRED);
        k.emit(new Vote(coarse, k.compare(Relation.GT, Type.U32, magnitude(product), Imm.of(small))));
        return coarse;
    }

    private Reg magnitude(Reg floating) {
        return k.and(k.bits(floating), Integer.MAX_VALUE);
    }

    private void step(Reg j, Reg tiles, boolean masked) {
        boolean lateV = spec.target().vStages() == 1;
        k.emit(new CopyWait(0));
        k.barrier();
        Reg kScale = copies.kScale(j);
        Reg next = k.add(j, 1);
        if (lateV) {
            copies.startV(j);
            k.emit(new CopyCommit());
        }
        k.when(k.compare(Relation.LT, Type.S32, next, tiles), () -> copies.startTile(next));
        k.emit(new CopyCommit());
        Reg stage = k.and(j, 1);
        MmaSoftmax.Scores scores = softmax.scores(k.mul(Type.F32, qScale, kScale), j, stage, masked);
        List<Reg> alpha = new ArrayList<>();
        List<List<List<Reg>>> p = new ArrayList<>();
        for (List<List<Reg>> rows : qk.sums(stage, softmax.start(scores))) {
            List<List<Reg>> x =
                    rows.stream().map(t -> k.regs(RegType.F32, t.size())).toList();
            for (int half = 0; half < 2; half++) {
                alpha.add(softmax.row(elements(rows, half), elements(x, half), alpha.size(), scores));
            }
            p.add(pv.round(x));
        }
        if (!spec.addsP()) {
            softmax.add(pv.rowSums(p), alpha);
        }
        if (lateV) {
            k.emit(new CopyWait(1));
            k.barrier();
            pv.add(p, vStart, alpha);
        } else {
            pv.add(p, k.mad(Type.U32, stage, Imm.of(PvProduct.tileBytes(spec)), vStart), alpha);
        }
    }

    /** The 16 registers of one of the thread's two rows in a row tile, keys ascending. */
    private static List<Reg> elements(List<List<Reg>> s, int half) {
        List<Reg> elements = new ArrayList<>();
        for (List<Reg> tile : s) {
            elements.addAll(tile.subList(half * 2, half * 2 + 2));
        }
        return elements;
    }

    private void finish() {
        softmax.finish();
        Reg firstRow = place.firstRow();
        AttentionOutput output = new AttentionOutput(k, spec, in, lane, place.kvHead());
        for (int r = 0; r < 2 * rowTiles; r++) {
            Reg row = k.add(firstRow, r * N);
            if (spec.lse()) {
                output.lse(place.head(), row, softmax.max(r), softmax.sum(r));
            }
            output.row(row, softmax.sum(r));
        }
        output.write((row, n) -> pv.output(row / 2, n, row % 2));
    }
}
