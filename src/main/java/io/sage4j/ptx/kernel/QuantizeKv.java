package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.Scheme;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.CopyWait;
import io.sage4j.ptx.GridDependency;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operand;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;
import io.sage4j.ptx.WarpBarrier;
import io.sage4j.ptx.kernel.KvStatistics.Field;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * K and V to codes for the {@code wgmma} kernels, each read from memory once: the mean of K, INT8 K, scales of V, FP8 or FP16
 * V (docs/numerics.md, 1, 2 and 4).
 *
 * <p>A work item is a tile of 128 tokens of K or of V of a head; CTAs take items one after the other, K and V of a head in turn.
 * A CTA has two, the current one in registers and the next one on its way to shared memory. When that has arrived, the CTA writes
 * its sums (K) or largest magnitudes (V) to the work space, and counts it. Then it waits until all tiles of the current one's head
 * are counted, joins their numbers, in the order of {@link io.sage4j.numeric.TokenMean}, and makes the codes; the next tile moves
 * to registers. As it was counted long before its turn comes, hardly any CTA waits. Where a head has more than {@code few} tiles,
 * every eighth tile is one lane of that order: the last CTA of each eighth joins it for all, and what is left to join is eight.
 *
 * <p>A CTA that has waited long puts its tile off and goes on, so that none waits for one that cannot start: tiles put off are
 * read again when no others are left, and by then all have been counted.
 *
 * <p>Counters are as they were after two runs ({@link KvQueue}), so whoever keeps them clears them once.
 *
 * <p>It waits for the kernel in front before it reads anything, and lets the next one start when all its CTAs have ({@link
 * GridDependency}).
 *
 * <p>Grid: any number of CTAs, best {@link Spec#ctas}, of 256 threads, 128 up to 64 channels. Registers: at most 64, 80 with FP16
 * or smooth V and 72 with FP8 and 64 channels, 128 where elements are loaded one by one. Dynamic shared memory: the tile that arrives (256 bytes a channel), the
 * larger of 64 bytes a channel and field of a head's numbers and the codes of a tile of V, 8 bytes a channel, and 56.
 *
 * <p>Parameters: for K and V the seven of {@link StridedInput} each; with smooth K and smooth V {@code k_mean} and {@code v_mean},
 * with FP8 {@code v_scale} and {@code v_inverse} (U64), FP32 [batch * heads][paddedDim]; {@code k_codes}, {@code k_scales},
 * {@code v_codes} (U64), in {@link io.sage4j.numeric.WgmmaLayout}, zero in the padding; {@code partials} (U64), FP32, {@link
 * Spec#partials}; {@code counters} (U64), {@link #counters} words, 0 before the first run; {@code deferred} (U64), a word a tile; {@code
 * parts}, tiles of a head, {@code items}, tiles of K and V of all heads, {@code few}, {@link #FEW}, and {@code patience}, {@link
 * #patience} (U32).
 *
 * <p>Of packed sequences ({@link Spec#packed}) {@code table} (U64), of {@link KvTable}, is in the place of {@code parts}; the tokens of the inputs have no meaning; means
 * and scales of V are [sequences * heads][paddedDim], and a head of up to {@code few} tiles has one counter for K and one for V.
 */
public final class QuantizeKv {
    /** Tokens of a work item. */
    public static final int TOKENS = KvTile.TOKENS;

    /** Tiles of a head up to which it is faster that each CTA joins their numbers itself. */
    public static final int FEW = 16;

    private static final int REGISTERS_PER_SM = 65536;
    /** How often a CTA asks for the numbers of a head whose tiles are all at work at a time. */
    public static final int PATIENCE = 64;

    private static final int WORD = 4;
    private static final int LAST = KvQueue.SHARED_BYTES;
    private static final int SEEN = LAST + WORD;
    private static final int MAXIMA = SEEN + WORD;
    private static final int CONTROL_BYTES = MAXIMA + 32;
    /** Of a multiprocessor, of which the system takes some for each CTA. */
    private static final int SHARED_BYTES_PER_SM = 228 * 1024;

    private static final int SYSTEM_BYTES = 1024;
    private static final int EIGHTHS = Numbers.MEAN_LANES;
    /** Counters of a head's K or V: of all tiles, or of the eighths that are joined, and of the tiles of each of these. */
    static final int COUNTERS = 1 + EIGHTHS;

    /**
     * What a kernel does.
     *
     * @param type FP16 or BF16
     * @param paddedDim 64 or 128
     * @param smoothK whether the mean of K is taken off
     * @param perThread whether a tile of K has four scales, or one
     * @param v E4M3 or FP16
     * @param vRange largest magnitude of a code of V; of no meaning for FP16
     * @param smoothV whether the mean of V is taken off
     * @param wide whether data pointers and strides allow loads of 8 elements, which the channels are a multiple of
     * @param packed whether K and V are of sequences that lie behind each other, each with means and scales of its own ({@link KvTable})
     */
    public record Spec(
            DType type,
            int paddedDim,
            boolean smoothK,
            boolean perThread,
            PvFormat v,
            float vRange,
            boolean smoothV,
            boolean wide,
            boolean packed) {
        /** @throws IllegalArgumentException if there is no such kernel */
        public Spec {
            if (paddedDim != 64 && paddedDim != 128) {
                throw new IllegalArgumentException("K and V on Hopper tiles have 64 or 128 channels, not " + paddedDim);
            }
            if (v != PvFormat.E4M3 && v != PvFormat.FP16) {
                throw new IllegalArgumentException("no native V quantizer for " + v);
            }
        }

        /** Of a scheme on Hopper tiles. */
        public static Spec of(Scheme scheme, DType type, int paddedDim, boolean wide) {
            Granularity granularity = scheme.granularity();
            QkTarget.wgmmaK(granularity);
            return new Spec(
                    type,
                    paddedDim,
                    scheme.smoothK(),
                    granularity == Granularity.PER_THREAD,
                    scheme.pv().ofV(),
                    scheme.vRange(),
                    scheme.smoothV(),
                    wide,
                    false);
        }

        /** The one that does so with packed sequences. */
        public Spec ofSequences() {
            return new Spec(type, paddedDim, smoothK, perThread, v, vRange, smoothV, wide, true);
        }

        boolean fp8() {
            return v == PvFormat.E4M3;
        }

        List<Field> ofK() {
            return smoothK ? List.of(Field.SUM) : List.of();
        }

        List<Field> ofV() {
            if (!smoothV) {
                return fp8() ? List.of(Field.AMAX) : List.of();
            }
            return fp8() ? List.of(Field.SUM, Field.MAX, Field.MIN) : List.of(Field.SUM);
        }

        int fields() {
            return Math.max(ofK().size(), ofV().size());
        }

        /** Numbers, FP32, of the work space for so many tiles, of K and V together. */
        public long partials(long tiles) {
            return tiles * fields() * paddedDim;
        }

        /** CTAs that fill a GPU, no more than there are tiles. */
        public int ctas(int multiprocessors, int tiles) {
            return Math.min(multiprocessors * blocks(), tiles);
        }

        private int blocks() {
            int threads = KvTile.threads(paddedDim);
            int byRegisters = REGISTERS_PER_SM / threads / (wide ? paddedDim == 64 ? 72 : 64 : 128);
            return Math.min(byRegisters, SHARED_BYTES_PER_SM / (sharedBytes() + SYSTEM_BYTES));
        }

        private int workBytes() {
            return Math.max(KvStatistics.sharedBytes(fields(), paddedDim), KvCodes.sharedBytes(fp8(), paddedDim));
        }

        private int resultBytes() {
            return 2 * paddedDim * Float.BYTES;
        }

        private int sharedBytes() {
            int notes = packed ? KvTable.SHARED_BYTES : 0;
            return KvTile.bytes(paddedDim) + workBytes() + resultBytes() + notes + CONTROL_BYTES;
        }
    }

    private final Spec spec;
    private final KernelBuilder k;
    private final StridedInput inputK;
    private final StridedInput inputV;
    private final Reg kMean;
    private final Reg vMean;
    private final Reg vScale;
    private final Reg vInverse;
    private final Reg kCodes;
    private final Reg kScales;
    private final Reg vCodes;
    private final Reg counters;
    /** Tiles of a head; null with packed sequences. */
    private final Reg parts;

    /** Null but with packed sequences. */
    private final KvTable table;

    private final Reg few;
    private final Reg patience;
    private final KvTile tile;
    private final KvQueue queue;
    private final KvStatistics statistics;
    private final Reg control;
    private final Reg results;
    private final Reg work;
    private final Reg isFirst;

    private QuantizeKv(KernelBuilder k, Spec spec) {
        this.k = k;
        this.spec = spec;
        inputK = new StridedInput(k, spec.type(), "k_");
        inputV = new StridedInput(k, spec.type(), "v_");
        kMean = spec.smoothK() ? k.param("k_mean", Type.U64) : null;
        vMean = spec.smoothV() ? k.param("v_mean", Type.U64) : null;
        vScale = spec.fp8() ? k.param("v_scale", Type.U64) : null;
        vInverse = spec.fp8() ? k.param("v_inverse", Type.U64) : null;
        kCodes = k.param("k_codes", Type.U64);
        kScales = k.param("k_scales", Type.U64);
        vCodes = k.param("v_codes", Type.U64);
        Reg partials = k.param("partials", Type.U64);
        counters = k.param("counters", Type.U64);
        Reg deferred = k.param("deferred", Type.U64);
        parts = spec.packed() ? null : k.param("parts", Type.U32);
        Reg sequences = spec.packed() ? k.param("table", Type.U64) : null;
        Reg items = k.param("items", Type.U32);
        few = k.param("few", Type.U32);
        patience = k.param("patience", Type.U32);
        int dim = spec.paddedDim();
        Reg shared = k.read(k.shared("tile", spec.sharedBytes(), 128, true));
        tile = new KvTile(k, dim, shared);
        work = k.add(shared, KvTile.bytes(dim));
        results = k.add(work, spec.workBytes());
        Reg behind = k.add(results, spec.resultBytes());
        table = spec.packed() ? new KvTable(k, sequences, behind) : null;
        control = spec.packed() ? k.add(behind, KvTable.SHARED_BYTES) : behind;
        statistics = new KvStatistics(k, tile, spec.fields(), work, partials);
        isFirst = tile.isFirst();
        queue = new KvQueue(k, counters, deferred, items, control);
    }

    /** Counters of the work space, 32 bits each, which must be 0 before the first run. */
    public static int counters(int heads) {
        return 1 + Math.multiplyExact(2 * COUNTERS, heads);
    }

    /** How often a CTA asks for its head's numbers; once where not even all tiles of a head are at work at a time. */
    public static int patience(int parts, int ctas) {
        return parts <= ctas ? PATIENCE : 1;
    }

    /** The kernel. */
    public static Kernel kernel(Spec spec) {
        KernelBuilder k =
                new KernelBuilder("sage_quantize_kv", KvTile.threads(spec.paddedDim())).minBlocks(spec.blocks());
        new QuantizeKv(k, spec).run();
        return k.build();
    }

    private void run() {
        // The next kernel starts when all CTAs have a place, and takes those that they leave.
        k.emit(new GridDependency(GridDependency.Kind.LET_NEXT_START));
        k.emit(new GridDependency(GridDependency.Kind.WAIT));
        List<List<Reg>> rows = tile.registers();
        rows.forEach(row -> row.forEach(pair -> k.set(pair, Type.U32, Imm.of(0))));
        Reg current = k.move(Type.U32, Imm.of(KvQueue.NONE));
        Reg again = table == null ? k.move(Type.U32, Imm.of(0)) : null;
        k.repeatWhile(() -> {
            firstThenAll(() -> {
                Reg item = queue.announce();
                if (table != null) {
                    k.when(exists(current), table::turn);
                    k.when(exists(item), () -> table.note(item, inputK.heads(), queue.again()));
                }
            });
            Reg next = queue.item();
            Reg nextAgain = queue.again();
            Reg more = exists(next);
            k.when(more, () -> fetch(next(next)));
            k.when(k.and(more, is(nextAgain, 0)), () -> {
                k.emit(new CopyWait(0));
                count(next(next), tile.arrived());
            });
            Reg seen = k.move(Type.U32, Imm.of(1));
            k.when(exists(current), () -> codes(current(current, again), rows, seen));
            k.when(more, () -> {
                k.emit(new CopyWait(0));
                tile.arrived(rows);
            });
            k.set(current, Type.U32, table == null ? next : queue.item());
            if (table == null) {
                k.set(again, Type.U32, nextAgain);
            }
            k.emit(new WarpBarrier());
            k.barrier();
            return k.get(Operation.OR, Type.PRED, more, is(seen, 0));
        });
    }

    private Reg is(Reg number, int value) {
        return k.compare(Relation.EQ, Type.U32, number, Imm.of(value));
    }

    private Reg exists(Reg item) {
        return k.compare(Relation.NE, Type.U32, item, Imm.of(KvQueue.NONE));
    }

    /**
     * What only the first thread does, and a barrier, before which its warp meets. Right before the loop there must be none of
     * this: ptxas joined it to the first one in the loop, and the thread went on alone, through all barriers.
     */
    private void firstThenAll(Runnable body) {
        k.when(isFirst, body);
        k.emit(new WarpBarrier());
        k.barrier();
    }

    private KvWork next(Reg item) {
        return table == null ? of(item, (Reg) null) : of(item, table.next());
    }

    private KvWork current(Reg item, Reg again) {
        return table == null ? of(item, again) : of(item, table.current());
    }

    private KvWork of(Reg item, Reg again) {
        Reg group = k.div(Type.U32, item, parts);
        Reg part = k.sub(Type.U32, item, k.mul(Type.U32, group, parts));
        StridedInput input = StridedInput.either(isK(group), inputK, inputV);
        return new KvWork.OfCall(
                k, item, again, group, part, parts, input, tile.remaining(part, input.tokens()), patience);
    }

    private KvWork of(Reg item, KvTable.Note note) {
        return new KvWork.OfSequence(k, item, note, tile, inputK, inputV, patience);
    }

    private Reg headOf(KvWork w) {
        return k.shr(w.group(), 1);
    }

    private Reg isK(Reg group) {
        return k.compare(Relation.EQ, Type.U32, k.and(group, 1), Imm.of(0));
    }

    private Reg not(Reg predicate) {
        return k.get(Operation.NOT, Type.PRED, predicate);
    }

    private Address control(int offset) {
        return Address.of(control).plus(offset);
    }

    private void fetch(KvWork w) {
        tile.fetch(w.input(), headOf(w), w.part(), w.remaining(), spec.wide());
    }

    /** Runs {@code body} for what needs numbers of the whole head. */
    private void ifOfHead(KvWork w, Runnable body) {
        if (spec.fields() == 0) {
            return;
        }
        if (spec.ofK().isEmpty() == spec.ofV().isEmpty()) {
            body.run();
        } else {
            k.when(spec.ofV().isEmpty() ? isK(w.group()) : not(isK(w.group())), body);
        }
    }

    /** Codes of a tile; {@code seen} becomes 0 if the numbers of its head were not to be had, and the item was put off. */
    private void codes(KvWork w, List<List<Reg>> rows, Reg seen) {
        ifOfHead(w, () -> await(w, seen));
        // Not earlier: others wait for who has a ticket and does not work on it yet.
        k.when(isFirst, queue::take);
        k.emit(new WarpBarrier());
        k.when(is(seen, 1), () -> {
            ifOfHead(w, () -> numbers(w));
            Reg tileIndex = w.tileIndex();
            KvCodes codes = new KvCodes(k, tile, w.input(), work);
            k.whenElse(isK(w.group()), () -> keys(w, tileIndex, rows, codes), () -> values(w, tileIndex, rows, codes));
        });
    }

    /** Numbers of the whole head, in {@code results}. */
    private void numbers(KvWork w) {
        either(
                w,
                fields -> statistics.head(fields, w.tiles(), toJoin(w), numbers -> {
                    Known known = known(w, numbers);
                    known.entries().forEach(e -> keep(e.number(), e.place()));
                    k.when(k.compare(Relation.EQ, Type.U32, w.part(), Imm.of(0)), () -> publish(w, known));
                }));
        k.barrier();
    }

    /** Sets of numbers of a head that a CTA joins: its tiles', or with many those of its eighths. */
    private Reg toJoin(KvWork w) {
        Reg count = w.parts();
        return k.select(Type.U32, isSmall(w), count, k.min(Type.U32, count, Imm.of(EIGHTHS)));
    }

    private Reg isSmall(KvWork w) {
        return k.compare(Relation.LE, Type.U32, w.parts(), few);
    }

    /** Writes the numbers of a tile, and counts it. */
    private void count(KvWork w, KvTile.Rows rows) {
        ifOfHead(w, () -> {
            either(w, fields -> statistics.strands(fields, w.input(), rows, w.remaining()));
            k.barrier();
            either(w, fields -> statistics.tile(fields, w.item()));
            k.barrier();
            k.whenElse(isSmall(w), () -> countIn(w), () -> countEighth(w));
        });
    }

    private void countIn(KvWork w) {
        k.when(isFirst, () -> queue.count(counter(w, Imm.of(0))));
        k.emit(new WarpBarrier());
    }

    /** Every eighth tile of a head counts for itself; the last one of them joins them all. */
    private void countEighth(KvWork w) {
        Reg eighth = k.and(w.part(), EIGHTHS - 1);
        firstThenAll(() -> {
            Reg more = k.sub(Type.U32, k.add(w.parts(), EIGHTHS - 1), eighth);
            Reg all = k.shr(more, Integer.numberOfTrailingZeros(EIGHTHS));
            Reg isLast = queue.countLast(counter(w, k.add(eighth, 1)), all);
            k.store(Space.SHARED, Type.U32, control(LAST), k.select(Type.U32, isLast, Imm.of(1), Imm.of(0)));
        });
        k.when(flag(LAST), () -> {
            either(w, fields -> statistics.eighth(fields, w.tiles(), eighth));
            k.emit(new WarpBarrier());
            k.barrier();
            countIn(w);
        });
    }

    private Reg flag(int offset) {
        return k.compare(Relation.NE, Type.U32, k.load(Space.SHARED, Type.U32, control(offset)), Imm.of(0));
    }

    private interface OfFields {
        void with(List<Field> fields);
    }

    private void either(KvWork w, OfFields body) {
        if (spec.ofK().equals(spec.ofV())) {
            body.with(spec.ofK());
        } else if (spec.ofK().isEmpty() || spec.ofV().isEmpty()) {
            body.with(spec.ofK().isEmpty() ? spec.ofV() : spec.ofK());
        } else {
            k.whenElse(isK(w.group()), () -> body.with(spec.ofK()), () -> body.with(spec.ofV()));
        }
    }

    /** Counter of a head's K or V: 0 for its tiles or eighths, from 1 on for the tiles of an eighth. */
    private Address counter(KvWork w, Operand which) {
        Reg index = w.counter(which);
        return Address.of(k.index(counters, index, WORD)).plus(WORD);
    }

    /** Waits until the head's tiles are counted, or, with many, its eighths. */
    private void await(KvWork w, Reg seen) {
        firstThenAll(() -> {
            Address counter = counter(w, Imm.of(0));
            Reg limit = k.select(Type.U32, is(w.again(), 1), Imm.of(-1), w.patience());
            Reg complete = queue.complete(toJoin(w));
            Reg polls = k.move(Type.U32, Imm.of(0));
            Reg late = k.reg(RegType.PRED);
            k.repeatWhile(() -> {
                Reg now = k.loadAcquire(counter);
                k.emit(new Compare(Relation.NE, Type.U32, late, now, complete));
                k.set(polls, Operation.ADD, Type.U32, polls, Imm.of(1));
                return k.and(late, k.compare(Relation.LT, Type.U32, polls, limit));
            });
            k.when(late, () -> queue.putOff(w.item()));
            k.store(Space.SHARED, Type.U32, control(SEEN), k.select(Type.U32, late, Imm.of(0), Imm.of(1)));
        });
        k.set(seen, Type.U32, k.load(Space.SHARED, Type.U32, control(SEEN)));
    }

    /** A number of a channel that all CTAs of the head need, where it is kept in global memory and in {@code results}. */
    private record Entry(Reg array, Reg number, int place) {}

    /** What is known of a channel of a head; {@code scale} is null but for FP8 V. */
    private record Known(List<Entry> entries, Reg scale) {}

    private Known known(KvWork w, Map<Field, Reg> numbers) {
        List<Entry> entries = new ArrayList<>();
        Reg mean = null;
        if (numbers.containsKey(Field.SUM)) {
            mean = statistics.mean(numbers.get(Field.SUM), w.input().tokens());
            entries.add(new Entry(meanArray(w), mean, 0));
        }
        Reg amax = numbers.get(Field.AMAX);
        if (numbers.containsKey(Field.MAX)) {
            // Rounding keeps order, so the largest |x - mean| is that of the largest or of the smallest x.
            Reg above = k.sub(Type.F32, numbers.get(Field.MAX), mean);
            Reg below = k.sub(Type.F32, numbers.get(Field.MIN), mean);
            amax = k.get(
                    Operation.MAX_NAN,
                    Type.F32,
                    k.get(Operation.ABS, Type.F32, above),
                    k.get(Operation.ABS, Type.F32, below));
        }
        if (amax == null) {
            return new Known(entries, null);
        }
        SymmetricScale scale = SymmetricScale.of(k, amax, spec.vRange());
        entries.add(new Entry(vInverse, scale.inverse(), 1));
        return new Known(entries, scale.scale());
    }

    private Reg meanArray(KvWork w) {
        if (kMean == null || vMean == null) {
            return kMean == null ? vMean : kMean;
        }
        return k.select(Type.U64, isK(w.group()), kMean, vMean);
    }

    /** Address of the thread's channel, as one thread has one, in an FP32 array [batch * heads][paddedDim]. */
    private Address ofChannel(KvWork w, Reg array) {
        Reg index = k.mad(Type.U32, w.head(), Imm.of(spec.paddedDim()), tile.tid);
        return Address.of(k.index(array, index, Float.BYTES));
    }

    private void publish(KvWork w, Known known) {
        known.entries().forEach(e -> k.store(Space.GLOBAL, Type.F32, ofChannel(w, e.array()), e.number()));
        if (known.scale() != null) {
            k.store(Space.GLOBAL, Type.F32, ofChannel(w, vScale), known.scale());
        }
    }

    private void keep(Reg number, int place) {
        Address at = Address.of(k.mad(Type.U32, tile.tid, Imm.of(Float.BYTES), results));
        k.store(Space.SHARED, Type.F32, at.plus(place * spec.paddedDim() * Float.BYTES), number);
    }

    /** Numbers of the thread's eight channels in {@code results}. */
    private List<Reg> result(int place) {
        Address at = Address.of(k.mad(Type.U32, tile.channel, Imm.of(Float.BYTES), results));
        Address first = at.plus(place * spec.paddedDim() * Float.BYTES);
        List<Reg> numbers = new ArrayList<>(k.loadVector(Space.SHARED, Type.F32, 4, first, false));
        numbers.addAll(k.loadVector(Space.SHARED, Type.F32, 4, first.plus(16), false));
        return numbers;
    }

    private void keys(KvWork w, Reg tileIndex, List<List<Reg>> rows, KvCodes to) {
        List<Reg> mean = kMean == null ? List.of() : result(0);
        Reg maxima = k.add(control, MAXIMA);
        to.keys(tileIndex, rows, w.remaining(), mean, spec.perThread(), maxima, kCodes, kScales);
    }

    private void values(KvWork w, Reg tileIndex, List<List<Reg>> rows, KvCodes to) {
        List<Reg> mean = vMean == null ? List.of() : result(0);
        List<Reg> inverse = vInverse == null ? List.of() : result(1);
        to.values(tileIndex, rows, w.remaining(), mean, inverse, vCodes);
    }
}
