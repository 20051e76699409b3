package io.sage4j;

import io.sage4j.numeric.Accumulator;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.QkFormat;
import io.sage4j.numeric.Rung;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A named way to compute attention: the unquantized rungs of the ladder, and the quantized schemes of the SageAttention
 * papers and of their released code.
 *
 * @param name as on the command line
 * @param summary one line for people
 * @param rung which kernel of the ladder computes it
 * @param scheme formats, granularity, smoothing and accumulation
 */
public record Variant(String name, String summary, Rung rung, Scheme scheme) {
    /** INT8 QK^T and FP8 PV with FP32 sums per tile of keys: SageAttention2 (8+8). */
    public static final Variant INT8_FP8 = quantized(
            "int8-fp8",
            "SageAttention2 (8+8): FP8 PV, FP32 sums per tile",
            int8(PvFormat.E4M3, Accumulator.FP32_FP32, 448f, 448f));

    /** INT8 QK^T and FP8 PV with FP16 sums per tile of keys: SageAttention2++ (8+8). The default. */
    public static final Variant INT8_FP8_F16ACC = quantized(
            "int8-fp8-f16acc",
            "SageAttention2++ (8+8): FP8 PV, FP16 sums per tile, V range 2.25 (upstream's code)",
            int8(PvFormat.E4M3, Accumulator.FP16_FP32, 448f, 2.25f));

    /** INT8 QK^T and FP16 PV with FP32 sums: the accurate quantized variant. */
    public static final Variant INT8_FP16 = quantized(
            "int8-fp16",
            "SageAttention2 with FP16 PV, FP32 sums: the accurate one",
            int8(PvFormat.FP16, Accumulator.FP32, 1f, 1f));

    /** Flash attention in FP32, nothing quantized. */
    public static final Variant FLASH = new Variant(
            "flash",
            "FP32, online softmax, tiles of K and V in local memory; nothing quantized",
            Rung.FLASH,
            Scheme.UNQUANTIZED);

    private static final List<Variant> ALL = List.of(
            new Variant(
                    "naive", "FP32, three passes, scores in memory; nothing quantized", Rung.NAIVE, Scheme.UNQUANTIZED),
            new Variant(
                    "tiled",
                    "FP32, online softmax, one work-item a row; nothing quantized",
                    Rung.TILED,
                    Scheme.UNQUANTIZED),
            FLASH,
            INT8_FP16,
            quantized(
                    "int8-fp16-f16acc",
                    "FP16 PV with running FP16 sums (upstream sm_80 'fp16'); large V can overflow",
                    int8(PvFormat.FP16, Accumulator.FP16, 1f, 1f)),
            quantized(
                    "int8-fp16-f16f32",
                    "FP16 PV, FP16 sums per tile, then FP32 (upstream sm_80 'fp16+fp32')",
                    int8(PvFormat.FP16, Accumulator.FP16_FP32, 1f, 1f)),
            INT8_FP8,
            quantized(
                    "int8-fp8-f32",
                    "FP8 PV with one running FP32 sum",
                    int8(PvFormat.E4M3, Accumulator.FP32, 448f, 448f)),
            INT8_FP8_F16ACC,
            quantized(
                    "int8-fp8-f16acc-p224",
                    "SageAttention2++ with the paper's ranges: P 224, V 4.5",
                    int8(PvFormat.E4M3, Accumulator.FP16_FP32, 224f, 4.5f)),
            quantized(
                    "int8-fp8-f16acc-p112",
                    "SageAttention2++ with P 112, V 9",
                    int8(PvFormat.E4M3, Accumulator.FP16_FP32, 112f, 9f)),
            quantized(
                    "int8-e5m2",
                    "E5M2 instead of E4M3 for PV (SageAttention2, table 7)",
                    int8(PvFormat.E5M2, Accumulator.FP32_FP32, 448f, 448f)),
            quantized(
                    "int8-fp8-sm90",
                    "SageAttention2 on Hopper tiles (64 x 128), FP32 sums per tile",
                    int8(PvFormat.E4M3, Accumulator.FP32_FP32, 448f, 448f).withTiles(TileShape.WGMMA)),
            quantized(
                    "int8-fp8-sm90-fast",
                    "the same, half of P coded straight from its exponent: faster, L1 about 1.05 times",
                    int8(PvFormat.E4M3_FAST, Accumulator.FP32_FP32, 448f, 448f).withTiles(TileShape.WGMMA)),
            quantized(
                    "int8-fp8-sm90-f16acc",
                    "SageAttention2++ on Hopper tiles: 128 keys in FP16, so V range 1.125",
                    new Scheme(
                            QkFormat.INT8,
                            Granularity.PER_THREAD,
                            TileShape.WGMMA,
                            true,
                            false,
                            false,
                            PvFormat.E4M3,
                            Accumulator.FP16_FP32,
                            448f,
                            1.125f)),
            quantized(
                    "int8-fp16-sm90",
                    "FP16 PV on Hopper tiles, FP32 sums: the accurate one there",
                    int8(PvFormat.FP16, Accumulator.FP32, 1f, 1f).withTiles(TileShape.WGMMA)),
            quantized(
                    "int8-int8",
                    "SageAttention vB: INT8 PV, per block",
                    int8(PvFormat.INT8, Accumulator.FP32_FP32, 127f, 127f).withGranularity(Granularity.PER_BLOCK)),
            quantized(
                    "int8-int8-token",
                    "SageAttention vT: INT8 PV, per token",
                    int8(PvFormat.INT8, Accumulator.FP32_FP32, 127f, 127f).withGranularity(Granularity.PER_TOKEN)),
            quantized(
                    "sage1",
                    "SageAttention B: INT8 per block, FP16 PV, running FP16 sums",
                    int8(PvFormat.FP16, Accumulator.FP16, 1f, 1f).withGranularity(Granularity.PER_BLOCK)),
            quantized(
                    "int4-fp8",
                    "SageAttention2 (4+8): INT4 QK^T, smooth Q and K, FP8 PV",
                    int4(Accumulator.FP32_FP32, 448f, 448f)),
            quantized(
                    "int4-fp8-f16acc",
                    "SageAttention2++ (4+8): INT4 QK^T, smooth Q and K, FP8 PV with FP16 sums",
                    int4(Accumulator.FP16_FP32, 448f, 2.25f)),
            new Variant(
                    "mma-fp16",
                    "on tensor cores by TornadoVM (PTX, CUDA): INT8 QK, FP16 PV, tiles of 128 keys",
                    Rung.MMA_FP16,
                    int8(PvFormat.FP16, Accumulator.FP32_FP32, 1f, 1f).withTiles(TileShape.WGMMA)),
            new Variant(
                    "mma-fp8",
                    "on tensor cores by TornadoVM (CUDA): INT8 QK, FP8 PV, tiles of 128 keys",
                    Rung.MMA_FP8,
                    int8(PvFormat.E4M3, Accumulator.FP32_FP32, 448f, 448f).withTiles(TileShape.WGMMA)));

