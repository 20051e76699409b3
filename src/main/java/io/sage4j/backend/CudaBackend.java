package io.sage4j.backend;

import io.sage4j.AttentionResult.NumericReport;
import io.sage4j.AttentionResult.StepTime;
import io.sage4j.DType;
import io.sage4j.SageException;
import io.sage4j.Tensor;
import io.sage4j.backend.CudaLane.Uploaded;
import io.sage4j.backend.CudaPlan.Addresses;
import io.sage4j.backend.CudaPlan.Buffer;
import io.sage4j.backend.CudaPlan.Kept;
import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaDriver;
import io.sage4j.cuda.CudaGraph;
import io.sage4j.cuda.CudaStream;
import io.sage4j.cuda.DeviceInfo;
import io.sage4j.cuda.DeviceMemory;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.plan.HeavyTails;
import io.sage4j.plan.NativeAttention;
import io.sage4j.plan.NativeAttention.Placed;
import io.sage4j.plan.Refusal;
import io.sage4j.ptx.Arch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.function.Function;

/**
 * Runs the native kernels through the CUDA driver, without TornadoVM. Calls side by side run on streams of their own;
 * kernels and launch plans are made when first wanted and kept. Device memory is a call's own, in stream order from a pool.
 */
final class CudaBackend implements DeviceBackend {
    /** Plans kept; the least recently used goes first. A plan is some kilobytes of host memory. */
    private static final int MOST_PLANS = 256;

    static final long NOT_WATCHED = -1;

    /** What a call costs besides its scores, as tokens: a tile that is not full, and its launches. */
    private static final long CALL_TOKENS = 128;

    private final CudaContext context;
    private final DeviceInfo info;
    private final CudaRules rules;
    private final Arch arch;
    private final CudaKernels kernels;
    private final CudaTensors tensors;
    private final CudaPacked packed;
    private final Map<NativeAttention.Call, CudaPlan> plans = new LinkedHashMap<>(16, 0.75f, true);
    private final ConcurrentLinkedDeque<CudaLane> idle = new ConcurrentLinkedDeque<>();
    private final ConcurrentLinkedDeque<CudaBranches> idleBranches = new ConcurrentLinkedDeque<>();
    private volatile boolean closed;

    /** @throws SageException if there is no such GPU, or none that the kernels are for */
    CudaBackend(CudaDriver driver, int ordinal, KernelStore store) {
        info = driver.device(ordinal).info();
        rules = new CudaRules(info);
        arch = rules.arch();
        Rehearsal.start(() -> CudaPlan.rehearse(arch, info));
        context = driver.device(ordinal).retainContext();
        kernels = new CudaKernels(context, arch, store);
        tensors = new CudaTensors(context);
        packed = new CudaPacked(context, kernels, arch, info);
    }

    /** The type in which kernels get tensors of a type from the host. */
    static DType kernelType(DType type) {
        return type == DType.FLOAT32 ? DType.FLOAT16 : type;
    }

    @Override
    public String name() {
        return rules.name();
    }

    @Override
    public int gpu() {
        return info.ordinal();
    }

    @Override
    public Tensor allocate(DType dtype, long... shape) {
        return tensors.allocate(dtype, shape);
    }

    @Override
    public void free(Tensor tensor) {
        tensors.free(tensor);
    }

    @Override
    public void copy(Tensor from, Tensor to) {
        onLane(lane -> {
            lane.copy(from, to);
            return null;
        });
    }

    @Override
    public CudaStream newStream() {
        return context.newStream();
    }

    @Override
    public CudaStream wrapStream(long handle) {
        return context.wrapStream(handle);
    }

    @Override
    public boolean watchesV() {
        return rules.watchesV();
    }

    @Override
    public Choice variantFor(int headDim) {
        return rules.variantFor(headDim);
    }

    @Override
    public Optional<Refusal> refusal(AttentionRequest request) {
        return rules.refusal(request);
    }

    @Override
    public Execution attend(AttentionRequest r) {
        requireNative(r);
        if (r.q().isOnDevice()) {
            requireMemory(r);
        }
        boolean empty = isEmpty(r);
        if (empty && !r.q().isOnDevice()) {
            return withoutKeys(r);
        }
        return onLane(lane -> {
            if (empty) {
                fillWithoutKeys(r, lane.stream());
                return new Execution(lane.await(List.of()), report(r.watchV() ? 0 : NOT_WATCHED), "");
            }
            return r.q().isOnDevice() ? inPlace(lane, r) : copied(lane, r);
        });
    }

