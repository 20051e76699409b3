package io.sage4j.ptx.kernel;

import java.util.Arrays;

/**
 * How the causal work tiles of {@link WgmmaAttention} fall on its CTAs. Heads go in groups, inside a group the longest
 * tiles come first, and CTAs take them in {@link Rounds}; so the size of a group, and whether CTAs take turns, decide the balance: a
 * period of lengths that goes into the number of CTAs badly leaves some with only long tiles.
 *
 * @param call sizes
 * @param headTiles work tiles of a head, at least 1
 */
public record CausalOrder(WorkPlan.Call call, int headTiles) {
    /**
     * What to launch with.
     *
     * @param headGroup heads of a group
     * @param turns whether CTAs take every second round backwards
     */
    public record Choice(int headGroup, boolean turns) {}

    /**
     * What balances best, of groups of heads whose codes of K and V stay in the cache, be it a single one; where balance is alike,
     * without turns and with the fewest heads.
     */
    Choice choose() {
        long most = Math.max(1, Math.min(call.heads(), call.cacheBytes() / Math.max(1, call.codeBytes())));
        Choice best = new Choice(1, false);
        double bestBalance = 0;
        for (boolean turns : new boolean[] {false, true}) {
            for (int size = 1; size <= most; size = size < most ? (int) Math.min(2L * size, most) : size + 1) {
                Choice choice = new Choice(size, turns);
                double balance = balance(choice);
                if (balance > bestBalance * 1.005) {
                    best = choice;
                    bestBalance = balance;
                }
            }
        }
        return best;
    }

    /** Mean work of a CTA over the largest: 1 is perfect. */
    double balance(Choice choice) {
        int[] keyTiles = Arrays.stream(qTiles(choice.headGroup()))
                .map(qTile -> call.keyTiles(qTile, call.rows()))
                .toArray();
        return new Rounds(Math.min(call.ctas(), keyTiles.length), choice.turns()).balance(keyTiles);
    }

    /** Of each work tile, which one of its head it is, in the order of their numbers. */
    int[] qTiles(int headGroup) {
        int[] qTiles = new int[Math.multiplyExact(headTiles, call.heads())];
        int next = 0;
        for (int first = 0; first < call.heads(); first += headGroup) {
            int size = Math.min(headGroup, call.heads() - first);
            for (int qTile = headTiles - 1; qTile >= 0; qTile--) {
                Arrays.fill(qTiles, next, next + size, qTile);
                next += size;
            }
        }
        return qTiles;
    }
}
