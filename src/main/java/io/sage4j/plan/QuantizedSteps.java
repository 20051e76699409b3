package io.sage4j.plan;

import io.sage4j.kernel.AttentionSizes;
import io.sage4j.kernel.DeltaS;
import io.sage4j.kernel.Elements;
import io.sage4j.kernel.LseCorrection;
import io.sage4j.kernel.Masking;
import io.sage4j.kernel.PvCodes;
import io.sage4j.kernel.QuantizeQk;
import io.sage4j.kernel.QuantizeV;
import io.sage4j.kernel.QuantizedAttention;
import io.sage4j.kernel.TokenMeans;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.ScaleGroups;
import io.sage4j.numeric.Scheme;
import java.util.List;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** The quantized family: smooth, quantize, attend. */
final class QuantizedSteps implements AttentionSteps {
    private final AttentionProblem problem;
    private final AttentionShape shape;
    private final Scheme scheme;
    private final OperandLayout layout;
    private final KernelConfig config;
    private final PlanIo io;
    private final PlanArrays arrays;
    private final OperandArrays operands;
    private final Grouping qGroups;
    private final Grouping kGroups;
    private final IntArray sizes;
    private final FloatArray factors;
    /** What the quantizers count: those of V, then of Q, then of K; one array, since each costs a copy and a wait. */
    private final IntArray counts;

    private final int countsOfV;
    private final FloatArray vLargest;
    private final MmaSteps mma;

    /**
     * How the rows of Q or K share scales and means.
     *
     * @param groups rows that share a scale
     * @param sets sets of scales per head
     * @param who who quantizes them
     * @param options of the quantizer
     * @param array the same for the quantizer
     */
    private record Grouping(ScaleGroups groups, int sets, KernelConfig.QuantizeGroup who, int options, IntArray array) {
        int perHead() {
            return sets * groups.groups();
        }

        long workGroups(int heads) {
            return (long) heads * who.workGroups(perHead());
        }
    }

    QuantizedSteps(AttentionProblem problem, KernelConfig config, PlanIo io, PlanArrays arrays) {
        this.problem = problem;
        this.shape = problem.shape();
        this.scheme = problem.scheme();
        this.layout = problem.operands();
        this.config = config;
        this.io = io;
        this.arrays = arrays;
        ScaleGroups ofQ = ScaleGroups.ofQ(scheme.granularity(), scheme.tiles(), layout.qRows());
        ScaleGroups ofK = ScaleGroups.ofK(scheme.granularity(), scheme.tiles(), layout.kRows());
        int qHeads = shape.batch() * shape.qHeads();
        int kvHeads = shape.batch() * shape.kvHeads();
        countsOfV = Math.toIntExact((long) kvHeads * layout.kTiles() * chunks() * QuantizeV.COUNTS);
        int qRows = layout.qRows();
        int means = scheme.smoothQ() ? layout.qTiles() : 0;
        qGroups = grouping(arrays, ofQ, qRows, shape.qoLen(), scheme.tiles().blockQ(), means, countsOfV);
        int countsOfK = countsOfV + Math.toIntExact(qGroups.workGroups(qHeads));
        int kRows = layout.kRows();
        kGroups = grouping(arrays, ofK, kRows, shape.kvLen(), kRows, scheme.smoothK() ? 1 : 0, countsOfK);
        operands = allocate(arrays);
        counts = arrays.ints("counts", countsOfK + kGroups.workGroups(kvHeads));
        vLargest = scheme.pv() == PvFormat.FP16
                ? arrays.noFloats
                : arrays.floats("maxima of v", (long) kvHeads * QuantizeV.spans(shape.kvLen()) * layout.paddedDim());
        factors = arrays.floats("factors", problem.smScale() * Numbers.LOG2E, scheme.pOffset());
        mma = problem.rung().usesTensorCores()
                ? new MmaSteps(problem, config, io, arrays, operands, sizes(), factors, counts)
                : null;
        sizes = mma == null ? arrays.ints("sizes", sizes()) : mma.sizes();
    }

