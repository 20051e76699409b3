package io.sage4j.ptx.kernel;

import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.WgmmaLayout;
import java.util.List;

/**
 * The work of sequences that lie behind each other, each attended for itself, in tables that the kernels read: which tiles of tokens
 * {@link QuantizeKv} codes ({@link KvTable}), and which tiles of rows {@link WgmmaAttention} attends ({@link SequenceTable}). A table has a row
 * of {@link #ROW_WORDS} words for each tile of one head; heads are alike. Of key tiles: first item of the sequence, its key tiles, key tokens, first key token,
 * number, first counter, counters of K or V of a head. Of row tiles: number of the sequence, which of its tiles, key tiles, the sequence's first tile among all
 * codes, query and key tokens, diagonal, first query token.
 *
 * <p>Work tiles with the most key tiles are taken first, in {@link Rounds} over the CTAs of a launch, so that short ones fill what long ones
 * leave; all heads of a tile, or a group of them, one after the other, so that K and V of the heads at work stay in the cache.
 *
 * <p>No keys are split here, as a call does with few rows, and a work tile is as long for one row as for all. Where few sequences leave
 * multiprocessors or rows without work, calls of their own are faster ({@link #pays}): each takes the host {@link #LAUNCHES}, and the GPU what its {@link
 * WorkPlan} says and {@link #APART}, in times of a key tile, about 1.2 us on an H100 (measured, docs/hopper-kernel.md).
 */
public final class PackedWork {
    /** Words of a row of a table. */
    static final int ROW_WORDS = 8;

    private static final double LAUNCHES = 12;
    private static final double APART = 4;

    /** Work tiles up to which both orders are added up to find the better one. */
    private static final int MOST_ADDED_UP = 1 << 16;

    /**
     * A sequence.
     *
     * @param qStart its first query token among all
     * @param qoLen query tokens, at least 1
     * @param kvStart its first key token among all
     * @param kvLen key tokens, at least 1
     * @param diagonal query i sees the keys j with {@code j <= i + diagonal}
     */
    public record Sequence(int qStart, int qoLen, int kvStart, int kvLen, int diagonal) {
        private int kvTiles() {
            return Math.ceilDiv(kvLen, WgmmaLayout.KEYS);
        }

        private boolean isCausal() {
            return diagonal < kvLen - 1;
        }

        private int rowTiles(int rows) {
            return Math.ceilDiv(qoLen, rows);
        }

        /** Key tiles that some row of a tile sees, at least 1. */
        private int keyTiles(int qTile, int rows) {
            long seen = Math.min((qTile + 1L) * rows, qoLen) + diagonal;
            return (int) Math.ceilDiv(Math.max(1, Math.min(seen, kvLen)), (long) WgmmaLayout.KEYS);
        }
    }

    /**
     * What runs them.
     *
     * @param heads query heads
     * @param kvHeads key/value heads
     * @param rows rows of a work tile
     * @param ctas CTAs at a time
     * @param tileBytes bytes of the codes of a tile of K and V of a head
     * @param cacheBytes bytes of the cache that codes may take
     */
    public record Device(int heads, int kvHeads, int rows, int ctas, long tileBytes, long cacheBytes) {
        /**
         * A GPU.
         *
         * @param all sizes of all sequences together
         * @param l2Bytes size of its L2
         */
        public static Device of(AttentionShape all, Scheme scheme, int multiprocessors, long l2Bytes) {
            int dim = new WgmmaLayout(all).paddedDim();
            return new Device(
                    all.qHeads(),
                    all.kvHeads(),
                    WgmmaAttentionSpec.consumers(dim) * WgmmaLayout.Q_ROWS,
                    multiprocessors,
                    WorkPlan.Call.tileBytes(scheme, dim),
                    (long) (l2Bytes * WorkPlan.Call.CACHE_SHARE));
        }
    }

    private final Device device;
    private final int[] rowTable;
    private final int[] kvTable;
    private final int counters;
    private final int headGroup;
    private final boolean turns;
    private final double longest;
    private final List<Sequence> sequences;

    /**
     * Lays the work out.
     *
     * @param sequences at least one
     * @throws ArithmeticException if tiles or counters are more than 31 bits count
     */
    public PackedWork(List<Sequence> sequences, Device device) {
        this.device = device;
        this.sequences = sequences;
        kvTable = new int
                [Math.multiplyExact(
                        sequences.stream().mapToInt(Sequence::kvTiles).reduce(0, Math::addExact), ROW_WORDS)];
        counters = fillKvTable();
        Math.multiplyExact(items(), device.heads());
        int[] ofKeyTiles =
                new int[sequences.stream().mapToInt(Sequence::kvTiles).max().orElseThrow() + 2];
        rowTable = fillRowTable(ofKeyTiles);
        int count = count();
        long longestHead = (ofKeyTiles.length - 2) * device.tileBytes();
        headGroup = (int) Math.max(1, Math.min(device.heads(), device.cacheBytes() / longestHead));
        double straight = longest(false);
        double back = count > MOST_ADDED_UP ? 0 : longest(true);
        turns = back < straight;
        longest = turns ? back : straight;
    }

