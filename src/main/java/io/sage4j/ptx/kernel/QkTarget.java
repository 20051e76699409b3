package io.sage4j.ptx.kernel;

import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.ScaleGroups;
import io.sage4j.numeric.TileShape;
import io.sage4j.numeric.WgmmaLayout;

/**
 * Where {@link QuantizeQk} puts its output. Codes are rows of paddedDim bytes in both layouts, as tiles lie behind each
 * other and have whole rows; the image of a {@code wgmma} tile only has the 16-byte chunks of a row exchanged.
 *
 * @param groups rows that share a scale
 * @param copies how often each scale is written, side by side
 * @param swizzled whether the chunks of a row are exchanged as {@link WgmmaLayout#swizzled} does
 * @param negated whether the codes are those of the negated numbers: the sign of sm_scale, where the attention kernel
 *     takes its magnitude only. Codes are symmetric, so nothing else changes
 * @param code format of the codes, and how many lie in a byte
 */
public record QkTarget(ScaleGroups groups, int copies, boolean swizzled, boolean negated, QkCode code) {
    /** {@link OperandLayout}, for the {@code mma.sync} kernels, in INT8. */
    public static QkTarget mma(ScaleGroups groups) {
        return mma(groups, QkCode.INT8);
    }

    /** {@link OperandLayout}, for the {@code mma.sync} kernels; packed codes take half of a row's bytes. */
    public static QkTarget mma(ScaleGroups groups, QkCode code) {
        return new QkTarget(groups, 1, false, false, code);
    }

    /**
     * Q in {@link WgmmaLayout}.
     *
     * @throws IllegalArgumentException if a tile has no such groups
     */
    public static QkTarget wgmmaQ(Granularity granularity) {
        requireTiled(granularity);
        return wgmma(ScaleGroups.ofQ(granularity, TileShape.WGMMA, 0), WgmmaLayout.Q_ROWS, WgmmaLayout.Q_SCALES);
    }

    /**
     * K in {@link WgmmaLayout}.
     *
     * @throws IllegalArgumentException if a tile has no such groups
     */
    public static QkTarget wgmmaK(Granularity granularity) {
        requireTiled(granularity);
        return wgmma(ScaleGroups.ofK(granularity, TileShape.WGMMA, 0), WgmmaLayout.KEYS, WgmmaLayout.K_SCALES);
    }

    private static QkTarget wgmma(ScaleGroups groups, int tileRows, int tileScales) {
        return new QkTarget(groups, tileScales / groups.count(tileRows), true, false, QkCode.INT8);
    }

    /** The same, for codes of the negated numbers if asked for. */
    public QkTarget negatedIf(boolean negate) {
        return new QkTarget(groups, copies, swizzled, negate, code);
    }

    private static void requireTiled(Granularity granularity) {
        if (granularity == Granularity.PER_TENSOR || granularity == Granularity.PER_TOKEN) {
            throw new IllegalArgumentException(
                    "the wgmma kernels have scales per thread, per warp or per block, not " + granularity);
        }
    }
}
