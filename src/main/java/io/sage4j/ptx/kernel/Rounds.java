package io.sage4j.ptx.kernel;

import java.util.Arrays;

/**
 * How work falls on the CTAs of a persistent launch: CTA c takes work tile {@code round * ctas + c} of each round, or with turns
 * {@code round * ctas + (ctas - 1 - c)} in every second one. Work is counted in key tiles.
 *
 * @param ctas CTAs of the launch
 * @param turns whether every second round goes backwards
 */
record Rounds(int ctas, boolean turns) {
    /** Work of a work tile besides its key tiles, in key tiles: start, end, and a last tile half of which is hidden. */
    static final double OVERHEAD = 0.7;

    /** The CTA that takes a work tile. */
    int cta(int tile) {
        int place = tile % ctas;
        return turns && tile / ctas % 2 == 1 ? ctas - 1 - place : place;
    }

    /** Work of each CTA, of the first {@code count} work tiles with so many key tiles each. */
    double[] work(int[] keyTiles, int count) {
        double[] work = new double[ctas];
        for (int tile = 0; tile < count; tile++) {
            work[cta(tile)] += keyTiles[tile] + OVERHEAD;
        }
        return work;
    }

    /** Mean work of a CTA over the largest: 1 is perfect. */
    double balance(int[] keyTiles) {
        double[] work = work(keyTiles, keyTiles.length);
        double largest = Arrays.stream(work).max().orElseThrow();
        return Arrays.stream(work).sum() / ctas / largest;
    }
}