    /**
     * A variant of one's own.
     *
     * @throws SageException if a part is missing, or the kernel does not fit the scheme
     */
    public Variant {
        SageException.requireArgument(name, "name");
        SageException.requireArgument(summary, "summary");
        SageException.requireArgument(rung, "rung");
        SageException.requireArgument(scheme, "scheme");
        try {
            rung.requireFits(scheme);
        } catch (IllegalArgumentException e) {
            throw new SageException("variant " + name + ": " + e.getMessage(), e);
        }
    }

    private static Variant quantized(String name, String summary, Scheme scheme) {
        return new Variant(name, summary, Rung.QUANTIZED, scheme);
    }

    private static Scheme int8(PvFormat pv, Accumulator accumulator, float pRange, float vRange) {
        return new Scheme(
                QkFormat.INT8,
                Granularity.PER_THREAD,
                TileShape.MMA_SYNC,
                true,
                false,
                false,
                pv,
                accumulator,
                pRange,
                vRange);
    }

    private static Scheme int4(Accumulator accumulator, float pRange, float vRange) {
        return new Scheme(
                QkFormat.INT4,
                Granularity.PER_THREAD,
                TileShape.MMA_SYNC,
                true,
                true,
                false,
                PvFormat.E4M3,
                accumulator,
                pRange,
                vRange);
    }

    /** Every named variant, unquantized ones first. */
    public static List<Variant> all() {
        return ALL;
    }

    /**
     * The variant of a name.
     *
     * @throws SageException if there is none
     */
    public static Variant of(String name) {
        return ALL.stream()
                .filter(v -> v.name.equals(name))
                .findFirst()
                .orElseThrow(() -> new SageException("unknown variant '" + name + "', expected one of "
                        + ALL.stream().map(Variant::name).collect(Collectors.joining(", "))));
    }

    /** This variant with a changed scheme, for example {@code v.with(v.scheme().withSmoothK(false))}. */
    public Variant with(Scheme changed) {
        return new Variant(name, summary, rung, changed);
    }

    /** Whether Q, K and V are quantized. */
    public boolean isQuantized() {
        return scheme.isQuantized();
    }
}
