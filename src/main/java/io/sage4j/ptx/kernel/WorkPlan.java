package io.sage4j.ptx.kernel;

import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.WgmmaLayout;
import java.util.Arrays;

/**
 * What a call's work tiles are on Hopper, in which order CTAs take them, and which rows are attended in parts instead, each with
 * some of the keys: those that would leave multiprocessors or warpgroups without work. In calls with few rows these are all, elsewhere
 * those behind the last whole round of work tiles, or behind the last whole work tile of each head. The parts are attended by a
 * second launch, and joined by {@link JoinParts}.
 *
 * <p>The rule: of all that is possible take what is ready first, where a work tile takes its key tiles and {@link Rounds#OVERHEAD},
 * a launch behind another {@link #START}, a part {@link #PASS} for each warpgroup's key tile and {@link #PART}, and joining {@link #JOIN} and
 * {@link #JOINED} for each part of a row; all in times of a key tile, about 1.2 us on an H100 (measured, docs/hopper-kernel.md). Two
 * launches more have to be {@link #WORTH} it.
 *
 * @param headTiles work tiles of a head
 * @param order of causal work tiles; null if they are not causal
 * @param whole work tiles that are attended whole, the first ones
 * @param restTiles tiles of 64 rows behind the work tiles of a head
 * @param tiles tiles of 64 rows that are attended in parts ({@link RestOrder}); 0 for none
 * @param partTiles key tiles of a part, as many for each of the warpgroups that share them; the last part may have fewer
 * @param parts parts of a tile, each shared by the warpgroups of a CTA
 */
