package io.sage4j.plan;

import io.sage4j.DType;
import io.sage4j.SageException;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.ScaleGroups;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;
import io.sage4j.numeric.WgmmaLayout;
import io.sage4j.ptx.kernel.ChannelScale;
import io.sage4j.ptx.kernel.DeltaS;
import io.sage4j.ptx.kernel.HeavyChannels;
import io.sage4j.ptx.kernel.KMean;
import io.sage4j.ptx.kernel.LseCorrection;
import io.sage4j.ptx.kernel.MmaAttention;
import io.sage4j.ptx.kernel.MmaAttentionSpec;
import io.sage4j.ptx.kernel.MmaTarget;
import io.sage4j.ptx.kernel.QkTarget;
import io.sage4j.ptx.kernel.QuantizeQk;
import io.sage4j.ptx.kernel.QuantizeQk.Centre;
import io.sage4j.ptx.kernel.QuantizeQk.Loads;
import io.sage4j.ptx.kernel.QuantizeV;
import io.sage4j.ptx.kernel.VTarget;
import io.sage4j.ptx.kernel.Watch;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Quantized attention as a sequence of native kernels: the one place that knows their order, grids and arguments. Schemes
 * on Hopper tiles take the {@code wgmma} kernels, those on the others the {@code mma.sync} kernels.
 */
public final class NativeAttention extends NativeSteps {
    private static final int REDUCED_CHANNELS = 32;
    private static final int V_KEYS = 64;
    /** Elements of the widest load of the quantizers. */
    private static final int WIDEST_LOAD = 4;

    /**
     * How a tensor lies in device memory, in elements; channels are contiguous.
     *
     * @param address of the first element
     * @param batch elements from one batch entry to the next
     * @param head elements from one head to the next
     * @param token elements from one token to the next
     */
    public record Placed(long address, long batch, long head, long token) {
        boolean isAligned(int elements, int bytes) {
            return address % ((long) elements * bytes) == 0
                    && batch % elements == 0
                    && head % elements == 0
                    && token % elements == 0;
        }
    }

    /**
     * What a call computes, on what.
     *
     * @param shape sizes; neither length is 0
     * @param scheme numeric scheme
     * @param ifHeavy scheme to fall back to, other in its sums and ranges only, if V is too heavy-tailed ({@link HeavyTails})
     *     for this one; null if V is not watched
     * @param diagonal query i sees the keys j with {@code j <= i + diagonal}
     * @param smScale factor of the scores
     * @param type FP16 or BF16
     * @param q queries
     * @param k keys
     * @param v values
     * @param out output
     * @param lse address of the log-sum-exp, FP32 [batch, qHeads, qoLen]; 0 for none
     */
    public record Call(
            AttentionShape shape,
            Scheme scheme,
            Scheme ifHeavy,
            int diagonal,
            float smScale,
            DType type,
            Placed q,
            Placed k,
            Placed v,
            Placed out,
            long lse) {
        /** A call that does not watch V. */
        public Call(
                AttentionShape shape,
                Scheme scheme,
                int diagonal,
                float smScale,
                DType type,
                Placed q,
                Placed k,
                Placed v,
                Placed out,
                long lse) {
            this(shape, scheme, null, diagonal, smScale, type, q, k, v, out, lse);
        }
    }

    private final HopperSteps hopper;

    private NativeAttention(NativeDevice device, Call call) {
        super(device, call);
        hopper = new HopperSteps(device, call);
    }

    /**
     * Starts all steps of a call.
     *
     * @return address of a word that will hold how many channels of V are heavy-tailed; 0 if V is not watched
     * @throws SageException if there is no native kernel for it, with the reason, before anything was started
     */
    public static long run(NativeDevice device, Call call) {
        refusal(device, call).ifPresent(Refusal::raise);
        try {
            return new NativeAttention(device, call).start();
        } catch (IllegalArgumentException e) {
            throw noKernel(e).exception();
        } catch (ArithmeticException e) {
            throw tooMany().exception();
        }
    }