    /** Refuses a problem whose arrays would be too large, before any is allocated. */
    static void check(AttentionProblem problem) {
        OperandLayout layout = problem.operands();
        long qHeads = (long) problem.shape().batch() * problem.shape().qHeads();
        PlanArrays.requireFits("codes of q", layout.qSize());
        PlanArrays.requireFits("codes of k", layout.kSize());
        if (problem.scheme().smoothQ()) {
            PlanArrays.requireFits("delta-s", qHeads * layout.qTiles() * layout.kRows());
        }
    }

    private Grouping grouping(
            PlanArrays arrays, ScaleGroups groups, int rows, int tokens, int meanRows, int means, int countsAt) {
        KernelConfig.QuantizeGroup who = config.quantizeGroup(groups, layout.paddedDim());
        int members = groups.tile() / groups.groups();
        int options = config.shuffles() ? QuantizeQk.SHUFFLE : 0;
        if (means > 1 && meanRows < groups.tile()) {
            options += QuantizeQk.MEAN_PER_ROW;
        }
        if (who.rereads(members)) {
            options += QuantizeQk.REREAD;
        }
        if (who.divides(members, groups.count(rows)) && tokens == rows && shape.headDim() == layout.paddedDim()) {
            options += QuantizeQk.WHOLE;
        }
        int[] numbers = QuantizeQk.grouping(
                groups, who.turns(), rows, meanRows, means, countsAt, who.workGroups(groups.count(rows)));
        return new Grouping(groups, rows / groups.tile(), who, options, arrays.ints("grouping", numbers));
    }

    private OperandArrays allocate(PlanArrays arrays) {
        long qHeads = (long) shape.batch() * shape.qHeads();
        long kvHeads = (long) shape.batch() * shape.kvHeads();
        long dim = layout.paddedDim();
        boolean half = scheme.pv() == PvFormat.FP16;
        return new OperandArrays(
                arrays.bytes("codes of q", layout.qSize()),
                arrays.floats("scales of q", qHeads * qGroups.perHead()),
                arrays.bytes("codes of k", layout.kSize()),
                arrays.floats("scales of k", kvHeads * kGroups.perHead()),
                half ? arrays.noInts : arrays.ints("codes of v", layout.kSize() / PvCodes.PER_WORD),
                half ? arrays.halves("codes of v", layout.kSize()) : arrays.noHalves,
                half ? arrays.noFloats : arrays.floats("scales of v", kvHeads * dim),
                scheme.smoothQ() ? arrays.floats("means of q", qHeads * layout.qTiles() * dim) : arrays.noFloats,
                scheme.smoothK() ? arrays.floats("means of k", kvHeads * dim) : arrays.noFloats,
                scheme.smoothV() ? arrays.floats("means of v", kvHeads * dim) : arrays.noFloats,
                scheme.smoothQ()
                        ? arrays.floats("delta-s", qHeads * layout.qTiles() * layout.kRows())
                        : arrays.noFloats);
    }

    private int[] sizes() {
        int[] numbers = io.attentionSizes(layout.qTiles(), layout.kTiles());
        putGroups(numbers, AttentionSizes.Q_SCALES, qGroups);
        putGroups(numbers, AttentionSizes.K_SCALES, kGroups);
        return numbers;
    }

    private static void putGroups(int[] numbers, int at, Grouping grouping) {
        numbers[at] = grouping.groups().tile();
        numbers[at + 1] = grouping.groups().groups();
        numbers[at + 2] = grouping.groups().period();
        numbers[at + 3] = grouping.groups().width();
        numbers[at + 4] = grouping.perHead();
    }

    private int chunks() {
        return layout.paddedDim() / QuantizeV.CHANNELS;
    }