public record WorkPlan(
        int headTiles, CausalOrder.Choice order, int whole, int restTiles, int tiles, int partTiles, int parts) {
    static final double START = 12;
    /** More than 1, as each warpgroup has a K and V of its own to wait for; of two warpgroups, and of three. */
    static final double[] PASS = {1.25, 1.45};

    static final double PART = 1;
    static final double JOIN = 1.5;
    static final double JOINED = 0.15;

    /** What work tiles alone may take for each time that they take with some rows in parts. */
    private static final double WORTH = 1.01;

    /** Parts that a launch may have for each of its CTAs: what bounds the memory for their sums. */
    private static final int MOST_ROUNDS = 6;
    /** Whole rounds that may be given up so that the parts even out what the others leave uneven. */
    private static final int MOST_GIVEN_UP = 1;

    /**
     * A call.
     *
     * @param heads batch times query heads
     * @param qoLen query tokens
     * @param kvLen key tokens
     * @param causal whether keys are hidden
     * @param diagonal query i sees the keys j with {@code j <= i + diagonal}, if causal
     * @param warpgroups that attend 64 rows of a work tile each
     * @param ctas CTAs at a time, one to a multiprocessor
     * @param codeBytes bytes of a head's codes of K and V
     * @param cacheBytes bytes of L2 that codes may take
     * @param parted whether rows may be attended in parts
     */
    public record Call(
            int heads,
            int qoLen,
            int kvLen,
            boolean causal,
            int diagonal,
            int warpgroups,
            int ctas,
            long codeBytes,
            long cacheBytes,
            boolean parted) {
        /** Share of the cache for K and V of the heads at work; the rest is for Q and the output. */
        static final double CACHE_SHARE = 0.65;

        /**
         * A call on a GPU.
         *
         * @param l2Bytes size of its L2
         */
        public static Call of(
                AttentionShape shape, Scheme scheme, int diagonal, int multiprocessors, long l2Bytes, boolean parted) {
            WgmmaLayout layout = new WgmmaLayout(shape);
            return new Call(
                    Math.multiplyExact(shape.batch(), shape.qHeads()),
                    shape.qoLen(),
                    shape.kvLen(),
                    shape.isCausal(diagonal),
                    diagonal,
                    WgmmaAttentionSpec.consumers(layout.paddedDim()),
                    multiprocessors,
                    layout.kTiles() * tileBytes(scheme, layout.paddedDim()),
                    (long) (l2Bytes * CACHE_SHARE),
                    parted);
        }

        /** Bytes of the codes of a tile of K and V of a head. */
        static long tileBytes(Scheme scheme, int paddedDim) {
            return (scheme.pv().ofV() == PvFormat.E4M3 ? 2L : 3L) * WgmmaLayout.KEYS * paddedDim;
        }

        int rows() {
            return warpgroups * WgmmaLayout.Q_ROWS;
        }

        /** Key tiles of a head. */
        int kTiles() {
            return Math.ceilDiv(kvLen, WgmmaLayout.KEYS);
        }

        /** Tiles of 64 rows of a head. */
        int smallTiles() {
            return Math.ceilDiv(qoLen, WgmmaLayout.Q_ROWS);
        }

        /** Key tiles that some row of a tile sees, at least 1. */
        int keyTiles(int qTile, int rows) {
            if (!causal) {
                return kTiles();
            }
            long seen = Math.min((qTile + 1L) * rows, qoLen) + diagonal;
            return (int) Math.ceilDiv(Math.max(1, Math.min(seen, kvLen)), (long) WgmmaLayout.KEYS);
        }
    }

    /** The best plan of a call. */
    public static WorkPlan of(Call call) {
        return search(call).best;
    }

    /** The time until all of a call is ready by its best plan, in times of a key tile. */
    static double time(Call call) {
        return search(call).bestTime;
    }

    private static Search search(Call call) {
        int all = Math.ceilDiv(call.qoLen, call.rows());
        Search search = new Search(call);
        search.tryHeadTiles(all);
        if (call.parted && call.qoLen % call.rows() != 0) {
            search.tryHeadTiles(all - 1);
        }
        if (call.parted) {
            search.tryHeadTiles(0);
        }
        return search;
    }

    /** Parts of all rows. */
    public int units() {
        return Math.multiplyExact(tiles, parts);
    }

    /**
     * Whether a row is attended whole.
     *
     * @param head query head, counted over batch and heads
     */
    public boolean isWhole(Call call, int head, int row) {
        int qTile = row / call.rows();
        if (qTile >= headTiles) {
            return false;
        }
        int number = head * headTiles + qTile;
        if (order != null) {
            int first = head / order.headGroup() * order.headGroup();
            int size = Math.min(order.headGroup(), call.heads - first);
            number = first * headTiles + (headTiles - 1 - qTile) * size + head - first;
        }
        return number < whole;
    }

    /**
     * The part of a row's keys that a key tile belongs to, of {@code parts * sharers}.
     *
     * @param sharers warpgroups that share the key tiles of a part in turn
     */
    public int partOf(int keyTile, int sharers) {
        return keyTile / partTiles * sharers + keyTile % partTiles % sharers;
    }

    /** Looks through what is possible. */
    private static final class Search {
        private final Call call;
        private WorkPlan best;
        private double bestTime = Double.POSITIVE_INFINITY;

        Search(Call call) {
            this.call = call;
        }

        void tryHeadTiles(int headTiles) {
            int all = Math.multiplyExact(headTiles, call.heads);
            int[] qTiles = new int[all];
            Arrays.setAll(qTiles, tile -> tile % Math.max(1, headTiles));
            CausalOrder.Choice choice = call.causal ? new CausalOrder.Choice(1, false) : null;
            if (call.causal && all > 0) {
                CausalOrder order = new CausalOrder(call, headTiles);
                choice = order.choose();
                qTiles = order.qTiles(choice.headGroup());
            }
            int restTiles = Math.max(0, call.smallTiles() - headTiles * call.warpgroups);
            WorkPlan plan = new WorkPlan(headTiles, choice, all, restTiles, call.heads * restTiles, 0, 0);
            tryPlan(plan, qTiles);
            if (!call.parted) {
                return;
            }
            int rounds = all / call.ctas;
            for (int given = 0; given <= Math.min(MOST_GIVEN_UP, rounds - 1); given++) {
                int whole = (rounds - given) * call.ctas;
                int tiles = plan.tiles + (all - whole) * call.warpgroups;
                tryPlan(new WorkPlan(headTiles, choice, whole, restTiles, tiles, 0, 0), qTiles);
            }
        }

        private void tryPlan(WorkPlan plan, int[] qTiles) {
            double[] ready = new double[call.ctas];
            if (plan.whole > 0) {
                int ctas = Math.min(call.ctas, plan.whole);
                double[] work =
                        new Rounds(ctas, plan.order != null && plan.order.turns()).work(keyTiles(qTiles), plan.whole);
                System.arraycopy(work, 0, ready, 0, ctas);
                Arrays.sort(ready);
            }
            if (plan.tiles == 0) {
                keep(plan, ready[ready.length - 1]);
                return;
            }
            int[] own = plan.keyTilesInParts(call, qTiles);
            int most = Math.min(JoinParts.MOST_PARTS / call.warpgroups, MOST_ROUNDS * call.ctas / plan.tiles);
            for (int wanted = 1; wanted <= Math.min(most, call.kTiles()); wanted++) {
                int share = Math.ceilDiv(call.kTiles(), wanted);
                int partTiles = Math.ceilDiv(share, call.warpgroups) * call.warpgroups;
                int parts = Math.ceilDiv(call.kTiles(), partTiles);
                WorkPlan split = new WorkPlan(
                        plan.headTiles, plan.order, plan.whole, plan.restTiles, plan.tiles, partTiles, parts);
                keep(split, split.time(own, ready, call.warpgroups));
            }
        }

        private int[] keyTiles(int[] qTiles) {
            return Arrays.stream(qTiles)
                    .map(qTile -> call.keyTiles(qTile, call.rows()))
                    .toArray();
        }

        private void keep(WorkPlan plan, double time) {
            double weighed = plan.whole > 0 && plan.tiles > 0 ? time * WORTH : time;
            if (weighed < bestTime) {
                best = plan;
                bestTime = weighed;
            }
        }
    }

    /** Key tiles of the tiles that are attended in parts, in the order of {@link RestOrder}. */
    private int[] keyTilesInParts(Call call, int[] qTiles) {
        int behind = call.heads * restTiles;
        int[] keyTiles = new int[tiles];
        Arrays.setAll(keyTiles, tile -> {
            int left = tile - behind;
            int qTile = left < 0
                    ? headTiles * call.warpgroups + tile % restTiles
                    : qTiles[whole + left / call.warpgroups] * call.warpgroups + left % call.warpgroups;
            return call.keyTiles(qTile, WgmmaLayout.Q_ROWS);
        });
        return keyTiles;
    }

    /**
     * When all is ready.
     *
     * @param keyTiles of the tiles in parts
     * @param ready when each CTA of the whole work tiles is, ascending: the first CTA of the parts takes the place of the first one
     */
    private double time(int[] keyTiles, double[] ready, int sharers) {
        int ctas = Math.min(ready.length, units());
        double[] end = new double[ctas];
        for (int unit = 0; unit < units(); unit++) {
            // A part that no row sees takes a key tile too.
            int own = Math.max(1, Math.min(keyTiles[unit / parts] - unit % parts * partTiles, partTiles));
            end[unit % ctas] += Math.ceilDiv(own, sharers) * PASS[sharers - 2] + PART;
        }
        double last = ready[ready.length - 1];
        for (int cta = 0; cta < ctas; cta++) {
            last = Math.max(last, end[cta] + ready[cta] + (whole == 0 ? 0 : START));
        }
        return last + JOIN + JOINED * parts * sharers;
    }
}