    /**
     * Why there is no native kernel for a call; empty if there is one. Nothing is laid out or generated for the answer.
     *
     * @param device on which nothing is started
     */
    public static Optional<Refusal> refusal(NativeDevice device, Call call) {
        boolean wgmma = call.scheme().tiles().equals(TileShape.WGMMA);
        int most = wgmma ? WgmmaLayout.MAX_DIM : MmaAttentionSpec.MAX_DIM;
        if (call.shape().headDim() > most) {
            String tiles = wgmma ? " on Hopper tiles" : "";
            return Optional.of(new Refusal(
                    "the native kernels" + tiles + " take head_dim up to " + most + ", this call has "
                            + call.shape().headDim(),
                    "use another " + (wgmma ? "variant or backend" : "backend")));
        }
        try {
            new NativeAttention(device, call).checkSpecs();
            return Optional.empty();
        } catch (IllegalArgumentException e) {
            return Optional.of(noKernel(e));
        } catch (ArithmeticException e) {
            return Optional.of(tooMany());
        }
    }

    private static Refusal noKernel(IllegalArgumentException e) {
        return new Refusal("no native kernel for this call: " + e.getMessage(), "use another backend");
    }

    private static Refusal tooMany() {
        return new Refusal("the native kernels count heads and rows in 31 bits", "split the batch");
    }

    /** The specs of the attention kernels refuse what no kernel can do. */
    private void checkSpecs() {
        checkSpec(scheme);
        if (call.ifHeavy() != null) {
            checkSpec(call.ifHeavy());
        }
    }

    private void checkSpec(Scheme by) {
        if (wgmma) {
            hopper.spec(by, Watch.NONE);
        } else {
            mmaSpec(by, Watch.NONE);
        }
    }

    private long start() {
        List<Attend> attends = new ArrayList<>();
        if (call.ifHeavy() == null) {
            attends.add(attend("attend", scheme, Watch.NONE));
        } else {
            attends.add(attend("attend", scheme, Watch.UNLESS_HEAVY));
            attends.add(attend("attend-if-heavy", call.ifHeavy(), Watch.IF_HEAVY));
        }
        HopperSteps.KeysAndValues both = wgmma && call.ifHeavy() == null ? hopper.keysAndValues() : null;
        long kMean = both != null ? both.kMean() : scheme.smoothK() ? mean("smooth-k", call.k()) : 0;
        Codes k = both != null ? both.k() : keys(kMean);
        long qMean = scheme.smoothQ() ? blockMeans() : 0;
        Centre qCentre = scheme.smoothQ() ? Centre.BLOCK : Centre.NONE;
        Codes q = quantizesQ
                ? new Codes(call.q().address(), 0)
                : rows(
                        "quantize-q",
                        call.q(),
                        shape.qHeads(),
                        shape.qoLen(),
                        qTarget(),
                        layout.qRows(),
                        qCentre,
                        qMean);
        long deltaS = scheme.smoothQ() ? deltaS(kMean, qMean) : 0;
        long vMean = both != null ? both.vMean() : scheme.smoothV() ? mean("smooth-v", call.v()) : 0;
        Values v = both != null ? both.v() : values(vMean);
        long correction = call.lse() != 0 && scheme.smoothK() ? correction(kMean) : 0;
        attends.forEach(attend -> attend.start(q, k, v, new Extras(vMean, deltaS, correction)));
        return v.heavy();
    }

    private long mean(String step, Placed data) {
        long mean = floats((long) kvHeads * dim);
        List<Object> arguments = input(data, shape.kvHeads(), shape.kvLen());
        arguments.add(mean);
        launch(
                step,
                Key.of(KMean.class, call.type(), dim),
                () -> KMean.kernel(call.type(), dim),
                kvHeads,
                dim / REDUCED_CHANNELS,
                1,
                arguments);
        return mean;
    }

    /** Means of the Q blocks. */
    private long blockMeans() {
        long mean = floats((long) heads * layout.qTiles() * dim);
        List<Object> arguments = input(call.q(), shape.qHeads(), shape.qoLen());
        arguments.add(mean);
        launch(
                "smooth-q",
                Key.of(KMean.class, call.type(), dim, "blocks"),
                () -> KMean.ofBlocks(call.type(), dim),
                heads,
                dim / REDUCED_CHANNELS,
                Math.ceilDiv(layout.qTiles(), KMean.BLOCKS),
                arguments);
        return mean;
    }

