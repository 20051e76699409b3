package io.sage4j.ptx.model;

import java.util.List;
import java.util.Optional;

/**
 * What upstream's kernels were measured at: SageAttention2 and 2++'s papers and the repository's charts, B = 4, H = 32, 32K
 * tokens, not causal, the kernel alone; and the instructions of its inner loop.
 *
 * @param card which
 * @param variant ours of the same formats and sums
 * @param headDim channels
 * @param tops measured
 */
public record Published(Card card, String variant, int headDim, double tops) {
    private static final List<Published> ALL = List.of(
            new Published(Card.RTX_4090, "int8-fp8-f16acc", 128, 493),
            new Published(Card.RTX_4090, "int8-fp8", 128, 431),
            new Published(Card.RTX_4090, "int4-fp8-f16acc", 128, 640),
            new Published(Card.RTX_4090, "int4-fp8", 128, 489),
            new Published(Card.RTX_4090, "int8-fp8", 64, 387),
            new Published(Card.RTX_4090, "int8-fp16-f16f32", 64, 320),
            new Published(Card.RTX_5090, "int8-fp8-f16acc", 128, 643),
            new Published(Card.RTX_5090, "int8-fp8", 128, 554),
            new Published(Card.L20, "int8-fp8", 128, 217),
            new Published(Card.L20, "int8-fp8", 64, 205),
            new Published(Card.A100, "int8-fp16", 128, 278),
            new Published(Card.RTX_3090, "int8-fp16-f16f32", 128, 134));

    /** The figure for a card, a variant and a head_dim, if one was published. */
    public static Optional<Published> of(Card card, String variant, int headDim) {
        return ALL.stream()
                .filter(p -> p.card == card && p.variant.equals(variant) && p.headDim == headDim)
                .findFirst();
    }

    /** All figures. */
    public static List<Published> all() {
        return ALL;
    }
}
