package io.sage4j.ptx.kernel;

import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.TokenMean;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Compare.Relation;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operand;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Type;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Numbers per channel over all tokens of a head, tile by tile: a CTA joins its tile's numbers in shared memory and writes them
 * to global memory; who sees those of all tiles joins them, in the order of {@link TokenMean}.
 */
final class KvStatistics {
    private static final int STRANDS = TokenMean.PART / TokenMean.STRAND_ROWS;
    private static final int FLOAT = Float.BYTES;
    private static final int VECTOR = 4;
    /** Loads of a thread under way at once where tiles are joined. */
    private static final int UNROLL = 4;
    /** The same where a thread has one channel. */
    private static final int SCALARS = 16;

    /** What is known of a channel. */
    enum Field {
        /** Sum. */
        SUM(Operation.ADD, 0f),
        /** Largest magnitude. */
        AMAX(Operation.MAX_NAN, 0f),
        /** Largest number. */
        MAX(Operation.MAX_NAN, Float.NEGATIVE_INFINITY),
        /** Smallest number. */
        MIN(Operation.MIN_NAN, Float.POSITIVE_INFINITY);

        private final Operation join;
        private final float neutral;

        Field(Operation join, float neutral) {
            this.join = join;
            this.neutral = neutral;
        }
    }

    private final KernelBuilder k;
    private final KvTile tile;
    private final int dim;
    private final int stride;
    private final Reg shared;
    private final Reg partials;

    /**
     * @param stride numbers of a tile's channel in global memory: at least as many as any head has fields
     * @param shared {@link #sharedBytes} of shared memory
     * @param partials FP32 [tiles of K and V, in turns, of each head][stride][dim]
     */
    KvStatistics(KernelBuilder k, KvTile tile, int stride, Reg shared, Reg partials) {
        this.k = k;
        this.tile = tile;
        this.dim = tile.dim;
        this.stride = stride;
        this.shared = shared;
        this.partials = partials;
    }

    /** Shared memory for so many fields. */
    static int sharedBytes(int fields, int dim) {
        return Math.max(fields * STRANDS, Numbers.MEAN_LANES) * dim * FLOAT;
    }

    private int sharedField(int field, int rows) {
        return field * rows * dim * FLOAT;
    }

    /** Writes each thread's numbers to shared memory. */
    void strands(List<Field> fields, StridedInput input, KvTile.Rows rows, Reg remaining) {
        Reg index = k.mad(Type.U32, tile.strand(), Imm.of(dim), tile.channel);
        Reg to = k.mad(Type.U32, index, Imm.of(FLOAT), shared);
        for (int f = 0; f < fields.size(); f++) {
            Field field = fields.get(f);
            List<Reg> numbers =
                    switch (field) {
                        case SUM -> sums(input, rows);
                        case AMAX -> tile.widen(input, tile.magnitudes(input, rows));
                        case MAX, MIN -> tile.widen(input, tile.extreme(field.join, input, rows, remaining));
                    };
            for (int c = 0; c < KvTile.CHANNELS; c += VECTOR) {
                Address at = Address.of(to).plus(sharedField(f, STRANDS) + c * FLOAT);
                k.store(
                        Space.SHARED,
                        Type.F32,
                        at,
                        numbers.subList(c, c + VECTOR).toArray(Operand[]::new));
            }
        }
    }

    private List<Reg> sums(StridedInput input, KvTile.Rows rows) {
        List<Reg> sums = neutral(Field.SUM, KvTile.CHANNELS);
        for (int n = 0; n < KvTile.ROWS; n++) {
            join(Field.SUM, sums, tile.widen(input, rows.row(n)));
        }
        return sums;
    }

    private List<Reg> neutral(Field field, int count) {
        List<Reg> numbers = new ArrayList<>();
        for (int c = 0; c < count; c++) {
            numbers.add(k.move(Type.F32, Imm.of(field.neutral)));
        }
        return numbers;
    }

    private void join(Field field, List<Reg> numbers, List<Reg> x) {
        for (int c = 0; c < numbers.size(); c++) {
            k.set(numbers.get(c), field.join, Type.F32, numbers.get(c), x.get(c));
        }
    }

    /** Joins the strands and writes the tile's numbers; {@code index} counts tiles over all tensors and heads. */
    void tile(List<Field> fields, Reg index) {
        Reg row = k.mul(Type.U32, index, Imm.of(stride));
        k.when(k.compare(Relation.LT, Type.U32, tile.tid, Imm.of(dim)), () -> {
            Reg from = k.mad(Type.U32, tile.tid, Imm.of(FLOAT), shared);
            Reg to = k.index(k.index(partials, row, dim * FLOAT), tile.tid, FLOAT);
            for (int f = 0; f < fields.size(); f++) {
                Field field = fields.get(f);
                Reg number = k.move(Type.F32, Imm.of(field.neutral));
                for (int s = 0; s < STRANDS; s++) {
                    Address at = Address.of(from).plus(sharedField(f, STRANDS) + s * dim * FLOAT);
                    k.set(number, field.join, Type.F32, number, k.load(Space.SHARED, Type.F32, at));
                }
                k.store(Space.GLOBAL, Type.F32, Address.of(to).plus(f * dim * FLOAT), number);
            }
        });
    }