    /** What smooth Q takes from the scores. */
    private long deltaS(long kMean, long qMean) {
        long deltaS = floats((long) heads * layout.qTiles() * layout.kRows());
        boolean aligned = shape.headDim() == dim
                && call.k().isAligned(WIDEST_LOAD, call.type().bytes());
        List<Object> arguments = input(call.k(), shape.kvHeads(), shape.kvLen());
        if (scheme.smoothK()) {
            arguments.add(kMean);
        }
        arguments.addAll(List.of(qMean, deltaS, layout.qTiles(), layout.kRows(), call.diagonal(), scoreScale()));
        launch(
                "delta-s",
                Key.of(DeltaS.class, call.type(), dim, scheme.smoothK(), aligned),
                () -> DeltaS.kernel(call.type(), dim, scheme.smoothK(), aligned),
                Math.ceilDiv(layout.kRows(), DeltaS.THREADS),
                kvHeads,
                shape.groupSize(),
                arguments);
        return deltaS;
    }

    private QkTarget qTarget() {
        return wgmma
                ? QkTarget.wgmmaQ(scheme.granularity()).negatedIf(call.smScale() < 0)
                : QkTarget.mma(ScaleGroups.ofQ(scheme.granularity(), scheme.tiles(), layout.qRows()), code);
    }

    private QkTarget kTarget() {
        return wgmma
                ? QkTarget.wgmmaK(scheme.granularity())
                : QkTarget.mma(ScaleGroups.ofK(scheme.granularity(), scheme.tiles(), layout.kRows()), code);
    }

    private Codes keys(long mean) {
        Centre centre = scheme.smoothK() ? Centre.HEAD : Centre.NONE;
        return rows("quantize-k", call.k(), shape.kvHeads(), shape.kvLen(), kTarget(), layout.kRows(), centre, mean);
    }

    private Codes rows(
            String step,
            Placed data,
            int headCount,
            int tokens,
            QkTarget target,
            int paddedRows,
            Centre centre,
            long mean) {
        int all = Math.multiplyExact(shape.batch(), headCount);
        long codes = device.allocate((long) all * paddedRows * target.code().rowBytes(dim));
        long scales = floats((long) all * target.groups().count(paddedRows) * target.copies());
        Loads loads = loads(data);
        List<Object> arguments = input(data, headCount, tokens);
        if (centre != Centre.NONE) {
            arguments.add(mean);
        }
        arguments.addAll(List.of(codes, scales));
        launch(
                step,
                Key.of(QuantizeQk.class, call.type(), target, dim, centre, loads),
                () -> QuantizeQk.kernel(call.type(), target, dim, centre, loads),
                paddedRows / target.groups().tile(),
                all,
                1,
                arguments);
        return new Codes(codes, scales);
    }

    /** The widest loads of rows that a tensor and the kernel allow. */
    private Loads loads(Placed data) {
        int bytes = call.type().bytes();
        if (shape.headDim() != dim) {
            return Loads.NARROW;
        }
        if ((dim == 64 || dim == 128) && data.isAligned(2 * dim / REDUCED_CHANNELS, bytes)) {
            return Loads.WIDE;
        }
        return data.isAligned(Math.min(dim / REDUCED_CHANNELS, WIDEST_LOAD), bytes) ? Loads.ALIGNED : Loads.NARROW;
    }

