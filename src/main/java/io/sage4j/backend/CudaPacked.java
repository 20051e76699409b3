package io.sage4j.backend;

import io.sage4j.Tensor;
import io.sage4j.backend.CudaPlan.Addresses;
import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaStream;
import io.sage4j.cuda.DeviceInfo;
import io.sage4j.cuda.DeviceMemory;
import io.sage4j.plan.NativeAttention;
import io.sage4j.plan.PackedAttention;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.kernel.PackedWork;
import io.sage4j.ptx.kernel.PackedWork.Sequence;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Packed sequences with one launch of each kernel for all of them. Layers of a model ask with the same lengths, so what was laid out is kept. */
final class CudaPacked implements AutoCloseable {
    /** Plans kept; the least recently used goes first. */
    private static final int MOST_PLANS = 16;

    /** What decides a plan. */
    private record Kind(NativeAttention.Call call, List<Sequence> sequences) {}

    /** A plan, and what its kernels read; nulls where calls of their own are faster. */
    private record Laid(CudaPlan plan, PackedAttention.Tables tables) {}

    private final CudaContext context;
    private final CudaKernels kernels;
    private final Arch arch;
    private final DeviceInfo info;
    private final CudaUploads uploads;
    private final Map<Kind, Laid> plans = new LinkedHashMap<>(16, 0.75f, true);

    CudaPacked(CudaContext context, CudaKernels kernels, Arch arch, DeviceInfo info) {
        this.context = context;
        this.kernels = kernels;
        this.arch = arch;
        this.info = info;
        uploads = new CudaUploads(context);
    }

    /** Fills the output, and the log-sum-exp if there is one, of a sequence without keys. */
    interface Fill {
        void withoutKeys(Tensor out, Tensor lse, CudaStream stream);
    }

    /**
     * Starts all sequences on a stream and returns.
     *
     * @param call of all of them together
     * @return whether it did: else they have to be started one by one
     */
    boolean enqueue(PackedRequest r, NativeAttention.Call call, Fill fill, CudaStream stream) {
        List<Sequence> sequences = attended(r);
        // One is an ordinary call. What is captured runs when the host memory holds other tables.
        if (sequences.size() < 2 || !PackedAttention.covers(arch, call) || stream.isCapturing()) {
            return false;
        }
        Laid laid = laid(new Kind(call, sequences));
        if (laid.plan == null) {
            return false;
        }
        try (DeviceMemory scratch = context.allocate(laid.plan.scratchBytes(), stream)) {
            long offset = CudaPlan.scratchOffset(laid.tables.address());
            long[] sums = sums(r);
            uploads.upload(laid.tables.bytes(), to -> laid.tables.write(to, sums), stream, scratch, offset);
            AttentionRequest all = r.all();
            laid.plan.start(
                    stream,
                    new Addresses(
                            all.q().address(),
                            all.k().address(),
                            all.v().address(),
                            all.out().address(),
                            0,
                            scratch.address()));
        }
        int axis = r.all().layout().tokenAxis();
        for (int n = 0; n < r.count(); n++) {
            if (r.kvLen(n) == 0 && r.qoLen(n) > 0) {
                Tensor out = r.all().out().slice(axis, r.qStarts()[n], r.qStarts()[n + 1]);
                fill.withoutKeys(out, r.lse() == null ? null : r.lse().get(n), stream);
            }
        }
        return true;
    }

    private static boolean isAttended(PackedRequest r, int n) {
        return r.qoLen(n) > 0 && r.kvLen(n) > 0;
    }

    private static List<Sequence> attended(PackedRequest r) {
        List<Sequence> sequences = new ArrayList<>(r.count());
        for (int n = 0; n < r.count(); n++) {
            if (isAttended(r, n)) {
                int qoLen = r.qoLen(n);
                int kvLen = r.kvLen(n);
                sequences.add(new Sequence(
                        r.qStarts()[n], qoLen, r.kStarts()[n], kvLen, r.causal().diagonal(qoLen, kvLen)));
            }
        }
        return sequences;
    }

    /** Addresses of the log-sum-exp of what is attended; null without. */
    private static long[] sums(PackedRequest r) {
        if (r.lse() == null) {
            return null;
        }
        long[] addresses = new long[r.count()];
        int count = 0;
        for (int n = 0; n < r.count(); n++) {
            if (isAttended(r, n)) {
                addresses[count++] = r.lse().get(n).address();
            }
        }
        return Arrays.copyOf(addresses, count);
    }

    private Laid laid(Kind kind) {
        synchronized (plans) {
            Laid laid = plans.get(kind);
            if (laid != null) {
                return laid;
            }
        }
        // Not under the lock: kernels may have to be compiled.
        Laid made = layOut(kind);
        synchronized (plans) {
            plans.put(kind, made);
            if (plans.size() > MOST_PLANS) {
                plans.remove(plans.keySet().iterator().next());
            }
        }
        return made;
    }

    private Laid layOut(Kind kind) {
        PackedWork work = new PackedWork(
                kind.sequences,
                PackedWork.Device.of(kind.call.shape(), kind.call.scheme(), info.multiprocessors(), info.l2Bytes()));
        if (!work.pays()) {
            return new Laid(null, null);
        }
        PackedAttention.Tables[] tables = new PackedAttention.Tables[1];
        CudaPlan plan = new CudaPlan(
                kernels,
                arch,
                info,
                device -> {
                    tables[0] = PackedAttention.run(device, kind.call, work);
                    return 0;
                },
                false);
        return new Laid(plan, tables[0]);
    }

    /** Nothing must run any more. */
    @Override
    public void close() {
        uploads.close();
    }
}
