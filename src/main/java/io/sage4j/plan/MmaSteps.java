package io.sage4j.plan;

import io.sage4j.kernel.Masking;
import io.sage4j.kernel.MmaFp8Attention;
import io.sage4j.kernel.MmaHalfAttention;
import io.sage4j.kernel.MmaTiles;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.Rung;
import java.util.Arrays;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** The last steps of the rungs on tensor cores: operands as MMA tiles, attend. */
final class MmaSteps {
    private final AttentionProblem problem;
    private final OperandLayout layout;
    private final KernelConfig config;
    private final PlanIo io;
    private final OperandArrays operands;
    private final IntArray sizes;
    private final FloatArray factors;
    private final IntArray vCounts;
    private final int groups;
    private final PlanArrays stand;
    private final IntArray qWords;
    private final IntArray kWords;
    private final IntArray vWords;
    private final ByteArray kTiles;
    private final ByteArray vTiles;
    private final IntArray scores;
    private final FloatArray sums;

    /** @param numbers the sizes that all quantized kernels take */
    MmaSteps(
            AttentionProblem problem,
            KernelConfig config,
            PlanIo io,
            PlanArrays arrays,
            OperandArrays operands,
            int[] numbers,
            FloatArray factors,
            IntArray vCounts) {
        this.problem = problem;
        this.layout = problem.operands();
        this.config = config;
        this.io = io;
        this.operands = operands;
        this.factors = factors;
        this.vCounts = vCounts;
        this.stand = arrays;
        long tiles = tiles(problem.shape());
        groups = (int) Math.min(tiles, MmaTiles.GROUPS);
        int[] all = Arrays.copyOf(numbers, MmaTiles.SIZE);
        all[MmaTiles.ROW_TILES] = rowTiles(problem.shape());
        all[MmaTiles.Q_ROWS] = layout.qRows();
        all[MmaTiles.BLOCK_Q] = problem.scheme().tiles().blockQ();
        all[MmaTiles.WORK_GROUPS] = groups;
        all[MmaTiles.TILES] = (int) tiles;
        all[MmaTiles.BLOCKS] = layout.paddedDim() / 32;
        sizes = arrays.ints("sizes", all);
        boolean half = problem.rung() == Rung.MMA_FP16;
        qWords = half ? arrays.ints("tiles of q", layout.qSize() / 4) : arrays.noInts;
        kWords = half ? arrays.ints("tiles of k", layout.kSize() / 4) : arrays.noInts;
        vWords = half ? arrays.ints("tiles of v", layout.kSize() / 2) : arrays.noInts;
        kTiles = half ? arrays.noBytes : arrays.bytes("tiles of k", layout.kSize());
        vTiles = half ? arrays.noBytes : arrays.bytes("tiles of v", layout.kSize());
        scores = arrays.ints("scores", MmaTiles.ALIGN + 8L * MmaTiles.SCORE_ROWS * groups);
        sums = arrays.floats("products", MmaTiles.ALIGN + 8L * MmaTiles.SUM_ROWS * groups);
    }

    private static int rowTiles(AttentionShape shape) {
        return Math.ceilDiv(shape.qoLen(), MmaTiles.ROWS);
    }

    private static long tiles(AttentionShape shape) {
        return (long) shape.batch() * shape.qHeads() * rowTiles(shape);
    }

    IntArray sizes() {
        return sizes;
    }

    void addTo(StepGraph steps) {
        if (problem.rung() == Rung.MMA_FP16) {
            pack(steps, "pack-q", operands.qCodes(), qWords, stand.noBytes, MmaTiles.OF_Q);
            pack(steps, "pack-k", operands.kCodes(), kWords, stand.noBytes, MmaTiles.OF_K);
            steps.graph.task(
                    steps.elements("pack-v", vWords.getSize(), config.items()),
                    MmaTiles::packHalves,
                    steps.context,
                    operands.vHalves(),
                    vWords,
                    layout.paddedDim());
            attendHalf(steps);
        } else {
            pack(steps, "pack-k", operands.kCodes(), stand.noInts, kTiles, MmaTiles.OF_K);
            steps.graph.task(
                    steps.elements("pack-v", operands.vCodes().getSize() / 2, config.items()),
                    MmaTiles::packWords,
                    steps.context,
                    operands.vCodes(),
                    vTiles,
                    layout.paddedDim());
            attendFp8(steps);
        }
    }

    private void pack(StepGraph steps, String name, ByteArray codes, IntArray words, ByteArray bytes, int what) {
        steps.graph.task(
                steps.elements(name, codes.getSize() / 4, config.items()),
                MmaTiles::packBytes,
                steps.context,
                codes,
                words,
                bytes,
                layout.paddedDim(),
                what,
                words == stand.noInts ? 1 : 0);
    }

    private int options() {
        return MmaTiles.options(
                Masking.kindOf(problem.mask().kind()),
                problem.scheme().smoothQ(),
                problem.scheme().smoothV(),
                problem.lse());
    }

    private void attendHalf(StepGraph steps) {
        steps.graph.task(
                steps.groups("attend", groups, 32),
                MmaHalfAttention::attend,
                steps.context,
                sizes,
                factors,
                qWords,
                kWords,
                vWords,
                operands.vHalves(),
                vCounts,
                operands.qScales(),
                operands.kScales(),
                operands.vMeans(),
                operands.deltaS(),
                io.maskBits(),
                io.maskValues(),
                io.wide(),
                io.lse(),
                scores,
                sums,
                layout.paddedDim(),
                options());
    }

    private void attendFp8(StepGraph steps) {
        steps.graph.task(
                steps.groups("attend", groups, 32),
                MmaFp8Attention::attend,
                steps.context,
                sizes,
                factors,
                operands.qCodes(),
                kTiles,
                vTiles,
                operands.qScales(),
                operands.kScales(),
                operands.vScales(),
                operands.vMeans(),
                operands.deltaS(),
                io.maskBits(),
                io.maskValues(),
                io.wide(),
                io.lse(),
                scores,
                sums,
                layout.paddedDim(),
                options());
    }
}