    private Values values(long mean) {
        boolean smooth = mean != 0;
        boolean watched = call.ifHeavy() != null;
        float wide = watched ? call.ifHeavy().vRange() : 0;
        long channels = (long) kvHeads * dim;
        long scale = fp8 ? floats(channels) : 0;
        long inverse = fp8 ? floats(channels) : 0;
        long wideScale = watched ? floats(channels) : 0;
        long wideInverse = watched ? floats(channels) : 0;
        if (fp8) {
            List<Object> arguments = valuesInput(mean);
            arguments.addAll(List.of(scale, inverse));
            if (watched) {
                arguments.addAll(List.of(wideScale, wideInverse));
            }
            launch(
                    "v-scale",
                    Key.of(ChannelScale.class, call.type(), dim, smooth, scheme.vRange(), wide),
                    () -> ChannelScale.kernel(call.type(), dim, smooth, scheme.vRange(), wide),
                    kvHeads,
                    dim / REDUCED_CHANNELS,
                    1,
                    arguments);
        }
        long heavy = watched ? heavy(mean, inverse) : 0;
        long codes = device.allocate((long) kvHeads * layout.kRows() * dim * (fp8 ? 1 : 2));
        PvFormat format = scheme.pv().ofV();
        VTarget target = wgmma ? VTarget.wgmma(format) : VTarget.mma(format);
        boolean pairs =
                shape.headDim() % 2 == 0 && call.v().isAligned(2, call.type().bytes());
        List<Object> arguments = valuesInput(mean);
        if (fp8) {
            arguments.add(inverse);
        }
        if (watched) {
            arguments.addAll(List.of(wideInverse, heavy));
        }
        arguments.add(codes);
        launch(
                "quantize-v",
                Key.of(QuantizeV.class, call.type(), dim, target, smooth, pairs, watched),
                () -> QuantizeV.kernel(call.type(), dim, target, smooth, pairs, watched),
                layout.kRows() / V_KEYS,
                kvHeads,
                1,
                arguments);
        return new Values(codes, scale, wideScale, heavy);
    }

    /** V, and with smooth V its mean. */
    private List<Object> valuesInput(long mean) {
        List<Object> arguments = input(call.v(), shape.kvHeads(), shape.kvLen());
        if (mean != 0) {
            arguments.add(mean);
        }
        return arguments;
    }

    /** Counts the channels of V that the narrow range does not suit. */
    private long heavy(long mean, long inverse) {
        boolean smooth = mean != 0;
        int counted = Math.multiplyExact(kvHeads, dim / REDUCED_CHANNELS);
        long counts = device.allocate((long) counted * Integer.BYTES);
        long heavy = device.allocate(Integer.BYTES);
        List<Object> arguments = valuesInput(mean);
        arguments.addAll(List.of(inverse, counts));
        launch(
                "v-tails",
                Key.of(HeavyChannels.class, call.type(), dim, smooth),
                () -> HeavyChannels.count(call.type(), dim, smooth),
                kvHeads,
                dim / REDUCED_CHANNELS,
                1,
                arguments);
        launch("v-range", Key.of(HeavyChannels.class), HeavyChannels::sum, 1, 1, 1, List.of(counts, counted, heavy));
        return heavy;
    }

    private long correction(long kMean) {
        long correction = floats((long) heads * shape.qoLen());
        List<Object> arguments = input(call.q(), shape.qHeads(), shape.qoLen());
        arguments.addAll(List.of(kMean, shape.groupSize(), call.smScale(), correction));
        launch(
                "lse-correction",
                Key.of(LseCorrection.class, call.type(), dim),
                () -> LseCorrection.kernel(call.type(), dim),
                Math.ceilDiv(shape.qoLen(), LseCorrection.THREADS),
                heads,
                1,
                arguments);
        return correction;
    }

    private Attend attend(String step, Scheme by, Watch watch) {
        return wgmma ? hopper.attend(step, by, watch) : mmaAttend(step, by, watch);
    }

    private MmaAttentionSpec mmaSpec(Scheme by, Watch watch) {
        return new MmaAttentionSpec(
                by,
                dim,
                MmaTarget.of(device.arch(), by, dim, call.lse() != 0),
                isCausal(),
                call.lse() != 0,
                call.smScale() < 0,
                call.type(),
                pairedStores(),
                watch);
    }

    private Attend mmaAttend(String step, Scheme by, Watch watch) {
        MmaAttentionSpec spec = mmaSpec(by, watch);
        return (q, k, v, extras) -> {
            List<Object> arguments = attentionArguments(q, k, v, extras, watch);
            if (watch != Watch.NONE) {
                arguments.add(v.heavy());
            }
            launch(
                    step,
                    Key.of(MmaAttention.class, spec),
                    () -> MmaAttention.kernel(spec),
                    layout.qTiles(),
                    shape.qHeads(),
                    shape.batch(),
                    arguments);
        };
    }
}
