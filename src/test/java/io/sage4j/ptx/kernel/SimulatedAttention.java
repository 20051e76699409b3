package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.BFloat16;
import io.sage4j.numeric.Float16;
import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.ScaleGroups;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;
import io.sage4j.numeric.WgmmaLayout;
import io.sage4j.oracle.AttentionInputs;
import io.sage4j.plan.AttentionProblem;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.sim.GlobalMemory;
import io.sage4j.ptx.sim.Simulator;
import io.sage4j.ptx.sim.Statistics;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The native kernels run one after the other in the interpreter, as a plan would launch them: for the tiles of wgmma the
 * quantizers with {@link WgmmaLayout}, for all others the quantizers with {@link OperandLayout}, and attention.
 */
final class SimulatedAttention implements AutoCloseable {
    /** Value of output elements that no kernel writes. */
    static final short POISON = (short) 0x7BAD;

    /** How a test lays out its tensors: elements between two rows, and whether heads lie inside tokens. */
    record Memory(DType type, boolean headsInside, int padding) {}

    private static final int CHANNELS = 32;
    private static final int V_KEYS = 64;

    private final Arena arena = Arena.ofConfined();
    private final GlobalMemory global = new GlobalMemory();
    private final Simulator simulator = new Simulator(global);
    private final AttentionInputs in;
    private final AttentionShape shape;
    private final Scheme scheme;
    private final Memory memory;
    private final Arch arch;
    private final OperandLayout layout;
    private final boolean hopper;
    private final int dim;
    private final int heads;
    private final int kvHeads;

    MemorySegment kMean;
    MemorySegment vMean;
    MemorySegment qMean;
    MemorySegment deltaS;
    MemorySegment qCodes;
    MemorySegment qScales;
    MemorySegment kCodes;
    MemorySegment kScales;
    MemorySegment vCodes;
    MemorySegment vScales;
    MemorySegment lse;
    MemorySegment out;
    Statistics attention;
    /** Whether the attention kernel summed P as it was rounded. */
    boolean roundedSum;

    SimulatedAttention(AttentionInputs in, Scheme scheme, Memory memory) {
        this(in, scheme, memory, Arch.SM_89);
    }

    /** The architecture decides how INT4 codes lie, and how much shared memory there is. */
    SimulatedAttention(AttentionInputs in, Scheme scheme, Memory memory, Arch arch) {
        this.in = in;
        this.arch = arch;
        this.scheme = scheme;
        this.memory = memory;
        shape = in.shape();
        layout = new OperandLayout(shape, scheme.tiles());
        hopper = scheme.tiles().equals(TileShape.WGMMA);
        dim = hopper ? new WgmmaLayout(shape).paddedDim() : MmaTarget.paddedDim(shape.headDim());
        heads = shape.batch() * shape.qHeads();
        kvHeads = shape.batch() * shape.kvHeads();
    }

    QkCode code() {
        return QkCode.of(scheme.qk(), arch);
    }

    Memory memory() {
        return memory;
    }

    int dim() {
        return dim;
    }

    private MemorySegment floats(long count) {
        MemorySegment segment = arena.allocate(Math.max(1, count) * Float.BYTES, 16);
        for (long n = 0; n < count; n++) {
            segment.setAtIndex(ValueLayout.JAVA_FLOAT, n, 1e37f);
        }
        return segment;
    }

    private MemorySegment codes(long bytes) {
        MemorySegment segment = arena.allocate(Math.max(16, bytes), 16);
        segment.fill((byte) 0x55);
        return segment;
    }

    /** Strides in elements: batch, head, token. */
    private long[] strides(int headCount, int tokens) {
        long row = shape.headDim() + memory.padding();
        return memory.headsInside()
                ? new long[] {headCount * tokens * row, row, headCount * row}
                : new long[] {headCount * tokens * row, tokens * row, row};
    }

    private MemorySegment tensor(float[] values, int headCount, int tokens) {
        long[] strides = strides(headCount, tokens);
        MemorySegment segment = arena.allocate(Math.max(1, shape.batch() * strides[0]) * Short.BYTES);
        for (long n = 0; n < segment.byteSize() / Short.BYTES; n++) {
            segment.setAtIndex(ValueLayout.JAVA_SHORT, n, POISON);
        }
        for (int n = 0; n < values.length; n++) {
            segment.setAtIndex(ValueLayout.JAVA_SHORT, at(n, headCount, tokens), encode(values[n]));
        }
        return segment;
    }

    /** Place of the n-th element of a contiguous tensor. */
    private long at(int n, int headCount, int tokens) {
        long[] strides = strides(headCount, tokens);
        int row = n / shape.headDim();
        int head = row / tokens;
        return head / headCount * strides[0]
                + head % headCount * strides[1]
                + row % tokens * strides[2]
                + n % shape.headDim();
    }

