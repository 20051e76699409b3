package io.sage4j.numeric;

/**
 * Which scale a row of a quantized Q or K uses: {@code index(row) = row / tile * groups + row % period / width}.
 *
 * <p>Four integers describe every granularity, so that a kernel computes the index with the same expression everywhere.
 * The scales of one (batch, head) pair are contiguous FP32 values; the layout is upstream's (SageAttention2, equation
 * 8).
 *
 * @param tile rows that one set of {@code groups} spans
 * @param groups scales per set
 * @param period rows after which the assignment inside a set repeats
 * @param width neighbouring rows of a period that share a scale
 */
public record ScaleGroups(int tile, int groups, int period, int width) {
    /** Rows of an m16n8 accumulator that one thread owns repeat every 8 rows. */
    private static final int MMA_PERIOD = 8;

    /** @throws IllegalArgumentException if a field is not positive or {@code groups * width} is not {@code period} */
    public ScaleGroups {
        if (tile <= 0 || groups <= 0 || period <= 0 || width <= 0 || groups * width != period) {
            throw new IllegalArgumentException(
                    "not a grouping: tile " + tile + ", groups " + groups + ", period " + period + ", width " + width);
        }
    }

    /**
     * Groups of Q.
     *
     * @param granularity how fine
     * @param tiles tile of the attention kernel
     * @param rows rows of one (batch, head) matrix, padding included
     */
    public static ScaleGroups ofQ(Granularity granularity, TileShape tiles, int rows) {
        return switch (granularity) {
            case PER_TENSOR -> new ScaleGroups(Math.max(rows, 1), 1, 1, 1);
            case PER_BLOCK -> new ScaleGroups(tiles.blockQ(), 1, 1, 1);
            case PER_WARP -> new ScaleGroups(tiles.warpQ(), 1, 1, 1);
            case PER_THREAD -> new ScaleGroups(tiles.warpQ(), 8, MMA_PERIOD, 1);
            case PER_TOKEN -> new ScaleGroups(1, 1, 1, 1);
        };
    }

    /**
     * Groups of K: per warp means per block for K, as upstream.
     *
     * @param granularity how fine
     * @param tiles tile of the attention kernel
     * @param rows rows of one (batch, head) matrix, padding included
     */
    public static ScaleGroups ofK(Granularity granularity, TileShape tiles, int rows) {
        return switch (granularity) {
            case PER_TENSOR -> new ScaleGroups(Math.max(rows, 1), 1, 1, 1);
            case PER_BLOCK, PER_WARP -> new ScaleGroups(tiles.blockK(), 1, 1, 1);
            case PER_THREAD -> new ScaleGroups(tiles.warpK(), 4, MMA_PERIOD, 2);
            case PER_TOKEN -> new ScaleGroups(1, 1, 1, 1);
        };
    }

    /** Scale index of a row inside its (batch, head) pair. */
    public int index(int row) {
        return row / tile * groups + row % period / width;
    }

    /**
     * Number of scales of a (batch, head) pair with {@code rows} rows.
     *
     * @param rows row count, padding included; a multiple of {@code tile}
     */
    public int count(int rows) {
        return Math.ceilDiv(rows, tile) * groups;
    }
}