    @Override
    public void addTo(StepGraph steps) {
        // Means and maxima first: they only read, and are faster behind one another than behind a step that writes.
        if (scheme.smoothK()) {
            mean(steps, "k", io.k(), operands.kMeans(), shape.kvHeads(), shape.kvLen());
        }
        if (scheme.smoothQ()) {
            int rows = scheme.tiles().blockQ();
            mean(steps, "q", io.q(), operands.qMeans(), shape.qHeads(), rows);
        }
        if (scheme.smoothV()) {
            mean(steps, "v", io.v(), operands.vMeans(), shape.kvHeads(), shape.kvLen());
        }
        if (scheme.pv() != PvFormat.FP16) {
            scaleV(steps);
        }
        quantize(
                steps,
                "quantize-k",
                io.k(),
                kGroups,
                shape.kvHeads(),
                operands.kMeans(),
                operands.kCodes(),
                operands.kScales());
        quantize(
                steps,
                "quantize-q",
                io.q(),
                qGroups,
                shape.qHeads(),
                operands.qMeans(),
                operands.qCodes(),
                operands.qScales());
        quantizeV(steps);
        if (scheme.smoothQ()) {
            deltaS(steps);
        }
        if (mma == null) {
            attend(steps);
        } else {
            mma.addTo(steps);
        }
        if (problem.lse() && scheme.smoothK()) {
            correctLse(steps);
        }
    }

    private void mean(StepGraph steps, String of, PlanArrays.Operand x, FloatArray means, int heads, int rows) {
        int segments = means.getSize() / (shape.batch() * heads * layout.paddedDim());
        boolean pairs = loadsPairs(x);
        int teams = pairs ? TokenMeans.teamsOfPairs(rows) : TokenMeans.teams(rows);
        int items = teams * (pairs ? TokenMeans.PAIRS : TokenMeans.CHANNELS);
        long groups = (long) shape.batch() * heads * segments * layout.paddedDim() / TokenMeans.CHANNELS;
        String name = steps.groups("smooth-" + of, groups, items);
        int tokenStride = x.view().get(Elements.TOKEN_STRIDE);
        if (pairs) {
            steps.graph.task(
                    name,
                    TokenMeans::meanOfPairs,
                    steps.context,
                    x.view(),
                    x.halves(),
                    means,
                    tokenStride,
                    rows,
                    segments,
                    layout.paddedDim(),
                    teams);
        } else {
            steps.graph.task(
                    name,
                    TokenMeans::mean,
                    steps.context,
                    x.view(),
                    x.floats(),
                    x.halves(),
                    x.bfloats(),
                    means,
                    tokenStride,
                    rows,
                    segments,
                    layout.paddedDim(),
                    teams,
                    x.type());
        }
    }

    /** Whether a tensor is FP16 that can be loaded in pairs of channels. */
    private boolean loadsPairs(PlanArrays.Operand x) {
        boolean even = true;
        for (int number : List.of(
                Elements.OFFSET,
                Elements.BATCH_STRIDE,
                Elements.HEAD_STRIDE,
                Elements.TOKEN_STRIDE,
                Elements.CHANNELS)) {
            even &= x.view().get(number) % 2 == 0;
        }
        return config.halves() && x.type() == Elements.FLOAT16 && even;
    }

    private void quantize(
            StepGraph steps,
            String name,
            PlanArrays.Operand x,
            Grouping grouping,
            int heads,
            FloatArray means,
            ByteArray codes,
            FloatArray scales) {
        KernelConfig.QuantizeGroup who = grouping.who();
        steps.graph.task(
                steps.groups(name, grouping.workGroups(shape.batch() * heads), who.items()),
                QuantizeQk::quantize,
                steps.context,
                x.view(),
                grouping.array(),
                x.floats(),
                x.halves(),
                x.bfloats(),
                means,
                codes,
                scales,
                counts,
                layout.paddedDim(),
                scheme.qk().limit(),
                x.type(),
                grouping.groups().groups(),
                grouping.groups().width(),
                who.items(),
                who.team(),
                who.teams(),
                who.rows(),
                grouping.options());
    }

    private void scaleV(StepGraph steps) {
        PlanArrays.Operand v = io.v();
        long groups = (long) shape.batch() * shape.kvHeads() * QuantizeV.spans(shape.kvLen());
        steps.graph.task(
                steps.groups("v-scale", groups, QuantizeV.scaleItems(layout.paddedDim())),
                QuantizeV::scale,
                steps.context,
                v.view(),
                v.floats(),
                v.halves(),
                v.bfloats(),
                operands.vMeans(),
                vLargest,
                layout.paddedDim(),
                scheme.smoothV() ? 1 : 0,
                v.type());
    }