    private short encode(float value) {
        return memory.type() == DType.FLOAT16 ? Float16.encode(value) : BFloat16.encode(value);
    }

    private float decode(short bits) {
        return memory.type() == DType.FLOAT16 ? Float16.decode(bits) : BFloat16.decode(bits);
    }

    private List<Object> input(MemorySegment data, int headCount, int tokens) {
        long[] strides = strides(headCount, tokens);
        return new ArrayList<>(
                List.of(global.map(data), headCount, strides[0], strides[1], strides[2], tokens, shape.headDim()));
    }

    private static Object[] with(List<Object> first, Object... more) {
        first.addAll(Arrays.asList(more));
        return first.toArray();
    }

    private QuantizeQk.Loads loads() {
        if (shape.headDim() != dim || memory.padding() % 4 != 0) {
            return QuantizeQk.Loads.NARROW;
        }
        return memory.padding() % 8 == 0 ? QuantizeQk.Loads.WIDE : QuantizeQk.Loads.ALIGNED;
    }

    private boolean aligned() {
        return memory.padding() % 8 == 0 && shape.headDim() == dim;
    }

    SimulatedAttention quantize() {
        return quantize(hopper);
    }

    /** With K and V each in kernels of their own, on Hopper tiles too, as where V is watched. */
    SimulatedAttention quantizeApart() {
        return quantize(false);
    }

    private SimulatedAttention quantize(boolean together) {
        MemorySegment q = tensor(in.q(), shape.qHeads(), shape.qoLen());
        MemorySegment k = tensor(in.k(), shape.kvHeads(), shape.kvLen());
        MemorySegment v = tensor(in.v(), shape.kvHeads(), shape.kvLen());
        if (scheme.smoothK() && !together) {
            kMean = mean(k);
        }
        ScaleGroups qGroups = ScaleGroups.ofQ(scheme.granularity(), scheme.tiles(), layout.qRows());
        QkTarget qTarget = hopper ? QkTarget.wgmmaQ(scheme.granularity()) : QkTarget.mma(qGroups, code());
        qCodes = codes((long) heads * layout.qRows() * qTarget.code().rowBytes(dim));
        qScales = floats((long) heads * qGroups.count(layout.qRows()) * qTarget.copies());
        if (scheme.smoothQ()) {
            qMean = floats((long) heads * layout.qTiles() * dim);
            simulator.run(
                    KMean.ofBlocks(memory.type(), dim),
                    heads,
                    dim / CHANNELS,
                    Math.ceilDiv(layout.qTiles(), KMean.BLOCKS),
                    with(input(q, shape.qHeads(), shape.qoLen()), global.map(qMean)));
            deltaS = deltaS(k);
        }
        QuantizeQk.Centre qCentre = scheme.smoothQ() ? QuantizeQk.Centre.BLOCK : QuantizeQk.Centre.NONE;
        rows(q, shape.qHeads(), shape.qoLen(), qTarget, layout.qRows(), qCentre, qMean, qCodes, qScales);
        ScaleGroups kGroups = ScaleGroups.ofK(scheme.granularity(), scheme.tiles(), layout.kRows());
        QkTarget kTarget = hopper ? QkTarget.wgmmaK(scheme.granularity()) : QkTarget.mma(kGroups, code());
        kCodes = codes((long) kvHeads * layout.kRows() * kTarget.code().rowBytes(dim));
        kScales = floats((long) kvHeads * kGroups.count(layout.kRows()) * kTarget.copies());
        if (together) {
            keysAndValues(k, v);
            return this;
        }
        QuantizeQk.Centre kCentre = scheme.smoothK() ? QuantizeQk.Centre.HEAD : QuantizeQk.Centre.NONE;
        rows(k, shape.kvHeads(), shape.kvLen(), kTarget, layout.kRows(), kCentre, kMean, kCodes, kScales);
        values(v);
        return this;
    }

    /** Q once more, as the Hopper kernel does it inside: {@link QueryTile}. */
    SimulatedAttention quantizeQInside() {
        MemorySegment q = tensor(in.q(), shape.qHeads(), shape.qoLen());
        qCodes.fill((byte) 0x55);
        qScales.fill((byte) 0x55);
        long[] strides = strides(shape.qHeads(), shape.qoLen());
        int tiles = Math.ceilDiv(shape.qoLen(), WgmmaLayout.Q_ROWS);
        for (int batch = 0; batch < shape.batch(); batch++) {
            long before = (long) batch * shape.qHeads() * tiles;
            simulator.run(
                    QueryTile.kernel(memory.type(), scheme.granularity(), dim),
                    tiles,
                    shape.qHeads(),
                    1,
                    global.map(q) + batch * strides[0] * Short.BYTES,
                    strides[1],
                    strides[2],
                    shape.qoLen(),
                    shape.headDim(),
                    in.smScale(),
                    global.map(qCodes) + before * WgmmaLayout.Q_ROWS * dim,
                    global.map(qScales) + before * WgmmaLayout.Q_SCALES * Float.BYTES);
        }
        return this;
    }

