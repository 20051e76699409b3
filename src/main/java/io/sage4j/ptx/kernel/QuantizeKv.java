package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.Scheme;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.GridDependency;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.KernelBuilder;
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
 * A CTA has its tile in registers. It writes the tile's sums (K) or largest magnitudes (V) to the work space, counts itself, and
 * waits until all tiles of the head are counted; then it joins their numbers, in the order of {@link
 * io.sage4j.numeric.TokenMean}, and makes its codes. Where a head has more than {@code few} tiles, the last CTA joins them for
 * all. A CTA that has waited long puts its tile off and goes on, so that none waits for one that cannot start: tiles put off are
 * read again when no others are left, and by then all have been counted.
 *
 * <p>It waits for the kernel in front before it reads anything, and lets the next one start when all its CTAs have ({@link
 * GridDependency}).
 *
 * <p>Grid: any number of CTAs, best {@link Spec#ctas}, of 256 threads, 128 up to 64 channels. Registers: at most 64, 128 where
 * elements are loaded one by one. Shared memory: 48 bytes, 8 a channel, and the larger of 64 bytes a channel and field of a
 * head's numbers and the codes of a tile of V.
 *
 * <p>Parameters: for K and V the seven of {@link StridedInput} each; with smooth K and smooth V {@code k_mean} and {@code v_mean},
 * with FP8 {@code v_scale} and {@code v_inverse} (U64), FP32 [batch * heads][paddedDim]; {@code k_codes}, {@code k_scales},
 * {@code v_codes} (U64), in {@link io.sage4j.numeric.WgmmaLayout}, zero in the padding; {@code partials} (U64), FP32, {@link
 * Spec#partials}; {@code counters} (U64), {@link #counters} words, 0 at the start; {@code deferred} (U64), a word a tile; {@code
 * parts}, tiles of a head, {@code items}, tiles of K and V of all heads, {@code few}, {@link #FEW}, and {@code patience}, {@link
 * #patience} (U32).
 */
public final class QuantizeKv {
    /** Tokens of a work item. */
    public static final int TOKENS = KvTile.TOKENS;

    /** Tiles of a head up to which it is faster that each CTA joins their numbers itself. */
    public static final int FEW = 256;

    private static final int THREADS_PER_SM = 1024;
    private static final int PATIENCE = 64;
    private static final int WORD = 4;
    private static final int BEFORE = KvQueue.SHARED_BYTES;
    private static final int SEEN = BEFORE + WORD;
    private static final int MAXIMA = SEEN + WORD;
    private static final int MAXIMA_BYTES = 32;

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
     */
    public record Spec(
            DType type,
            int paddedDim,
            boolean smoothK,
            boolean perThread,
            PvFormat v,
            float vRange,
            boolean smoothV,
            boolean wide) {
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
                    wide);
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
            return (wide ? THREADS_PER_SM : THREADS_PER_SM / 2) / KvTile.threads(paddedDim);
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
    private final Reg parts;
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
        parts = k.param("parts", Type.U32);
        Reg items = k.param("items", Type.U32);
        few = k.param("few", Type.U32);
        patience = k.param("patience", Type.U32);
        int dim = spec.paddedDim();
        tile = new KvTile(k, dim);
        control = k.read(k.shared("control", MAXIMA + MAXIMA_BYTES, 16, false));
        results = k.read(k.shared("results", 2 * dim * Float.BYTES, 16, false));
        int bytes = Math.max(KvStatistics.sharedBytes(spec.fields(), dim), KvCodes.sharedBytes(spec.fp8(), dim));
        work = k.read(k.shared("work", bytes, 128, false));
        statistics = new KvStatistics(k, tile, spec.fields(), work, partials, parts);
        isFirst = tile.isFirst();
        queue = new KvQueue(k, counters, deferred, items, control);
    }

    /** Counters of the work space, 32 bits each, which must be 0 at the start. */
    public static int counters(int heads) {
        return 1 + Math.multiplyExact(2, heads);
    }

    /** How often a CTA asks for its head's numbers; once where not even all tiles of a head are at work at a time. */
    public static int patience(int parts, int ctas) {
        return parts <= ctas / 2 ? PATIENCE : 1;
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
        k.repeatWhile(() -> {
            firstThenAll(queue::announce);
            Reg item = queue.item();
            Reg draining = queue.draining();
            Reg more = k.compare(Relation.NE, Type.U32, item, Imm.of(KvQueue.NONE));
            k.when(more, () -> item(item, draining));
            k.emit(new WarpBarrier());
            k.barrier();
            return more;
        });
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

    /**
     * A tile at work.
     *
     * @param group tensors and heads in turns: K if even
     * @param tileIndex of the tile among those of its tensor
     */
    private record Work(
            Reg item,
            Reg draining,
            Reg group,
            Reg tileIndex,
            StridedInput input,
            List<List<Reg>> rows,
            Reg remaining) {}

    private Reg headOf(Work w) {
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

    private void item(Reg item, Reg draining) {
        Reg group = k.div(Type.U32, item, parts);
        Reg part = k.sub(Type.U32, item, k.mul(Type.U32, group, parts));
        Reg head = k.shr(group, 1);
        StridedInput input = StridedInput.either(isK(group), inputK, inputV);
        Reg remaining = tile.remaining(part, input);
        List<List<Reg>> rows = tile.load(input, head, part, remaining, spec.wide());
        Reg tileIndex = k.mad(Type.U32, head, parts, part);
        Work w = new Work(item, draining, group, tileIndex, input, rows, remaining);
        Reg seen = k.move(Type.U32, Imm.of(1));
        if (spec.ofK().isEmpty() == spec.ofV().isEmpty()) {
            numbers(w, seen);
        } else {
            k.when(spec.ofV().isEmpty() ? isK(group) : not(isK(group)), () -> numbers(w, seen));
        }
        KvCodes codes = new KvCodes(k, tile, input, work);
        k.when(
                k.compare(Relation.NE, Type.U32, seen, Imm.of(0)),
                () -> k.whenElse(isK(group), () -> keys(w, codes), () -> values(w, codes)));
        // Not earlier: others wait for who has a ticket and does not work on it yet.
        k.when(k.and(isFirst, not(draining)), queue::take);
    }

    /** Numbers of the whole head, in {@code results}; {@code seen} is 0 if they were not to be had, and the item put off. */
    private void numbers(Work w, Reg seen) {
        if (spec.fields() == 0) {
            return;
        }
        k.when(not(w.draining()), () -> count(w));
        await(w, seen);
        k.when(k.compare(Relation.NE, Type.U32, seen, Imm.of(0)), () -> {
            k.whenElse(
                    isSmall(),
                    () -> either(
                            w,
                            fields -> statistics.head(fields, w.group(), numbers -> {
                                Known known = known(w, numbers);
                                known.entries().forEach(e -> keep(e.number(), e.place()));
                                Reg first = k.mul(Type.U32, w.group(), parts);
                                k.when(k.compare(Relation.EQ, Type.U32, w.item(), first), () -> publish(w, known));
                            })),
                    () -> fetch(w));
            k.barrier();
        });
    }

    private Reg isSmall() {
        return k.compare(Relation.LE, Type.U32, parts, few);
    }

    /** Writes the tile's numbers and counts it. */
    private void count(Work w) {
        either(w, fields -> statistics.strands(fields, w.input(), w.rows(), w.remaining()));
        k.barrier();
        either(w, fields -> statistics.tile(fields, w.item()));
        k.barrier();
        firstThenAll(() -> {
            Reg before = k.reg(RegType.B32);
            k.atomicAdd(true, before, Address.of(counterOf(w)), Imm.of(1));
            k.store(Space.SHARED, Type.U32, control(BEFORE), before);
        });
        Reg counted = k.add(k.load(Space.SHARED, Type.U32, control(BEFORE)), 1);
        Reg isLast = k.compare(Relation.EQ, Type.U32, counted, parts);
        k.when(k.and(isLast, not(isSmall())), () -> {
            either(w, fields -> statistics.head(fields, w.group(), numbers -> publish(w, known(w, numbers))));
            k.barrier();
            k.when(isFirst, () -> k.atomicAdd(true, k.reg(RegType.B32), Address.of(counterOf(w)), Imm.of(1)));
        });
    }

    private interface OfFields {
        void with(List<Field> fields);
    }

    private void either(Work w, OfFields body) {
        if (spec.ofK().equals(spec.ofV())) {
            body.with(spec.ofK());
        } else if (spec.ofK().isEmpty() || spec.ofV().isEmpty()) {
            body.with(spec.ofK().isEmpty() ? spec.ofV() : spec.ofK());
        } else {
            k.whenElse(isK(w.group()), () -> body.with(spec.ofK()), () -> body.with(spec.ofV()));
        }
    }

    private Reg counterOf(Work w) {
        return k.index(counters, k.add(w.group(), 1), WORD);
    }

    /** Waits until the head's tiles are counted, or, with many, joined. */
    private void await(Work w, Reg seen) {
        firstThenAll(() -> {
            Reg counter = counterOf(w);
            Reg limit = k.select(Type.U32, w.draining(), Imm.of(-1), patience);
            Reg need = k.select(Type.U32, isSmall(), parts, k.add(parts, 1));
            Reg polls = k.move(Type.U32, Imm.of(0));
            Reg late = k.reg(RegType.PRED);
            k.repeatWhile(() -> {
                Reg now = k.loadAcquire(Address.of(counter));
                k.emit(new Compare(Relation.LT, Type.U32, late, now, need));
                k.set(polls, Operation.ADD, Type.U32, polls, Imm.of(1));
                return k.and(late, k.compare(Relation.LT, Type.U32, polls, limit));
            });
            k.when(late, () -> queue.putOff(w.item()));
            Reg flag = k.select(Type.U32, late, Imm.of(0), Imm.of(1));
            k.store(Space.SHARED, Type.U32, control(SEEN), flag);
        });
        k.set(seen, Type.U32, k.load(Space.SHARED, Type.U32, control(SEEN)));
    }

    /** A number of a channel that all CTAs of the head need, where it is kept in global memory and in {@code results}. */
    private record Entry(Reg array, Reg number, int place) {}

    /** What is known of a channel of a head; {@code scale} is null but for FP8 V. */
    private record Known(List<Entry> entries, Reg scale) {}

    private Known known(Work w, Map<Field, Reg> numbers) {
        List<Entry> entries = new ArrayList<>();
        Reg mean = null;
        if (numbers.containsKey(Field.SUM)) {
            mean = statistics.mean(numbers.get(Field.SUM), inputK.tokens());
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

    private Reg meanArray(Work w) {
        if (kMean == null || vMean == null) {
            return kMean == null ? vMean : kMean;
        }
        return k.select(Type.U64, isK(w.group()), kMean, vMean);
    }

    /** Address of the thread's channel, as one thread has one, in an FP32 array [batch * heads][paddedDim]. */
    private Address ofChannel(Work w, Reg array) {
        Reg index = k.mad(Type.U32, headOf(w), Imm.of(spec.paddedDim()), tile.tid);
        return Address.of(k.index(array, index, Float.BYTES));
    }

    private void publish(Work w, Known known) {
        known.entries().forEach(e -> k.store(Space.GLOBAL, Type.F32, ofChannel(w, e.array()), e.number()));
        if (known.scale() != null) {
            k.store(Space.GLOBAL, Type.F32, ofChannel(w, vScale), known.scale());
        }
    }

    private void keep(Reg number, int place) {
        Address at = Address.of(k.mad(Type.U32, tile.tid, Imm.of(Float.BYTES), results));
        k.store(Space.SHARED, Type.F32, at.plus(place * spec.paddedDim() * Float.BYTES), number);
    }

    /** Brings what the last CTA of the head has published. */
    private void fetch(Work w) {
        k.when(
                k.compare(Relation.LT, Type.U32, tile.tid, Imm.of(spec.paddedDim())),
                () -> either(w, fields -> {
                    if (fields.contains(Field.SUM)) {
                        keep(k.load(Space.GLOBAL, Type.F32, ofChannel(w, meanArray(w))), 0);
                    }
                    if (fields.contains(Field.AMAX) || fields.contains(Field.MAX)) {
                        keep(k.load(Space.GLOBAL, Type.F32, ofChannel(w, vInverse)), 1);
                    }
                }));
    }

    /** Numbers of the thread's eight channels in {@code results}. */
    private List<Reg> result(int place) {
        Address at = Address.of(k.mad(Type.U32, tile.channel, Imm.of(Float.BYTES), results));
        Address first = at.plus(place * spec.paddedDim() * Float.BYTES);
        List<Reg> numbers = new ArrayList<>(k.loadVector(Space.SHARED, Type.F32, 4, first, false));
        numbers.addAll(k.loadVector(Space.SHARED, Type.F32, 4, first.plus(16), false));
        return numbers;
    }

    private void keys(Work w, KvCodes to) {
        List<Reg> mean = kMean == null ? List.of() : result(0);
        Reg maxima = k.add(control, MAXIMA);
        to.keys(w.tileIndex(), w.rows(), w.remaining(), mean, spec.perThread(), maxima, kCodes, kScales);
    }

    private void values(Work w, KvCodes to) {
        List<Reg> mean = vMean == null ? List.of() : result(0);
        List<Reg> inverse = vInverse == null ? List.of() : result(1);
        to.values(w.tileIndex(), w.rows(), w.remaining(), mean, inverse, vCodes);
    }
}
