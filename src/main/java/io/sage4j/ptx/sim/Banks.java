package io.sage4j.ptx.sim;

import java.util.Arrays;

/**
 * How many passes a shared-memory access takes: 32 banks of 4 bytes; a pass serves 32 lanes of up to 4 bytes, 16 of 8
 * or 8 of 16; lanes that want different words of one bank need another pass each.
 */
final class Banks {
    private static final int COUNT = 32;
    private static final int WORD = 4;

    private Banks() {}

    /** Passes that an access without conflicts takes. */
    static int ideal(int mask, int bytes) {
        int lanes = lanesPerPass(bytes);
        int passes = 0;
        for (int first = 0; first < COUNT; first += lanes) {
            passes += (mask >>> first & laneMask(lanes)) != 0 ? 1 : 0;
        }
        return passes;
    }

    /** Passes that an access takes. */
    static int passes(long[] addresses, int mask, int bytes) {
        int lanes = lanesPerPass(bytes);
        int words = Math.max(1, bytes / WORD);
        int passes = 0;
        long[] seen = new long[COUNT * COUNT];
        int[] perBank = new int[COUNT];
        for (int first = 0; first < COUNT; first += lanes) {
            Arrays.fill(perBank, 0);
            int worst = 0;
            for (int lane = first; lane < first + lanes; lane++) {
                if ((mask >>> lane & 1) == 0) {
                    continue;
                }
                for (int w = 0; w < words; w++) {
                    long word = addresses[lane] / WORD + w;
                    int bank = (int) (word % COUNT);
                    boolean known = false;
                    for (int n = 0; n < perBank[bank]; n++) {
                        known |= seen[bank * COUNT + n] == word;
                    }
                    if (!known) {
                        seen[bank * COUNT + perBank[bank]++] = word;
                        worst = Math.max(worst, perBank[bank]);
                    }
                }
            }
            passes += worst;
        }
        return passes;
    }

    private static int lanesPerPass(int bytes) {
        return COUNT / Math.max(1, bytes / WORD);
    }

    private static int laneMask(int lanes) {
        return lanes == COUNT ? -1 : (1 << lanes) - 1;
    }
}