    /** K and V in one kernel, with a few CTAs; the interpreter runs one after the other, so the first one does all. */
    private void keysAndValues(MemorySegment k, MemorySegment v) {
        boolean wide = shape.headDim() % 8 == 0 && memory.padding() % 8 == 0;
        QuantizeKv.Spec spec = QuantizeKv.Spec.of(scheme, memory.type(), dim, wide);
        int parts = layout.kRows() / QuantizeKv.TOKENS;
        int tiles = kvHeads * parts;
        kMean = scheme.smoothK() ? floats((long) kvHeads * dim) : null;
        vMean = scheme.smoothV() ? floats((long) kvHeads * dim) : null;
        vScales = floats((long) kvHeads * dim);
        vCodes = codes((long) kvHeads * layout.kRows() * dim * (spec.fp8() ? 1 : 2));
        List<Object> arguments = input(k, shape.kvHeads(), shape.kvLen());
        arguments.addAll(input(v, shape.kvHeads(), shape.kvLen()));
        for (MemorySegment mean : new MemorySegment[] {kMean, vMean}) {
            if (mean != null) {
                arguments.add(global.map(mean));
            }
        }
        if (spec.fp8()) {
            arguments.add(global.map(vScales));
            arguments.add(global.map(floats((long) kvHeads * dim)));
        }
        MemorySegment counters = codes((long) QuantizeKv.counters(kvHeads) * Integer.BYTES);
        counters.fill((byte) 0);
        Object[] all = with(
                arguments,
                global.map(kCodes),
                global.map(kScales),
                global.map(vCodes),
                global.map(floats(spec.partials(2L * tiles))),
                global.map(counters),
                global.map(codes(2L * tiles * Integer.BYTES)),
                parts,
                2 * tiles,
                parts % 2 == 0 ? parts : parts - 1,
                2);
        // The second run counts from where the first one has left the counters, to where they were.
        for (int run = 0; run < 2; run++) {
            simulator.run(QuantizeKv.kernel(spec), 3, 1, 1, all);
        }
        if (!isZero(counters)) {
            throw new IllegalStateException("counters are not 0 after two runs");
        }
    }

    private static boolean isZero(MemorySegment words) {
        return IntStream.range(0, (int) (words.byteSize() / Integer.BYTES))
                .allMatch(n -> words.getAtIndex(ValueLayout.JAVA_INT, n) == 0);
    }

    private MemorySegment mean(MemorySegment data) {
        MemorySegment mean = floats((long) kvHeads * dim);
        simulator.run(
                KMean.kernel(memory.type(), dim),
                kvHeads,
                dim / CHANNELS,
                1,
                with(input(data, shape.kvHeads(), shape.kvLen()), global.map(mean)));
        return mean;
    }

    private void rows(
            MemorySegment data,
            int headCount,
            int tokens,
            QkTarget target,
            int paddedRows,
            QuantizeQk.Centre centre,
            MemorySegment mean,
            MemorySegment to,
            MemorySegment scales) {
        List<Object> arguments = input(data, headCount, tokens);
        if (centre != QuantizeQk.Centre.NONE) {
            arguments.add(global.map(mean));
        }
        simulator.run(
                QuantizeQk.kernel(memory.type(), target, dim, centre, loads()),
                paddedRows / target.groups().tile(),
                shape.batch() * headCount,
                1,
                with(arguments, global.map(to), global.map(scales)));
    }

    private MemorySegment deltaS(MemorySegment k) {
        MemorySegment shifts = floats((long) heads * layout.qTiles() * layout.kRows());
        List<Object> arguments = input(k, shape.kvHeads(), shape.kvLen());
        if (scheme.smoothK()) {
            arguments.add(global.map(kMean));
        }
        simulator.run(
                DeltaS.kernel(memory.type(), dim, scheme.smoothK(), aligned()),
                Math.ceilDiv(layout.kRows(), DeltaS.THREADS),
                kvHeads,
                shape.groupSize(),
                with(
                        arguments,
                        global.map(qMean),
                        global.map(shifts),
                        layout.qTiles(),
                        layout.kRows(),
                        in.diagonal(),
                        in.smScale() * Numbers.LOG2E));
        return shifts;
    }