    /** The kernels count nothing but heavy-tailed channels of V. */
    private static NumericReport report(long heavyVChannels) {
        return NumericReport.NOT_COUNTED.withHeavyVChannels(heavyVChannels);
    }

    private <T> T onLane(Function<CudaLane, T> work) {
        CudaLane lane = idle.pollFirst();
        if (lane == null) {
            lane = new CudaLane(context);
        }
        T done;
        try {
            done = work.apply(lane);
            lane.reset();
        } catch (Throwable t) {
            // What a failed call left in the stream is not known.
            lane.discard(t);
            throw t;
        }
        release(lane);
        return done;
    }

    private static void requireNative(AttentionRequest r) {
        CudaRules.ofAllKernels(r).ifPresent(Refusal::raise);
    }

    private void requireMemory(AttentionRequest r) {
        requireMemory(r, r.lse() == null ? List.of() : List.of(r.lse()));
    }

    private void requireMemory(AttentionRequest r, List<Tensor> lse) {
        List<CudaContext.Range> ranges = new ArrayList<>(5);
        add(ranges, "q", r.q());
        add(ranges, "k", r.k());
        add(ranges, "v", r.v());
        add(ranges, "out", r.out());
        lse.forEach(sums -> add(ranges, "lse", sums));
        if (!ranges.isEmpty()) {
            context.requireMemory(ranges);
        }
    }

    private void add(List<CudaContext.Range> ranges, String name, Tensor t) {
        if (t.size() > 0 && !tensors.contain(t)) {
            ranges.add(new CudaContext.Range(name, t.address(), CudaTensors.bytes(t)));
        }
    }

    private CudaPlan plan(NativeAttention.Call call) {
        synchronized (plans) {
            CudaPlan plan = plans.get(call);
            if (plan != null) {
                return plan;
            }
        }
        // Not under the lock: kernels may have to be compiled.
        CudaPlan made = new CudaPlan(kernels, arch, info, call, false);
        synchronized (plans) {
            plans.put(call, made);
            if (plans.size() > MOST_PLANS) {
                plans.remove(plans.keySet().iterator().next());
            }
        }
        return made;
    }

    /** What a plan is laid out for: the call, its tensors at places that stand for any of their alignment. */
    private static NativeAttention.Call call(
            AttentionRequest r, float smScale, Placed q, Placed k, Placed v, Placed out, boolean lse) {
        return new NativeAttention.Call(
                r.shape(),
                r.variant().scheme(),
                r.watchV() ? HeavyTails.fallback(r.variant()).scheme() : null,
                r.diagonal(),
                smScale,
                kernelType(r.q().dtype()),
                CudaPlan.placed(Buffer.Q, q),
                CudaPlan.placed(Buffer.K, k),
                CudaPlan.placed(Buffer.V, v),
                CudaPlan.placed(Buffer.OUT, out),
                lse ? CudaPlan.address(Buffer.LSE, 0) : 0);
    }

    static NativeAttention.Call callInPlace(AttentionRequest r) {
        return callInPlace(r, r.lse() != null);
    }

    private static NativeAttention.Call callInPlace(AttentionRequest r, boolean lse) {
        Placed out = placed(r, r.out());
        return call(r, r.smScale(), placed(r, r.q()), placed(r, r.k()), placed(r, r.v()), out, lse);
    }

    /** The same of tensors that are to be copied to the GPU. */
    static NativeAttention.Call callOfCopies(AttentionRequest r) {
        Function<Tensor, Placed> copy = t -> CudaLane.placed(0, t, r.layout());
        return call(
                r,
                r.smScale(),
                copy.apply(r.q()),
                copy.apply(r.k()),
                copy.apply(r.v()),
                copy.apply(r.out()),
                r.lse() != null);
    }

    private static Placed placed(AttentionRequest r, Tensor t) {
        return new Placed(
                t.address(),
                t.stride(0),
                t.stride(r.layout().headAxis()),
                t.stride(r.layout().tokenAxis()));
    }

    private static Addresses addressesInPlace(AttentionRequest r, long scratch) {
        return new Addresses(
                r.q().address(),
                r.k().address(),
                r.v().address(),
                r.out().address(),
                r.lse() == null ? 0 : r.lse().address(),
                scratch);
    }

    private Execution inPlace(CudaLane lane, AttentionRequest r) {
        CudaPlan plan = plan(callInPlace(r));
        DeviceMemory scratch = lane.memory(plan.scratchBytes());
        plan.start(lane.stream(), addressesInPlace(r, scratch.address()), lane::mark);
        return finish(lane, plan, scratch, "");
    }

