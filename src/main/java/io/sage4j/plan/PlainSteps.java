package io.sage4j.plan;

import io.sage4j.kernel.Convert;
import io.sage4j.kernel.FlashAttention;
import io.sage4j.kernel.Masking;
import io.sage4j.kernel.NaiveAttention;
import io.sage4j.kernel.TiledAttention;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.Rung;
import java.util.List;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** The unquantized rungs: widen the inputs to FP32, attend. */
final class PlainSteps implements AttentionSteps {
    /** Keys in one step of the online softmax. */
    static final int BLOCK_K = 64;

    /** The kernels take four channels at a time. */
    private static final int DIM_UNIT = 4;

    private final AttentionProblem problem;
    private final AttentionShape shape;
    private final KernelConfig config;
    private final PlanIo io;
    private final int dim;
    private final float scale;
    private final FloatArray q;
    private final FloatArray k;
    private final FloatArray v;
    private final FloatArray scores;
    private final FloatArray sums;
    private final IntArray sizes;
    private final IntArray nonFinite;

    PlainSteps(AttentionProblem problem, KernelConfig config, PlanIo io, PlanArrays arrays) {
        this.problem = problem;
        this.shape = problem.shape();
        this.config = config;
        this.io = io;
        this.dim = paddedDim(shape);
        this.scale = problem.smScale() * Numbers.LOG2E;
        q = arrays.floats("FP32 q", qSize(shape));
        k = arrays.floats("FP32 k", kSize(shape));
        v = arrays.floats("FP32 v", kSize(shape));
        boolean naive = problem.rung() == Rung.NAIVE;
        scores = naive ? arrays.floats("scores", scoreSize(shape)) : arrays.noFloats;
        sums = naive ? arrays.floats("row sums", PlanIo.rows(shape)) : arrays.noFloats;
        int qTiles = Math.ceilDiv(shape.qoLen(), config.flashRows());
        sizes = arrays.ints("sizes", io.attentionSizes(qTiles, Math.ceilDiv(shape.kvLen(), BLOCK_K)));
        nonFinite = arrays.ints("counts", qGroups() + 2 * kvGroups());
    }

    /** Refuses a problem whose arrays would be too large, before any is allocated. */
    static void check(AttentionProblem problem) {
        PlanArrays.requireFits("FP32 q", qSize(problem.shape()));
        PlanArrays.requireFits("FP32 k", kSize(problem.shape()));
        if (problem.rung() == Rung.NAIVE) {
            PlanArrays.requireFits("scores", scoreSize(problem.shape()));
        }
    }

    private static int paddedDim(AttentionShape shape) {
        return Math.ceilDiv(shape.headDim(), DIM_UNIT) * DIM_UNIT;
    }

    private static long qSize(AttentionShape shape) {
        return PlanIo.rows(shape) * paddedDim(shape);
    }

    private static long kSize(AttentionShape shape) {
        return (long) shape.batch() * shape.kvHeads() * shape.kvLen() * paddedDim(shape);
    }

    private static long scoreSize(AttentionShape shape) {
        return Math.multiplyExact(PlanIo.rows(shape), (long) shape.kvLen());
    }

    private long qGroups() {
        return Convert.groups((long) shape.batch() * shape.qHeads(), shape.qoLen());
    }

    private long kvGroups() {
        return Convert.groups((long) shape.batch() * shape.kvHeads(), shape.kvLen());
    }

    @Override
    public void addTo(StepGraph steps) {
        widen(steps, "widen-q", io.q(), q, qGroups(), 0);
        widen(steps, "widen-k", io.k(), k, kvGroups(), qGroups());
        widen(steps, "widen-v", io.v(), v, kvGroups(), qGroups() + kvGroups());
        switch (problem.rung()) {
            case NAIVE -> naive(steps);
            case TILED -> tiled(steps);
            case FLASH -> flash(steps);
            case QUANTIZED, MMA_FP16, MMA_FP8 ->
                throw new IllegalArgumentException("not an unquantized rung: " + problem.rung());
        }
    }

    private void widen(
            StepGraph steps, String name, PlanArrays.Operand x, FloatArray wide, long groups, long countsAt) {
        steps.graph.task(
                steps.groups(name, groups, Convert.ITEMS),
                Convert::widen,
                steps.context,
                x.view(),
                x.floats(),
                x.halves(),
                x.bfloats(),
                wide,
                nonFinite,
                (int) countsAt,
                dim,
                x.type());
    }

    private void naive(StepGraph steps) {
        steps.graph
                .task(
                        steps.elements("scores", scores.getSize(), config.items()),
                        NaiveAttention::scores,
                        steps.context,
                        sizes,
                        q,
                        k,
                        io.maskBits(),
                        io.maskValues(),
                        scores,
                        scale,
                        dim,
                        Masking.kindOf(problem.mask().kind()))
                .task(
                        steps.elements("softmax", sums.getSize(), config.items()),
                        NaiveAttention::softmax,
                        steps.context,
                        sizes,
                        scores,
                        sums,
                        io.lse(),
                        problem.lse() ? 1 : 0)
                .task(
                        steps.elements("attend", PlanIo.outputSize(shape), config.items()),
                        NaiveAttention::output,
                        steps.context,
                        sizes,
                        scores,
                        sums,
                        v,
                        io.wide(),
                        dim);
    }

    private void tiled(StepGraph steps) {
        steps.graph.task(
                steps.elements("attend", PlanIo.rows(shape), config.items()),
                TiledAttention::attend,
                steps.context,
                sizes,
                q,
                k,
                v,
                io.maskBits(),
                io.maskValues(),
                io.wide(),
                io.lse(),
                scale,
                dim,
                BLOCK_K,
                Masking.kindOf(problem.mask().kind()),
                problem.lse() ? 1 : 0);
    }

    private void flash(StepGraph steps) {
        long tiles = Math.ceilDiv(shape.qoLen(), config.flashRows());
        steps.graph.task(
                steps.groups("attend", shape.batch() * shape.qHeads() * tiles, config.flashRows()),
                FlashAttention::attend,
                steps.context,
                sizes,
                q,
                k,
                v,
                io.maskBits(),
                io.maskValues(),
                io.wide(),
                io.lse(),
                scale,
                dim,
                BLOCK_K,
                config.stageKeys(BLOCK_K, dim),
                Masking.kindOf(problem.mask().kind()),
                problem.lse() ? 1 : 0);
    }

    @Override
    public List<Object> constants() {
        return List.of(sizes);
    }

    @Override
    public IntArray counted() {
        return nonFinite;
    }

    @Override
    public OperandArrays operands() {
        return null;
    }

    @Override
    public Counts counts() {
        return new Counts(Counts.sum(nonFinite, 0), 0, 0, Counts.elementsOfV(shape));
    }
}