    private void values(MemorySegment v) {
        PvFormat format = scheme.pv().ofV();
        boolean fp8 = format == PvFormat.E4M3;
        vMean = scheme.smoothV() ? mean(v) : null;
        MemorySegment inverse = floats((long) kvHeads * dim);
        vScales = floats((long) kvHeads * dim);
        if (fp8) {
            List<Object> arguments = input(v, shape.kvHeads(), shape.kvLen());
            if (vMean != null) {
                arguments.add(global.map(vMean));
            }
            simulator.run(
                    ChannelScale.kernel(memory.type(), dim, vMean != null, scheme.vRange()),
                    kvHeads,
                    dim / CHANNELS,
                    1,
                    with(arguments, global.map(vScales), global.map(inverse)));
        }
        vCodes = codes((long) kvHeads * layout.kRows() * dim * (fp8 ? 1 : 2));
        VTarget target = hopper ? VTarget.wgmma(format) : VTarget.mma(format);
        List<Object> arguments = input(v, shape.kvHeads(), shape.kvLen());
        if (vMean != null) {
            arguments.add(global.map(vMean));
        }
        if (fp8) {
            arguments.add(global.map(inverse));
        }
        simulator.run(
                QuantizeV.kernel(memory.type(), dim, target, vMean != null, paired()),
                layout.kRows() / V_KEYS,
                kvHeads,
                1,
                with(arguments, global.map(vCodes)));
    }

    /** Whether two neighbouring channels may be read or written at once. */
    private boolean paired() {
        return shape.headDim() % 2 == 0 && memory.padding() % 2 == 0;
    }

    /** With the log-sum-exp. */
    SimulatedAttention attend() {
        return attend(true);
    }

    SimulatedAttention attend(boolean withLse) {
        boolean causal = in.diagonal() != AttentionProblem.NOT_CAUSAL;
        MmaAttentionSpec spec = new MmaAttentionSpec(
                scheme,
                dim,
                MmaTarget.of(arch, scheme, dim, withLse),
                causal,
                withLse,
                in.smScale() < 0,
                memory.type(),
                paired());
        roundedSum = !spec.addsP();
        out = tensor(new float[0], shape.qHeads(), shape.qoLen());
        lse = floats((long) heads * shape.qoLen());
        List<Object> arguments = new ArrayList<>(List.of(
                global.map(qCodes), global.map(kCodes), global.map(vCodes), global.map(qScales), global.map(kScales)));
        if (spec.fp8()) {
            arguments.add(global.map(vScales));
        }
        if (scheme.smoothV()) {
            arguments.add(global.map(vMean));
        }
        if (scheme.smoothQ()) {
            arguments.add(global.map(deltaS));
        }
        long[] strides = strides(shape.qHeads(), shape.qoLen());
        arguments.addAll(List.of(global.map(out), strides[0], strides[1], strides[2]));
        if (withLse) {
            arguments.add(global.map(lse));
            arguments.add(scheme.smoothK() ? global.map(correction()) : 0L);
        }
        arguments.addAll(List.of(shape.qoLen(), shape.kvLen(), shape.kvHeads(), shape.groupSize(), shape.headDim()));
        if (causal) {
            arguments.add(in.diagonal());
        }
        arguments.add(in.smScale() * Numbers.LOG2E);
        attention = simulator.run(
                MmaAttention.kernel(spec), layout.qTiles(), shape.qHeads(), shape.batch(), arguments.toArray());
        return this;
    }

    private MemorySegment correction() {
        MemorySegment correction = floats((long) heads * shape.qoLen());
        simulator.run(
                LseCorrection.kernel(memory.type(), dim),
                Math.ceilDiv(shape.qoLen(), LseCorrection.THREADS),
                heads,
                1,
                with(
                        input(tensor(in.q(), shape.qHeads(), shape.qoLen()), shape.qHeads(), shape.qoLen()),
                        global.map(kMean),
                        shape.groupSize(),
                        in.smScale(),
                        global.map(correction)));
        return correction;
    }

    /** The output, contiguous, in FP32. */
    float[] output() {
        float[] values = new float[in.q().length];
        for (int n = 0; n < values.length; n++) {
            values[n] = decode(out.getAtIndex(ValueLayout.JAVA_SHORT, at(n, shape.qHeads(), shape.qoLen())));
        }
        return values;
    }

    /** Elements of the output tensor between the rows that were overwritten. */
    int overwrittenPadding() {
        boolean[] inside = new boolean[(int) (out.byteSize() / Short.BYTES)];
        for (int n = 0; n < in.q().length; n++) {
            inside[(int) at(n, shape.qHeads(), shape.qoLen())] = true;
        }
        int count = 0;
        for (int n = 0; n < inside.length; n++) {
            count += !inside[n] && out.getAtIndex(ValueLayout.JAVA_SHORT, n) != POISON ? 1 : 0;
        }
        return count;
    }

    @Override
    public void close() {
        arena.close();
    }
}