    private void quantizeV(StepGraph steps) {
        PlanArrays.Operand v = io.v();
        long groups = (long) shape.batch() * shape.kvHeads() * layout.kTiles() * chunks();
        boolean whole = shape.kvLen() == layout.kRows() && shape.headDim() == layout.paddedDim();
        steps.graph.task(
                steps.groups("quantize-v", groups, QuantizeV.ITEMS),
                QuantizeV::quantize,
                steps.context,
                v.view(),
                v.floats(),
                v.halves(),
                v.bfloats(),
                operands.vMeans(),
                vLargest,
                operands.vCodes(),
                operands.vHalves(),
                operands.vScales(),
                counts,
                scheme.vRange(),
                v.view().get(Elements.TOKEN_STRIDE),
                layout.paddedDim(),
                scheme.tiles().blockK(),
                PvCodes.formatOf(scheme.pv()),
                (scheme.smoothV() ? QuantizeV.SMOOTH : 0)
                        + (whole ? QuantizeV.WHOLE : 0)
                        + (config.halves() ? QuantizeV.HALF_BITS : 0),
                v.type());
    }

    private void deltaS(StepGraph steps) {
        PlanArrays.Operand k = io.k();
        steps.graph.task(
                steps.elements("delta-s", operands.deltaS().getSize(), config.items()),
                DeltaS::deltaS,
                steps.context,
                k.view(),
                k.floats(),
                k.halves(),
                k.bfloats(),
                operands.qMeans(),
                operands.kMeans(),
                operands.deltaS(),
                layout.qTiles(),
                shape.groupSize(),
                layout.kRows(),
                layout.paddedDim(),
                scheme.smoothK() ? 1 : 0,
                k.type());
    }

    private void attend(StepGraph steps) {
        int blockK = scheme.tiles().blockK();
        steps.graph.task(
                steps.groups(
                        "attend",
                        (long) shape.batch() * shape.qHeads() * layout.qTiles(),
                        scheme.tiles().blockQ()),
                QuantizedAttention::attend,
                steps.context,
                sizes,
                factors,
                operands.qCodes(),
                operands.kCodes(),
                operands.vCodes(),
                operands.vHalves(),
                operands.qScales(),
                operands.kScales(),
                operands.vScales(),
                operands.vMeans(),
                operands.deltaS(),
                io.maskBits(),
                io.maskValues(),
                io.wide(),
                io.lse(),
                layout.paddedDim(),
                blockK,
                config.stageKeys(blockK, layout.paddedDim()),
                QuantizedAttention.options(
                        PvCodes.formatOf(scheme.pv()),
                        Masking.kindOf(problem.mask().kind()),
                        scheme.accumulator().isHalf(),
                        scheme.accumulator().isTwoLevel(),
                        scheme.smoothQ(),
                        scheme.smoothV(),
                        problem.lse(),
                        scheme.pv() == PvFormat.E4M3_FAST));
    }

    private void correctLse(StepGraph steps) {
        PlanArrays.Operand q = io.q();
        steps.graph.task(
                steps.elements("lse-correction", io.lse().getSize(), config.items()),
                LseCorrection::correct,
                steps.context,
                q.view(),
                q.floats(),
                q.halves(),
                q.bfloats(),
                operands.kMeans(),
                io.lse(),
                problem.smScale(),
                shape.groupSize(),
                layout.paddedDim(),
                q.type());
    }

    @Override
    public List<Object> constants() {
        return List.of(sizes, factors, qGroups.array(), kGroups.array());
    }

    @Override
    public IntArray counted() {
        return counts;
    }

    @Override
    public OperandArrays operands() {
        return operands;
    }

    @Override
    public Counts counts() {
        long saturated = 0;
        long flushed = 0;
        long nonFinite = Counts.sum(counts, countsOfV);
        for (int i = 0; i < countsOfV; i += QuantizeV.COUNTS) {
            nonFinite += counts.get(i + QuantizeV.NON_FINITE);
            saturated += counts.get(i + QuantizeV.SATURATED);
            flushed += counts.get(i + QuantizeV.FLUSHED);
        }
        return new Counts(nonFinite, saturated, flushed, Counts.elementsOfV(shape));
    }
}