    /** Waits, and tells the times and what was counted. */
    private static Execution finish(CudaLane lane, CudaPlan plan, DeviceMemory scratch, String inputs) {
        boolean watched = plan.heavyOffset() >= 0;
        MemorySegment heavy = watched ? lane.download(scratch, plan.heavyOffset(), Integer.BYTES) : null;
        List<StepTime> steps = lane.await(plan.steps());
        return new Execution(steps, report(watched ? heavy.get(ValueLayout.JAVA_INT, 0) : NOT_WATCHED), inputs);
    }

    private Execution copied(CudaLane lane, AttentionRequest r) {
        Uploaded q = lane.upload(r.q(), r.layout());
        Uploaded k = lane.upload(r.k(), r.layout());
        Uploaded v = lane.upload(r.v(), r.layout());
        DeviceMemory out = lane.memory(CudaLane.stagedBytes(r.out()));
        Placed placed = CudaLane.placed(out.address(), r.out(), r.layout());
        DeviceMemory lse = r.lse() == null ? null : lane.memory(r.lse().size() * Float.BYTES);
        float smScale = Math.scalb(r.smScale(), -(q.exponent() + k.exponent()));
        CudaPlan plan = plan(call(r, smScale, q.place(), k.place(), v.place(), placed, lse != null));
        DeviceMemory scratch = lane.memory(plan.scratchBytes());
        Addresses addresses = new Addresses(
                q.place().address(),
                k.place().address(),
                v.place().address(),
                out.address(),
                lse == null ? 0 : lse.address(),
                scratch.address());
        plan.start(lane.stream(), addresses, lane::mark);
        MemorySegment output = lane.download(out);
        MemorySegment sums = lse == null ? null : lane.download(lse);
        Execution done = finish(lane, plan, scratch, inputs(r, q, k, v));
        if (r.out().dtype() == DType.FLOAT32) {
            HalfStaging.copyOut(output, r.out(), r.layout(), -v.exponent());
        } else {
            Staging.copyOut(output, r.out(), r.layout());
        }
        if (sums != null) {
            MemorySegment.copy(sums, 0, r.lse().data(), 0, sums.byteSize());
        }
        return done;
    }

    private static String inputs(AttentionRequest r, Uploaded q, Uploaded k, Uploaded v) {
        if (r.q().dtype() != DType.FLOAT32) {
            return "";
        }
        StringBuilder text = new StringBuilder("float32 rounded to float16");
        text.append(times("q", q)).append(times("k", k)).append(times("v", v));
        return text.toString();
    }

    private static String times(String name, Uploaded tensor) {
        return tensor.exponent() == 0 ? "" : ", " + name + " times 2^" + tensor.exponent() + " before";
    }

    @Override
    public void enqueue(AttentionRequest r, CudaStream stream) {
        CudaPlan plan = checkedPlan(r);
        if (plan == null) {
            fillWithoutKeys(r, stream);
            return;
        }
        try (DeviceMemory scratch = context.allocate(plan.scratchBytes(), stream)) {
            plan.start(stream, addressesInPlace(r, scratch.address()));
        }
    }

    @Override
    public void enqueue(List<AttentionRequest> requests, CudaStream stream) {
        List<CudaPlan> plansOf = new ArrayList<>(requests.size());
        long scratch = 1;
        for (AttentionRequest r : requests) {
            CudaPlan plan = checkedPlan(r);
            plansOf.add(plan);
            scratch = Math.max(scratch, plan == null ? 0 : plan.scratchBytes());
        }
        CudaBranches branches = idleBranches.pollFirst();
        if (branches == null) {
            branches = new CudaBranches(context);
        }
        try {
            branches.fork(stream, requests.size(), scratch);
            for (int n = 0; n < requests.size(); n++) {
                AttentionShape shape = requests.get(n).shape();
                CudaBranches.Branch branch =
                        branches.next((shape.qoLen() + CALL_TOKENS) * (shape.kvLen() + CALL_TOKENS));
                start(requests.get(n), plansOf.get(n), branch.stream(), branch.scratch());
            }
            branches.join();
        } catch (RuntimeException | Error e) {
            branches.discard(e);
            throw e;
        }
        idleBranches.addFirst(branches);
        if (closed) {
            closeIdle();
        }
    }

    @Override
    public boolean enqueue(PackedRequest r, CudaStream stream) {
        requireNative(r.all());
        requireMemory(r.all(), r.lse() == null ? List.of() : r.lse());
        return packed.enqueue(r, callInPlace(r.all(), r.lse() != null), this::fillWithoutKeys, stream);
    }

    /** The plan of a call that can run here; null if it has nothing to compute. */
    private CudaPlan checkedPlan(AttentionRequest r) {
        requireNative(r);
        requireMemory(r);
        return isEmpty(r) ? null : plan(callInPlace(r));
    }