    /** Counters that they need. */
    private int fillKvTable() {
        int tile = 0;
        int counter = 0;
        for (int n = 0; n < sequences.size(); n++) {
            Sequence s = sequences.get(n);
            int tiles = s.kvTiles();
            int perHead = tiles > QuantizeKv.FEW ? QuantizeKv.COUNTERS : 1;
            int first = Math.multiplyExact(2 * device.kvHeads(), tile);
            for (int end = tile + tiles; tile < end; tile++) {
                int at = tile * ROW_WORDS;
                kvTable[at] = first;
                kvTable[at + 1] = tiles;
                kvTable[at + 2] = s.kvLen();
                kvTable[at + 3] = s.kvStart();
                kvTable[at + 4] = n;
                kvTable[at + 5] = counter;
                kvTable[at + 6] = perHead;
            }
            counter = Math.addExact(counter, Math.multiplyExact(2 * device.kvHeads(), perHead));
        }
        return 1 + counter;
    }

    /**
     * Rows by key tiles, fewest first; those of a sequence with as many stay together.
     *
     * @param places becomes where rows of so many key tiles end
     */
    private int[] fillRowTable(int[] places) {
        int rows = device.rows();
        int all = 0;
        for (Sequence s : sequences) {
            int tiles = s.rowTiles(rows);
            all = Math.addExact(all, tiles);
            for (int qTile = 0; qTile < tiles; qTile++) {
                places[s.keyTiles(qTile, rows) + 1]++;
            }
        }
        for (int n = 1; n < places.length; n++) {
            places[n] += places[n - 1];
        }
        int[] table = new int[Math.multiplyExact(all, ROW_WORDS)];
        int kvTile = 0;
        for (int n = 0; n < sequences.size(); n++) {
            Sequence s = sequences.get(n);
            int tiles = s.rowTiles(rows);
            for (int qTile = 0; qTile < tiles; qTile++) {
                int keyTiles = s.keyTiles(qTile, rows);
                int at = places[keyTiles]++ * ROW_WORDS;
                table[at] = n;
                table[at + 1] = qTile;
                table[at + 2] = keyTiles;
                table[at + 3] = Math.multiplyExact(kvTile, device.kvHeads());
                table[at + 4] = s.qoLen();
                table[at + 5] = s.kvLen();
                table[at + 6] = s.diagonal();
                table[at + 7] = s.qStart();
            }
            kvTile += s.kvTiles();
        }
        return table;
    }

    /** Key tiles of the CTA that has most to do, with what each work tile costs besides. */
    private double longest(boolean backward) {
        Rounds rounds = new Rounds(Math.min(device.ctas(), count()), backward);
        double[] work = new double[rounds.ctas()];
        double most = 0;
        int tile = 0;
        for (int first = 0; first < device.heads(); first += headGroup) {
            int size = Math.min(headGroup, device.heads() - first);
            for (int row = rowTiles() - 1; row >= 0; row--) {
                double one = rowTable[row * ROW_WORDS + 2] + Rounds.OVERHEAD;
                for (int end = tile + size; tile < end; tile++) {
                    int cta = rounds.cta(tile);
                    work[cta] += one;
                    most = Math.max(most, work[cta]);
                }
            }
        }
        return most;
    }

    /** The table of {@link SequenceTable}. */
    public int[] rowTable() {
        return rowTable;
    }

    /** The table of {@link KvTable}. */
    public int[] kvTable() {
        return kvTable;
    }

    /** Sequences. */
    public int sequences() {
        return sequences.size();
    }

    /** Whether a key is hidden from a query. */
    public boolean isCausal() {
        return sequences.stream().anyMatch(Sequence::isCausal);
    }

    /** Whether one launch of each kernel for all should be faster than a call for each sequence. */
    public boolean pays() {
        double apart = 0;
        for (int n = 0; n < sequences.size(); n++) {
            if (longest <= Math.max(apart, LAUNCHES * sequences.size())) {
                return true;
            }
            apart += WorkPlan.time(alone(sequences.get(n))) + APART;
        }
        return longest <= apart;
    }

    private WorkPlan.Call alone(Sequence s) {
        return new WorkPlan.Call(
                device.heads(),
                s.qoLen(),
                s.kvLen(),
                s.isCausal(),
                s.diagonal(),
                device.rows() / WgmmaLayout.Q_ROWS,
                device.ctas(),
                s.kvTiles() * device.tileBytes(),
                device.cacheBytes(),
                true);
    }

    /** Tiles of rows of a head. */
    public int rowTiles() {
        return rowTable.length / ROW_WORDS;
    }

    /** Work tiles. */
    public int count() {
        return Math.multiplyExact(rowTiles(), device.heads());
    }

    /** Tiles of K, and of V, of a head. */
    public int kvTiles() {
        return kvTable.length / ROW_WORDS;
    }

    /** Tiles of K and V of all heads. */
    public int items() {
        return Math.multiplyExact(2 * device.kvHeads(), kvTiles());
    }

    /** Counters of {@link QuantizeKv}, 32 bits each, which must be 0 before a run. */
    public int counters() {
        return counters;
    }

    /** Heads whose work tiles follow each other. */
    public int headGroup() {
        return headGroup;
    }

    /** Whether CTAs take every second round backwards. */
    public boolean turns() {
        return turns;
    }

    /** What the CTA with most work has to do, in key tiles. */
    public double longest() {
        return longest;
    }
}
