package io.sage4j.ptx.model;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.QkFormat;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;
import io.sage4j.ptx.kernel.MmaAttention;
import io.sage4j.ptx.kernel.MmaAttentionSpec;
import io.sage4j.ptx.kernel.MmaTarget;
import java.util.Comparator;
import java.util.Map;
import java.util.Optional;

/**
 * A prediction, not a measurement, of the speed of {@link MmaAttention} on a card, long sequences, no mask.
 *
 * <p>The ceiling is what the busiest pipe admits if all others hide behind it. Warps wait, though: with two warps to a
 * scheduler, one warp's tile takes its own tensor time plus {@code c} cycles for each of its other instructions, and the pair
 * cannot be faster than that. {@code c} is what upstream's published figure gives for upstream's own instruction count and tensor
 * time, so the prediction says what this kernel would reach if it waited as much an instruction as upstream's does.
 *
 * @param card which
 * @param variant which
 * @param headDim channels
 * @param cycles of a multiprocessor for 128 rows by 64 keys, pipe by pipe
 * @param instructions of a warp beside the matrix ones, for 16 rows by 64 keys
 * @param upstreamInstructions upstream's
 * @param ceiling TOPS if nothing waited
 * @param upstream published TOPS of upstream's kernel, if there are any
 * @param waiting {@code c}, if there is a published figure
 * @param predicted TOPS, if there is a published figure
 */
public record Prediction(
        Card card,
        String variant,
        int headDim,
        Map<Pipe, Double> cycles,
        double instructions,
        double upstreamInstructions,
        double ceiling,
        Optional<Double> upstream,
        Optional<Double> waiting,
        Optional<Double> predicted) {
    private static final int ROWS = TileShape.MMA_SYNC.blockQ();
    private static final int KEYS = TileShape.MMA_SYNC.blockK();
    /** Warps of 16 rows to a tile, and the schedulers that they share. */
    private static final int PARTS = ROWS / 16;

    private static final int SCHEDULERS = 4;
    private static final double REST = 45.5;
    private static final double REST_OF_64 = 25.5;
    private static final double GIGA = 1e-3;

    /**
     * Predicts.
     *
     * @throws IllegalArgumentException if the card has no such kernel
     */
    public static Prediction of(Card card, Variant variant, int headDim) {
        Scheme scheme = variant.scheme();
        MmaTarget target = MmaTarget.of(card.arch(), scheme, headDim, false);
        MmaAttentionSpec spec = new MmaAttentionSpec(scheme, headDim, target, false, false, false, DType.FLOAT16, true);
        Loop loop = Loop.of(MmaAttention.kernel(spec));
        Map<Pipe, Double> cycles = loop.cycles(card);
        double tensor = cycles.get(Pipe.TENSOR);
        double busiest = cycles.values().stream().mapToDouble(c -> c).max().orElseThrow();
        double instructions = (double) loop.others() / target.rowTiles();
        double theirs = upstreamInstructions(scheme, headDim);
        Optional<Double> upstream = Published.of(card, variant.name(), headDim).map(Published::tops);
        // Cycles of a tile if a warp of 16 rows waited for nothing but itself: two warps a scheduler share the tile.
        double own = tensor / PARTS * SCHEDULERS;
        double theirOwn = withoutRowSums(card, scheme, headDim) / PARTS * SCHEDULERS;
        Optional<Double> waiting = upstream.map(tops -> Math.max(0, tops(card, headDim, 1) / tops - theirOwn) / theirs);
        Optional<Double> predicted = waiting.map(c -> tops(card, headDim, Math.max(busiest, own + c * instructions)));
        return new Prediction(
                card,
                variant.name(),
                headDim,
                cycles,
                instructions,
                theirs,
                tops(card, headDim, busiest),
                upstream,
                waiting,
                predicted);
    }

    /** Tensor cycles of a tile of a kernel that adds P up itself, as upstream's do, and ours with the log-sum-exp. */
    private static double withoutRowSums(Card card, Scheme scheme, int headDim) {
        MmaTarget target = MmaTarget.of(card.arch(), scheme, headDim, true);
        Loop loop = Loop.of(MmaAttention.kernel(
                new MmaAttentionSpec(scheme, headDim, target, false, true, false, DType.FLOAT16, true)));
        return loop.cycles(card).get(Pipe.TENSOR);
    }

    /** TOPS at so many cycles for a tile. */
    private static double tops(Card card, int headDim, double cycles) {
        return 4.0 * ROWS * KEYS * headDim * card.multiprocessors() * card.gigahertz() / cycles * GIGA;
    }

    /** What bounds the ceiling. */
    public Pipe bound() {
        return cycles.entrySet().stream()
                .max(Comparator.comparingDouble(Map.Entry::getValue))
                .orElseThrow()
                .getKey();
    }

    /**
     * Instructions of upstream's inner loop beside the matrix ones, for 16 rows by 64 keys of a warp (a warp of it has 32): a
     * score costs a conversion, a maximum, a multiply-add, an exponential and a sum; P three quarters of an instruction in
     * FP8, half of one in FP16; an output element one instruction, and with FP16 sums a conversion; operands 512 bytes an
     * instruction; addresses, copies and reductions the rest. For FP8 with FP16 sums that is what upstream's kernel at
     * d1a57a5 has when CUDA 13.0 assembles it for sm_89: 755 for 32 rows at 128 channels, 567 at 64.
     */
    static double upstreamInstructions(Scheme scheme, int headDim) {
        boolean fp8 = scheme.pv() == PvFormat.E4M3;
        double scores = 16.0 * KEYS / 32;
        double outputs = 16.0 * headDim / 32;
        double score = 5 + (fp8 ? 0.75 : 0.5);
        boolean half = scheme.accumulator().isHalf();
        double output = scheme.accumulator().isTwoLevel() && half ? 2 : half ? 0.5 : 1;
        double qkBytes = scheme.qk() == QkFormat.INT4 ? 0.5 : 1;
        double loads = ((KEYS + 32) * headDim * qkBytes + KEYS * headDim * (fp8 ? 1 : 2)) / 512 / 2;
        double rest = headDim > 64 ? REST : REST_OF_64;
        return scores * score + outputs * output + loads + rest;
    }
}
