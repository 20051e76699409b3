package io.sage4j.plan;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * A selection of test cases in which every two values of any two factors meet: far fewer than all combinations. Greedy: each
 * case starts at a pair that is still missing and takes for each other factor the value that adds most missing pairs.
 */
final class Pairwise {
    private final int[] sizes;
    private final boolean[][][][] met;
    private final SplittableRandom random;

    private Pairwise(int[] sizes, long seed) {
        this.sizes = sizes;
        this.random = new SplittableRandom(seed);
        met = new boolean[sizes.length][sizes.length][][];
        for (int a = 0; a < sizes.length; a++) {
            for (int b = 0; b < sizes.length; b++) {
                met[a][b] = new boolean[sizes[a]][sizes[b]];
            }
        }
    }

    /**
     * Cases as one index per factor.
     *
     * @param seed breaks ties; the same seed gives the same cases
     * @param sizes number of values of each factor
     */
    static List<int[]> cases(long seed, int... sizes) {
        return new Pairwise(sizes, seed).select();
    }

    private List<int[]> select() {
        List<int[]> cases = new ArrayList<>();
        for (int a = 0; a < sizes.length; a++) {
            for (int b = a + 1; b < sizes.length; b++) {
                for (int i = 0; i < sizes[a]; i++) {
                    for (int j = 0; j < sizes[b]; j++) {
                        if (!met[a][b][i][j]) {
                            cases.add(complete(a, i, b, j));
                        }
                    }
                }
            }
        }
        return cases;
    }

    private int[] complete(int a, int i, int b, int j) {
        int[] chosen = new int[sizes.length];
        Arrays.fill(chosen, -1);
        chosen[a] = i;
        chosen[b] = j;
        for (int factor = 0; factor < sizes.length; factor++) {
            if (chosen[factor] < 0) {
                chosen[factor] = best(chosen, factor);
            }
        }
        for (int f = 0; f < sizes.length; f++) {
            for (int g = 0; g < sizes.length; g++) {
                met[f][g][chosen[f]][chosen[g]] = true;
            }
        }
        return chosen;
    }

    private int best(int[] chosen, int factor) {
        int start = random.nextInt(sizes[factor]);
        int best = start;
        int most = -1;
        for (int n = 0; n < sizes[factor]; n++) {
            int value = (start + n) % sizes[factor];
            int added = 0;
            for (int other = 0; other < sizes.length; other++) {
                if (chosen[other] >= 0 && !met[factor][other][value][chosen[other]]) {
                    added++;
                }
            }
            if (added > most) {
                most = added;
                best = value;
            }
        }
        return best;
    }
}
