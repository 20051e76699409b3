package io.sage4j.ptx.kernel;

import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.WgmmaLayout;

/**
 * Where {@link QuantizeV} puts its output: tiles of paddedDim rows, each with one channel of the tile's keys.
 *
 * @param format E4M3 or FP16
 * @param keys keys of a row, 64 or 128
 * @param permuted whether the keys of every 16 are in the order of {@link OperandLayout#keyAt}
 * @param swizzled whether the 16-byte chunks of a row are exchanged as {@link WgmmaLayout#swizzled} does; rows of 128
 *     bytes only
 */
public record VTarget(PvFormat format, int keys, boolean permuted, boolean swizzled) {
    private static final int ROW_KEYS = 64;
    private static final int WIDE = 128;

    /** @throws IllegalArgumentException if there is no such layout */
    public VTarget {
        if (format != PvFormat.E4M3 && format != PvFormat.FP16) {
            throw new IllegalArgumentException("no native V quantizer for " + format);
        }
        int rowBytes = format == PvFormat.E4M3 ? keys : 2 * keys;
        if (keys != ROW_KEYS && keys != WIDE || swizzled && rowBytes != WIDE) {
            throw new IllegalArgumentException("no V tile of " + keys + " keys in " + format
                    + (swizzled ? ", swizzled: a row has 128 bytes" : ": a row has 64 or 128 keys"));
        }
    }

    /** {@link OperandLayout}, for the {@code mma.sync} kernels. */
    public static VTarget mma(PvFormat format) {
        return new VTarget(format, ROW_KEYS, true, false);
    }

    /** {@link WgmmaLayout}; FP16 has two such tiles, of 64 keys each, for a tile of 128 keys. */
    public static VTarget wgmma(PvFormat format) {
        boolean fp8 = format == PvFormat.E4M3;
        return new VTarget(format, fp8 ? WIDE : ROW_KEYS, fp8, true);
    }
}
