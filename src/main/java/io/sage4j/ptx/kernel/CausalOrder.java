package io.sage4j.ptx.kernel;

import io.sage4j.numeric.WgmmaLayout;

/**
 * How the causal work tiles of {@link WgmmaAttention} fall on its CTAs. Heads go in groups, inside a group the longest
 * tiles come first, and CTA c takes every {@code ctas}-th tile from c on; so the size of a group decides the balance: a
 * period of lengths that goes into the number of CTAs badly leaves some with only long tiles.
 *
 * @param heads batch times query heads
 * @param rows query rows of a work tile
 * @param qoLen query tokens
 * @param kvLen key tokens
 * @param diagonal query i sees the keys j with {@code j <= i + diagonal}
 * @param ctas CTAs of the launch
 */
public record CausalOrder(int heads, int rows, int qoLen, int kvLen, int diagonal, int ctas) {
    /** Work of a tile besides its key tiles, in key tiles: start, end, and a last tile half of which is hidden. */
    private static final double OVERHEAD = 0.7;

    /** @throws IllegalArgumentException if a size is not positive */
    public CausalOrder {
        if (heads < 1 || rows < 1 || qoLen < 1 || kvLen < 1 || ctas < 1) {
            throw new IllegalArgumentException("heads " + heads + ", rows " + rows + ", qo_len " + qoLen + ", kv_len "
                    + kvLen + ", CTAs " + ctas + ": expected at least 1 each");
        }
    }

    /**
     * The heads of a group that balance best, of those whose codes of K and V stay in the cache; where balance is alike,
     * the fewest.
     *
     * @param codeBytes bytes of a head's codes of K and V
     * @param cacheBytes bytes of L2 that the codes of a group may take; one head may take more
     */
    public int headGroup(long codeBytes, long cacheBytes) {
        long most = Math.max(1, Math.min(heads, cacheBytes / Math.max(1, codeBytes)));
        int best = 1;
        double bestBalance = 0;
        for (int size = 1; size <= most; size = size < most ? (int) Math.min(2L * size, most) : size + 1) {
            double balance = balance(size);
            if (balance > bestBalance * 1.005) {
                best = size;
                bestBalance = balance;
            }
        }
        return best;
    }

    /** Mean work of a CTA over the largest: 1 is perfect. */
    double balance(int headGroup) {
        int tilesOfHead = Math.ceilDiv(qoLen, rows);
        double[] work = new double[ctas];
        double total = 0;
        int next = 0;
        for (int first = 0; first < heads; first += headGroup) {
            int size = Math.min(headGroup, heads - first);
            for (int qTile = tilesOfHead - 1; qTile >= 0; qTile--) {
                double cost = keyTiles(qTile) + OVERHEAD;
                total += cost * size;
                for (int head = 0; head < size; head++) {
                    work[next] += cost;
                    next = next + 1 == ctas ? 0 : next + 1;
                }
            }
        }
        double largest = 0;
        for (double w : work) {
            largest = Math.max(largest, w);
        }
        return total / ctas / largest;
    }

    private int keyTiles(int qTile) {
        long end = Math.min((qTile + 1L) * rows, qoLen) + diagonal;
        long keys = Math.max(1, Math.min(Math.max(end, 0), kvLen));
        return (int) Math.ceilDiv(keys, (long) WgmmaLayout.KEYS);
    }
}