    private void start(AttentionRequest r, CudaPlan plan, CudaStream stream, long scratch) {
        if (plan == null) {
            fillWithoutKeys(r, stream);
        } else {
            plan.start(stream, addressesInPlace(r, scratch));
        }
    }

    static boolean isEmpty(AttentionRequest r) {
        return r.shape().qoLen() == 0 || r.shape().kvLen() == 0;
    }

    @Override
    public Prepared prepare(AttentionRequest r, CudaStream stream, boolean graph) {
        requireNative(r);
        requireMemory(r);
        // Not one of the shared plans: its arguments then stay as they are from one start to the next.
        CudaPlan plan = isEmpty(r) ? null : new CudaPlan(kernels, arch, info, callInPlace(r), true);
        DeviceMemory scratch = plan == null ? null : context.allocate(plan.scratchBytes());
        try {
            Runnable start = plan == null
                    ? () -> fillWithoutKeys(r, stream)
                    : start(plan, stream, addressesInPlace(r, scratch.address()));
            long heavyOffset = plan == null ? NOT_WATCHED : plan.heavyOffset();
            if (plan != null) {
                clear(scratch, plan.kept());
            }
            return new CudaPreparedCall(
                    context, scratch, heavyOffset, graph ? graph(r, plan, scratch) : null, start, stream);
        } catch (RuntimeException | Error e) {
            if (scratch != null) {
                scratch.close();
            }
            throw e;
        }
    }

    private void clear(DeviceMemory memory, List<Kept> parts) {
        if (parts.isEmpty()) {
            return;
        }
        try (CudaStream own = context.newStream()) {
            parts.forEach(part -> own.fillWords(memory, part.offset(), part.bytes() / Integer.BYTES, 0));
            own.synchronize();
        }
    }

    private static Runnable start(CudaPlan plan, CudaStream stream, Addresses addresses) {
        return () -> plan.start(stream, addresses);
    }

    /** Captured on a stream of its own: the caller's may be the default one, which cannot be captured. */
    private CudaGraph graph(AttentionRequest r, CudaPlan plan, DeviceMemory scratch) {
        if (plan != null) {
            return plan.graph(context, addressesInPlace(r, scratch.address()));
        }
        try (CudaStream own = context.newStream()) {
            return own.capture(() -> fillWithoutKeys(r, own));
        }
    }

    /** No query, or nothing that a query could see: zeros, and an lse of minus infinity. */
    private static Execution withoutKeys(AttentionRequest r) {
        Tensor out = r.out();
        if (out.size() > 0) {
            MemorySegment zeros = Arena.ofAuto().allocate(Staging.stagedBytes(out));
            Staging.copyOut(zeros, out, r.layout());
        }
        for (long i = 0; r.lse() != null && i < r.lse().size(); i++) {
            r.lse().data().set(ValueLayout.JAVA_FLOAT_UNALIGNED, i * Float.BYTES, Float.NEGATIVE_INFINITY);
        }
        return new Execution(List.of(), report(r.watchV() ? 0 : NOT_WATCHED), "");
    }

    /** The same on the GPU. */
    private void fillWithoutKeys(AttentionRequest r, CudaStream stream) {
        fillWithoutKeys(r.out(), r.lse(), stream);
    }

    private void fillWithoutKeys(Tensor out, Tensor lse, CudaStream stream) {
        tensors.zero(out, stream);
        if (lse != null && lse.size() > 0) {
            try (DeviceMemory sums = context.wrapMemory(lse.address(), lse.size() * Float.BYTES)) {
                stream.fillWords(sums, 0, lse.size(), Float.floatToRawIntBits(Float.NEGATIVE_INFINITY));
            }
        }
    }

    private void release(CudaLane lane) {
        idle.addFirst(lane);
        if (closed) {
            closeIdle();
        }
    }

    private void closeIdle() {
        for (CudaLane lane = idle.pollFirst(); lane != null; lane = idle.pollFirst()) {
            lane.close();
        }
        for (CudaBranches b = idleBranches.pollFirst(); b != null; b = idleBranches.pollFirst()) {
            b.close();
        }
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        SageException failure = null;
        try {
            // What was started asynchronously still uses what is closed now.
            context.synchronize();
            closeIdle();
            packed.close();
        } catch (SageException e) {
            failure = e;
        }
        try {
            context.close();
        } catch (SageException e) {
            if (failure != null) {
                failure.addSuppressed(e);
            }
            failure = failure == null ? e : failure;
        }
        if (failure != null) {
            throw failure;
        }
    }
}