    /**
     * Joins every eighth tile of a head, and leaves what comes of them in the place of the first of these.
     *
     * @param tiles of the head
     * @param first which of the first eight tiles of the head the others follow
     */
    void eighth(List<Field> fields, KvHead tiles, Reg first) {
        k.when(k.compare(Relation.LT, Type.U32, tile.tid, Imm.of(dim)), () -> {
            Reg index = tiles.index(k, first);
            Reg row = k.mul(Type.U32, index, Imm.of(stride));
            Reg start = k.index(k.index(partials, row, dim * FLOAT), tile.tid, FLOAT);
            for (int f = 0; f < fields.size(); f++) {
                Reg base = k.add(Type.U64, start, Imm.of((long) f * dim * FLOAT));
                List<Reg> number = follow(fields.get(f), 1, SCALARS, first, k.move(Type.U64, base), tiles.count());
                k.store(Space.GLOBAL, Type.F32, Address.of(base), number.get(0));
            }
        });
    }

    /** What becomes of a channel's numbers over all tiles, in one thread for each channel. */
    interface Finish {
        void of(Map<Field, Reg> numbers);
    }

    /**
     * Joins the tiles of a head. Barriers lie before the call and behind it.
     *
     * @param tiles of the head
     * @param count how many of them: all, or the first eight, which have the numbers of all
     */
    void head(List<Field> fields, KvHead tiles, Reg count, Finish finish) {
        int vectors = dim / VECTOR;
        Reg vector = k.and(tile.tid, vectors - 1);
        Reg lane = k.shr(tile.tid, Integer.numberOfTrailingZeros(vectors));
        Reg row = k.mul(Type.U32, tiles.first(k), Imm.of(stride));
        Reg base = k.index(k.index(partials, row, dim * FLOAT), vector, VECTOR * FLOAT);
        Reg to = k.mad(Type.U32, k.mad(Type.U32, lane, Imm.of(vectors), vector), Imm.of(VECTOR * FLOAT), shared);
        for (int f = 0; f < fields.size(); f++) {
            List<Reg> sums = lane(fields.get(f), f, lane, base, count);
            k.store(
                    Space.SHARED,
                    Type.F32,
                    Address.of(to).plus(sharedField(f, Numbers.MEAN_LANES)),
                    sums.toArray(Operand[]::new));
        }
        k.barrier();
        k.when(k.compare(Relation.LT, Type.U32, tile.tid, Imm.of(dim)), () -> {
            Map<Field, Reg> numbers = new EnumMap<>(Field.class);
            Reg from = k.mad(Type.U32, tile.tid, Imm.of(FLOAT), shared);
            for (int f = 0; f < fields.size(); f++) {
                List<Reg> lanes = new ArrayList<>();
                for (int l = 0; l < Numbers.MEAN_LANES; l++) {
                    Address at = Address.of(from).plus(sharedField(f, Numbers.MEAN_LANES) + l * dim * FLOAT);
                    lanes.add(k.load(Space.SHARED, Type.F32, at));
                }
                for (int half = Numbers.MEAN_LANES / 2; half > 0; half /= 2) {
                    for (int l = 0; l < half; l++) {
                        Reg both = k.get(fields.get(f).join, Type.F32, lanes.get(l), lanes.get(l + half));
                        lanes.set(l, both);
                    }
                }
                numbers.put(fields.get(f), lanes.get(0));
            }
            finish.of(numbers);
        });
    }

    /** Numbers of four channels of the tiles lane, lane + 8, ... below {@code count}. */
    private List<Reg> lane(Field field, int number, Reg lane, Reg base, Reg count) {
        Reg at = k.add(Type.U64, k.index(base, lane, stride * dim * FLOAT), Imm.of((long) number * dim * FLOAT));
        return follow(field, VECTOR, UNROLL, lane, at, count);
    }

    /**
     * Joins numbers of every eighth tile.
     *
     * @param channels neighbouring ones
     * @param unroll loads under way at once
     * @param first number of the first tile
     * @param at its address, which is changed
     * @param count tiles
     */
    private List<Reg> follow(Field field, int channels, int unroll, Reg first, Reg at, Reg count) {
        List<Reg> sums = neutral(field, channels);
        Reg part = k.move(Type.U32, first);
        int step = Numbers.MEAN_LANES;
        k.loop(() -> further(part, (unroll - 1) * step, count), () -> {
            List<List<Reg>> loaded = new ArrayList<>();
            for (int u = 0; u < unroll; u++) {
                loaded.add(k.loadVector(
                        Space.GLOBAL, Type.F32, channels, Address.of(at).plus(u * step * stride * dim * FLOAT), false));
            }
            loaded.forEach(x -> join(field, sums, x));
            advance(part, at, unroll);
        });
        k.loop(() -> further(part, 0, count), () -> {
            join(field, sums, k.loadVector(Space.GLOBAL, Type.F32, channels, Address.of(at), false));
            advance(part, at, 1);
        });
        return sums;
    }

    private Reg further(Reg part, int more, Reg count) {
        return k.compare(Relation.LT, Type.U32, k.add(part, more), count);
    }

    private void advance(Reg part, Reg at, int steps) {
        int lanes = steps * Numbers.MEAN_LANES;
        k.set(part, Operation.ADD, Type.U32, part, Imm.of(lanes));
        k.set(at, Operation.ADD, Type.U64, at, Imm.of((long) lanes * stride * dim * FLOAT));
    }

    /** Mean from the sum over all tokens. */
    Reg mean(Reg sum, Reg tokens) {
        return k.div(Type.F32, sum, k.convert(Conversion.F32_FROM_U32, k.max(Type.U32, tokens, Imm.of(1))));
    }
}
