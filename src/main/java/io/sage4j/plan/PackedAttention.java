package io.sage4j.plan;

import io.sage4j.numeric.TileShape;
import io.sage4j.numeric.WgmmaLayout;
import io.sage4j.plan.NativeAttention.Call;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.kernel.LseCorrection;
import io.sage4j.ptx.kernel.PackedWork;
import io.sage4j.ptx.kernel.QuantizeKv;
import io.sage4j.ptx.kernel.WgmmaAttention;
import io.sage4j.ptx.kernel.WgmmaAttentionSpec;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * Attention of sequences that lie behind each other, on Hopper tiles, with one launch of each kernel for all of them: the kernels read from
 * tables what there is to do. The tables come in front of each run, with the counters that it starts from.
 */
public final class PackedAttention extends NativeSteps {
    private final PackedWork work;
    private final long tables;

    /**
     * What must be in device memory before a run.
     *
     * @param address where, aligned to 256 bytes
     * @param work its content
     * @param lse whether there is an address for each sequence's log-sum-exp
     */
    public record Tables(long address, PackedWork work, boolean lse) {
        private long kvTable() {
            return (long) work.rowTable().length * Integer.BYTES;
        }

        private long sums() {
            return kvTable() + (long) work.kvTable().length * Integer.BYTES;
        }

        private long counters() {
            return sums() + (lse ? (long) work.sequences() * Long.BYTES : 0);
        }

        /** Bytes of all. */
        public long bytes() {
            return counters() + (long) work.counters() * Integer.BYTES;
        }

        /**
         * Writes the content.
         *
         * @param to host memory of {@link #bytes}
         * @param sumsOf addresses of the sequences' log-sum-exp; null without
         */
        public void write(MemorySegment to, long[] sumsOf) {
            MemorySegment.copy(work.rowTable(), 0, to, ValueLayout.JAVA_INT, 0, work.rowTable().length);
            MemorySegment.copy(work.kvTable(), 0, to, ValueLayout.JAVA_INT, kvTable(), work.kvTable().length);
            if (lse) {
                MemorySegment.copy(sumsOf, 0, to, ValueLayout.JAVA_LONG, sums(), sumsOf.length);
            }
            to.asSlice(counters(), bytes() - counters()).fill((byte) 0);
        }
    }

    private PackedAttention(NativeDevice device, Call call, PackedWork work) {
        super(device, call);
        this.work = work;
        tables = device.allocate(new Tables(0, work, call.lse() != 0).bytes());
    }

    /** Whether the kernels are for such a call, of all sequences together. */
    public static boolean covers(Arch arch, Call call) {
        return arch == Arch.SM_90A
                && call.scheme().tiles().equals(TileShape.WGMMA)
                && call.shape().headDim() <= WgmmaLayout.MAX_DIM
                && call.ifHeavy() == null
                && isInChunks(call, call.q());
    }

    /**
     * Starts all steps.
     *
     * @param call sizes of all sequences together, one that {@link #covers} takes; its diagonal has no meaning, and of {@code lse} only whether
     *     it is 0
     * @param work of those sequences that have queries and keys, on this device
     * @return what the steps read
     * @throws ArithmeticException if there is more than 31 bits count
     */
    public static Tables run(NativeDevice device, Call call, PackedWork work) {
        return new PackedAttention(device, call, work).start();
    }

    private Tables start() {
        Tables content = new Tables(tables, work, call.lse() != 0);
        WgmmaAttentionSpec spec = new WgmmaAttentionSpec(
                        scheme, dim, work.isCausal(), call.lse() != 0, call.type(), stores(), true)
                .ofSequences();
        int tiles = Math.multiplyExact(shape.kvHeads(), work.kvTiles());
        long codes = (long) tiles * WgmmaLayout.KEYS * dim;
        long channels = (long) work.sequences() * shape.kvHeads() * dim;
        Codes k = new Codes(device.allocate(codes), floats((long) tiles * WgmmaLayout.K_SCALES));
        Values v = new Values(device.allocate(codes * (fp8 ? 1 : 2)), fp8 ? floats(channels) : 0, 0, 0);
        long kMean = scheme.smoothK() ? floats(channels) : 0;
        long vMean = scheme.smoothV() ? floats(channels) : 0;
        quantize(content, k, v, kMean, vMean, channels);
        long correction = call.lse() != 0 && scheme.smoothK() ? correction(kMean, spec.rows()) : 0;
        attend(content, spec, k, v, new Extras(vMean, 0, correction));
        return content;
    }

    private void quantize(Tables content, Codes k, Values v, long kMean, long vMean, long channels) {
        boolean wide = isInChunks(call.k()) && isInChunks(call.v());
        QuantizeKv.Spec spec =
                QuantizeKv.Spec.of(scheme, call.type(), dim, wide).ofSequences();
        List<Object> arguments = keysAndValues(kMean, vMean, v.scales(), fp8 ? floats(channels) : 0);
        int items = work.items();
        arguments.addAll(List.of(
                k.codes(),
                k.scales(),
                v.codes(),
                floats(spec.partials(items)),
                tables + content.counters(),
                device.allocate((long) items * Integer.BYTES),
                tables + content.kvTable(),
                items,
                QuantizeKv.FEW,
                QuantizeKv.PATIENCE));
        int ctas = spec.ctas(device.multiprocessors(), items);
        launch("quantize-kv", Key.of(QuantizeKv.class, spec), () -> QuantizeKv.kernel(spec), ctas, 1, 1, arguments);
    }

    private long correction(long kMean, int rows) {
        long correction = floats((long) shape.qHeads() * shape.qoLen());
        List<Object> arguments = input(call.q(), shape.qHeads(), shape.qoLen());
        arguments.addAll(List.of(kMean, shape.groupSize(), call.smScale(), correction, shape.kvHeads(), tables));
        launch(
                "lse-correction",
                Key.of(LseCorrection.class, call.type(), dim, rows),
                () -> LseCorrection.ofSequences(call.type(), dim, rows),
                work.rowTiles(),
                shape.qHeads(),
                1,
                arguments);
        return correction;
    }

    private void attend(Tables content, WgmmaAttentionSpec spec, Codes k, Values v, Extras extras) {
        List<Object> arguments = operands(new Codes(call.q().address(), 0), k, v);
        arguments.addAll(statistics(v, extras, spec.watch()));
        arguments.addAll(List.of(
                call.out().address(),
                call.out().batch(),
                call.out().head(),
                call.out().token()));
        if (spec.lse()) {
            arguments.addAll(List.of(tables + content.sums(), extras.correction()));
        }
        arguments.addAll(List.of(tables, shape.kvHeads(), shape.groupSize(), shape.headDim(), scoreScale()));
        arguments.addAll(
                List.of(shape.qHeads(), work.rowTiles(), work.headGroup(), work.count(), work.turns() ? 1 : 0));
        device.launch(
                "attend",
                Key.of(WgmmaAttention.class, spec),
                () -> WgmmaAttention.kernel(spec),
                Math.min(device.multiprocessors(), work.count()),
                1,
                1,
                extras.correction() == 0,
                arguments);
    }
}
