package io.sage4j.ptx.kernel;

import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.TileShape;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.CopyAsync;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;
import java.util.ArrayList;
import java.util.List;

/**
 * What {@link MmaAttention} reads of its operands: the asynchronous copies of a thread into shared memory, a 16-byte chunk of
 * a tile and every so many threads further another; and the scales of K.
 */
final class MmaCopies {
    private static final int KEYS = TileShape.MMA_SYNC.blockK();
    private static final int FLOAT = 4;
    /** Rows after which a tile's layout repeats. */
    private static final int REPEAT = 8;

    private final KernelBuilder k;
    private final MmaAttentionSpec spec;
    private final AttentionParams in;
    private final MmaPlace place;
    private final Reg tid;
    private final Reg lane;
    private final SwizzledTile qkTile;
    private final SwizzledTile vTile;
    private final Reg q;
    private final Reg kTiles;
    private final Reg firstTile;
    private final List<Reg> qTo;
    private final List<Reg> kTo;
    private final List<Reg> vTo;
    private final Reg sharedShifts;

    /** @param shared where the operands go */
    MmaCopies(KernelBuilder k, MmaAttentionSpec spec, AttentionParams in, MmaPlace place, Reg tid, MmaShared shared) {
        this.k = k;
        this.spec = spec;
        this.in = in;
        this.place = place;
        this.tid = tid;
        lane = k.and(tid, 31);
        qkTile = QkProduct.tile(spec);
        vTile = PvProduct.tile(spec.fp8());
        q = source(in.q, place.tileOfAll(), QkProduct.qBytes(spec));
        kTiles = k.shr(k.add(in.kvLen, KEYS - 1), 6);
        firstTile = k.mul(Type.U32, place.kvHead(), kTiles);
        qTo = targets(qkTile, shared.q());
        kTo = targets(qkTile, shared.k());
        vTo = targets(vTile, shared.v());
        sharedShifts = shared.shifts();
    }

    private Reg source(Reg array, Reg tileIndex, int tileBytes) {
        return k.index(k.index(array, tileIndex, tileBytes), tid, SwizzledTile.CHUNK);
    }

    /** Where the thread's first chunks go: as many as there are until the rows repeat. */
    private List<Reg> targets(SwizzledTile layout, Reg base) {
        List<Reg> targets = new ArrayList<>();
        for (int n = 0; n < distinct(layout); n++) {
            Reg chunk = k.add(tid, n * spec.threads());
            Imm perRow = Imm.of(layout.chunks());
            Reg row = k.div(Type.U32, chunk, perRow);
            targets.add(layout.address(k, base, row, k.get(Operation.REM, Type.U32, chunk, perRow)));
        }
        return targets;
    }

    /** Rounds of copies after which a thread's chunk is so many bytes further as were copied. */
    private int distinct(SwizzledTile layout) {
        if (!layout.exchanges()) {
            return 1;
        }
        int repeat = layout.chunks() * REPEAT;
        int rounds = 1;
        while (rounds * spec.threads() % repeat != 0) {
            rounds++;
        }
        return rounds;
    }

    private void start(Reg from, List<Reg> to, int tileBytes, SwizzledTile layout) {
        int perRound = spec.threads() * SwizzledTile.CHUNK;
        int distinct = distinct(layout);
        for (int n = 0; n * perRound < tileBytes; n++) {
            Address target = Address.of(to.get(n % distinct)).plus(n / distinct * distinct * perRound);
            CopyAsync copy = new CopyAsync(target, Address.of(from).plus(n * perRound), null);
            int left = (tileBytes - n * perRound) / SwizzledTile.CHUNK;
            if (left < spec.threads()) {
                k.guarded(k.compare(Relation.LT, Type.U32, tid, Imm.of(left)), () -> k.emit(copy));
            } else {
                k.emit(copy);
            }
        }
    }

    private static List<Reg> further(KernelBuilder k, List<Reg> targets, Reg stage, int tileBytes) {
        return targets.stream()
                .map(to -> k.mad(Type.U32, stage, Imm.of(tileBytes), to))
                .toList();
    }

    /** The CTA's tile of Q. */
    void startQ() {
        start(q, qTo, QkProduct.qBytes(spec), qkTile);
    }

    /** K, what smooth Q needs, and V unless it travels late. */
    void startTile(Reg j) {
        Reg stage = k.and(j, 1);
        Reg index = k.add(Type.U32, firstTile, j);
        int kBytes = QkProduct.kBytes(spec);
        start(source(in.k, index, kBytes), further(k, kTo, stage, kBytes), kBytes, qkTile);
        if (spec.scheme().smoothQ()) {
            startShifts(j, stage);
        }
        if (spec.target().vStages() == 2) {
            int vBytes = PvProduct.tileBytes(spec);
            start(source(in.v, index, vBytes), further(k, vTo, stage, vBytes), vBytes, vTile);
        }
    }

    /** V where it travels late. */
    void startV(Reg j) {
        int vBytes = PvProduct.tileBytes(spec);
        start(source(in.v, k.add(Type.U32, firstTile, j), vBytes), vTo, vBytes, vTile);
    }

    /** A tile's row of {@code ds}, 16 bytes to each of the first 16 threads. */
    private void startShifts(Reg j, Reg stage) {
        Reg chunk = k.index(shiftsOf(j), tid, SwizzledTile.CHUNK);
        Reg to = k.mad(Type.U32, stage, Imm.of(KEYS * FLOAT), sharedShifts);
        Reg at = k.mad(Type.U32, tid, Imm.of(SwizzledTile.CHUNK), to);
        CopyAsync copy = new CopyAsync(Address.of(at), Address.of(chunk), null);
        int chunks = KEYS * FLOAT / SwizzledTile.CHUNK;
        k.guarded(k.compare(Relation.LT, Type.U32, tid, Imm.of(chunks)), () -> k.emit(copy));
    }

    /** Address of a tile's {@code ds}. */
    private Reg shiftsOf(Reg j) {
        Reg tiles = k.get(Operation.MUL_WIDE, Type.U32, place.tileOfAll(), kTiles);
        Reg before = k.add(Type.U64, tiles, k.convert(Conversion.U64_FROM_U32, j));
        return k.add(Type.U64, in.deltaS, k.mul(Type.U64, before, Imm.of((long) KEYS * FLOAT)));
    }

    /** All K scales of a tile. */
    List<Reg> kScales(Reg j) {
        Reg index = k.add(Type.U32, firstTile, j);
        int count = spec.scheme().granularity() == Granularity.PER_THREAD ? 4 : 1;
        Address at = Address.of(k.index(in.kScale, index, count * FLOAT));
        return k.loadVector(Space.GLOBAL, Type.F32, count, at, true);
    }

    /** The thread's one K scale of a tile. */
    Reg kScale(Reg j) {
        Reg index = k.add(Type.U32, firstTile, j);
        if (spec.scheme().granularity() == Granularity.PER_THREAD) {
            index = k.mad(Type.U32, index, Imm.of(4), k.and(lane, 3));
        }
        return k.loadReadOnly(Type.F32, Address.of(k.index(in.kScale, index, FLOAT)));
    }
}
