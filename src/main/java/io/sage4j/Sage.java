package io.sage4j;

import io.sage4j.AttentionResult.NumericReport;
import io.sage4j.backend.AttentionBackend;
import io.sage4j.backend.AttentionRequest;
import io.sage4j.backend.BackendRules;
import io.sage4j.backend.Backends;
import io.sage4j.backend.DeviceBackend;
import io.sage4j.backend.PackedRequest;
import io.sage4j.backend.Selection;
import io.sage4j.cuda.CudaStream;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.plan.HeavyTails;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Quantized attention. Thread-safe: calls from several threads run side by side. Plans and buffers of recent shapes are
 * kept and used again until {@link #close()}.
 *
 * <p>Backend {@code cuda}, by name or by {@code auto}, also takes tensors in the memory of its GPU ({@link Tensor#ofDevice}), on which nothing is copied:
 * {@link #attend} waits for the result, {@link #enqueue} and {@link #prepare} work on a stream of the caller's and return at
 * once.
 *
 * <pre>{@code
 * try (Sage sage = Sage.open()) {
 *     AttentionResult r = sage.attend(q, k, v);
 *     float[] o = r.output().toFloatArray();
 * }
 * }</pre>
 */
public final class Sage implements AutoCloseable {
    /**
     * A way to run attention.
     *
     * @param name name for {@link #open(String)}
     * @param available whether it can run here
     * @param detail what it runs on, or why it cannot run
     */
    public record Backend(String name, boolean available, String detail) {}

    private final Selection backends;
    private final AtomicBoolean closed = new AtomicBoolean();

    Sage(Selection backends) {
        this.backends = backends;
    }

    /**
     * Opens backend {@code auto}: each call runs on the fastest backend here that takes it, in the order of {@link #backends()},
     * and its result says on which and why not on a faster one. A backend starts for the first call that it takes. What fails
     * while it runs fails the call: there is no second try elsewhere.
     */
    public static Sage open() {
        return open(Backends.AUTO);
    }

    /**
     * Opens a backend by name, or fails with the reason; then all calls run there or fail.
     *
     * @param backend a name from {@link #backends()}, or {@code auto} ({@link #open()}); {@code cuda:1} is the driver's second GPU, and so on
     * @throws SageException if it is unknown or cannot run here
     */
    public static Sage open(String backend) {
        return new Sage(Backends.open(SageException.requireArgument(backend, "backend")));
    }

    /** All backends, fastest first, and why some cannot run here. */
    public static List<Backend> backends() {
        return Backends.candidates().stream()
                .map(c -> new Backend(
                        c.name(), c.unavailable().isEmpty(), c.unavailable().orElse(c.detail())))
                .toList();
    }

    /**
     * Name of the backend in use; of {@code auto} the fastest that can run here. A call that it does not take runs on
     * another one: {@link AttentionResult#backend()}.
     */
    public String backend() {
        return backends.fastestName();
    }

    /** Why this backend is in use and not a faster one. */
    public String backendReason() {
        return backends.fastestReason();
    }

    /** {@link #attend(Tensor, Tensor, Tensor, AttentionSpec)} with {@link AttentionSpec#defaults()}. */
    public AttentionResult attend(Tensor q, Tensor k, Tensor v) {
        return attend(q, k, v, AttentionSpec.defaults());
    }

    /**
     * Attention into a new output tensor.
     *
     * @param q queries, [batch, num_heads, qo_len, head_dim] in the spec's layout; FP32, FP16 or BF16
     * @param k keys, [batch, num_kv_heads, kv_len, head_dim], type of q; num_heads is a multiple of num_kv_heads
     * @param v values, shape and type of k
     * @param spec what to compute
     * @return output of q's shape and type, and what else was asked for; in GPU memory where the inputs are, then to be given
     *     back with {@link #free}
     * @throws SageException if an argument does not fit, or the backend fails
     */
    public AttentionResult attend(Tensor q, Tensor k, Tensor v, AttentionSpec spec) {
        return run(q, k, v, spec, null);
    }

    /**
     * Attention into the caller's output tensor.
     *
     * @param out shape and type of q, any strides; must not share memory with the inputs. Undefined if the call fails
     * @throws SageException if an argument does not fit, or the backend fails
     */
    public AttentionResult attend(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out) {
        return run(q, k, v, spec, SageException.requireArgument(out, "out"));
    }

    /**
     * {@link #attendPacked(Tensor, Tensor, Tensor, int[], int[], AttentionSpec, Tensor)} into a new output tensor, which is in
     * GPU memory where the inputs are, then to be given back with {@link #free}.
     */
    public PackedResult attendPacked(
            Tensor q, Tensor k, Tensor v, int[] cuSeqlensQ, int[] cuSeqlensK, AttentionSpec spec) {
        return packed(q, k, v, cuSeqlensQ, cuSeqlensK, spec, null);
    }

    /**
     * Attention of sequences of different lengths that lie behind each other without padding, each for itself: upstream's
     * {@code sageattn_varlen}, with K's mean and all scales those of a sequence alone, and any variant. Sequence {@code i} is
     * rows {@code cuSeqlensQ[i]} to {@code cuSeqlensQ[i + 1]} (exclusive) of q and out, and likewise of k and v.
     *
     * @param q queries of all sequences, [1, num_heads, tokens, head_dim] in the spec's layout; FP32, FP16 or BF16
     * @param k keys of all sequences, [1, num_kv_heads, tokens, head_dim]
     * @param v values, shape and type of k
     * @param cuSeqlensQ starts of the sequences in q and, last, q's tokens: from 0, never falling; equal neighbours are an
     *     empty sequence
     * @param cuSeqlensK the same for k and v, as long
     * @param spec what to compute; causal alignment is that of each sequence. No mask
     * @param out shape and type of q, any strides; must not share memory with the inputs. Undefined if the call fails
     * @return the output, and of each sequence what {@link #attend} gives
     * @throws SageException if an argument does not fit (then nothing was written), or the backend fails
     */
    public PackedResult attendPacked(
            Tensor q, Tensor k, Tensor v, int[] cuSeqlensQ, int[] cuSeqlensK, AttentionSpec spec, Tensor out) {
        return packed(q, k, v, cuSeqlensQ, cuSeqlensK, spec, SageException.requireArgument(out, "out"));
    }

    private PackedResult packed(
            Tensor q, Tensor k, Tensor v, int[] cuSeqlensQ, int[] cuSeqlensK, AttentionSpec spec, Tensor givenOut) {
        requireOpen();
        ArgumentCheck.inputs(q, k, v, spec, backends);
        ArgumentCheck.packed(q, k, cuSeqlensQ, cuSeqlensK, spec);
        if (givenOut != null) {
            ArgumentCheck.readable("out", givenOut, backends);
            ArgumentCheck.output(givenOut, q, k, v, spec);
        }
        Tensor out = givenOut != null ? givenOut : allocateLike(q, q.dtype(), q.shape());
        List<AttentionResult> results = new ArrayList<>();
        try {
            for (Sequence each : sequences(q, k, v, out, cuSeqlensQ, cuSeqlensK, spec.layout())) {
                results.add(run(each.q, each.k, each.v, spec, each.out));
            }
            return new PackedResult(out, results);
        } catch (RuntimeException | Error e) {
            release(givenOut == null ? out : null);
            results.forEach(r -> release(r.lse().orElse(null)));
            throw e;
        }
    }

    /** What one of packed sequences has of each tensor. */
    private record Sequence(Tensor q, Tensor k, Tensor v, Tensor out) {}

    private static List<Sequence> sequences(
            Tensor q, Tensor k, Tensor v, Tensor out, int[] cuSeqlensQ, int[] cuSeqlensK, Layout layout) {
        int axis = layout.tokenAxis();
        List<Sequence> sequences = new ArrayList<>();
        for (int i = 0; i + 1 < cuSeqlensQ.length; i++) {
            sequences.add(new Sequence(
                    q.slice(axis, cuSeqlensQ[i], cuSeqlensQ[i + 1]),
                    k.slice(axis, cuSeqlensK[i], cuSeqlensK[i + 1]),
                    v.slice(axis, cuSeqlensK[i], cuSeqlensK[i + 1]),
                    out.slice(axis, cuSeqlensQ[i], cuSeqlensQ[i + 1])));
        }
        return sequences;
    }

    private AttentionResult run(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor givenOut) {
        requireOpen();
        AttentionShape shape = ArgumentCheck.inputs(q, k, v, spec, backends);
        if (givenOut != null) {
            ArgumentCheck.readable("out", givenOut, backends);
            ArgumentCheck.output(givenOut, q, k, v, spec);
        }
        long start = System.nanoTime();
        Tensor out = givenOut != null ? givenOut : allocateLike(q, q.dtype(), q.shape());
        Tensor lse = null;
        try {
            lse = spec.lse() ? allocateLike(q, DType.FLOAT32, lseShape(shape)) : null;
            Tensor sums = lse;
            Selection.Route route = backends.route(
                    on -> request(on, shape, choice(on, spec, shape).variant(), q, k, v, spec, out, sums));
            AttentionBackend backend = route.backend();
            BackendRules.Choice choice = choice(backend, spec, shape);
            Variant wanted = choice.variant();
            boolean onHost = !backend.watchesV() && spec.watchesV() && HeavyTails.canLook(v, wanted);
            long onHostFound = onHost ? HeavyTails.count(v, spec.layout(), shape, wanted.scheme()) : -1;
            Variant started = onHostFound > 0 ? HeavyTails.fallback(wanted) : wanted;
            AttentionBackend.Execution done = backend.attend(request(backend, shape, started, q, k, v, spec, out, lse));
            NumericReport report = onHost ? done.report().withHeavyVChannels(onHostFound) : done.report();
            return new AttentionResult(
                    out,
                    lse,
                    done.steps(),
                    System.nanoTime() - start,
                    backend.name(),
                    route.reason(),
                    report,
                    wanted,
                    choice.reason(),
                    done.inputs());
        } catch (RuntimeException | Error e) {
            release(givenOut == null ? out : null);
            release(lse);
            throw e;
        }
    }

    /**
     * The variant that a spec without one gets on {@link #backend()}: on {@code cuda} what is best for the GPU, on the others {@link
     * Variant#INT8_FP8_F16ACC}.
     *
     * @param headDim channels, 1 to 256
     * @throws SageException if there are not so many
     */
    public Variant variantFor(int headDim) {
        if (headDim < 1 || headDim > AttentionShape.MAX_HEAD_DIM) {
            throw new SageException("head_dim is " + headDim + ", expected 1.." + AttentionShape.MAX_HEAD_DIM);
        }
        return backends.fastestRules().variantFor(headDim).variant();
    }

    private static BackendRules.Choice choice(BackendRules backend, AttentionSpec spec, AttentionShape shape) {
        return spec.variant()
                .map(variant -> new BackendRules.Choice(variant, "asked for by name"))
                .orElseGet(() -> backend.variantFor(shape.headDim()));
    }

    private static AttentionRequest request(
            BackendRules backend,
            AttentionShape shape,
            Variant variant,
            Tensor q,
            Tensor k,
            Tensor v,
            AttentionSpec spec,
            Tensor out,
            Tensor lse) {
        return new AttentionRequest(
                shape,
                variant,
                backend.watchesV() && spec.watchesV() && HeavyTails.applies(variant),
                spec.layout(),
                spec.causal().diagonal(shape.qoLen(), shape.kvLen()),
                (float) spec.smScale().orElse(1 / Math.sqrt(shape.headDim())),
                q,
                k,
                v,
                spec.mask().orElse(null),
                out,
                lse);
    }

    static long[] lseShape(AttentionShape shape) {
        return new long[] {shape.batch(), shape.qHeads(), shape.qoLen(), 1};
    }

    private Tensor allocateLike(Tensor q, DType dtype, long[] shape) {
        return q.isOnDevice() ? allocate(dtype, shape) : Tensor.allocate(dtype, shape);
    }

    private void release(Tensor tensor) {
        if (tensor != null && tensor.isOnDevice()) {
            free(tensor);
        }
    }

    /**
     * Queues attention on tensors in GPU memory on a stream and returns; the output is there once the stream has done it.
     * {@link #enqueue(Tensor, Tensor, Tensor, AttentionSpec, Tensor, Tensor, GpuStream)} without log-sum-exp.
     */
    public void enqueue(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out, GpuStream stream) {
        enqueue(q, k, v, spec, out, null, stream);
    }

    /**
     * Queues attention on tensors in GPU memory on a stream and returns. Scratch memory comes from a pool in the order of
     * the stream, so calls on any streams may follow each other without waiting. Once a call of the same sizes, strides and
     * spec has run, it may be captured into a CUDA graph of the caller's. For calls that repeat on the same tensors,
     * {@link #prepare} takes less time, and tells what ran where V turns out too heavy-tailed for FP16 sums.
     *
     * @param q queries, see {@link #attend(Tensor, Tensor, Tensor, AttentionSpec)}; like all here in the GPU's memory
     * @param k keys
     * @param v values
     * @param spec what to compute
     * @param out output, shape and type of q, any strides; undefined until the stream has done it
     * @param lse log-sum-exp, contiguous FP32 [batch, num_heads, qo_len, 1], if the spec asks for it; else null
     * @param stream a stream of this Sage
     * @throws SageException if an argument does not fit, or the backend has no such tensors; nothing was queued then
     */
    public void enqueue(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out, Tensor lse, GpuStream stream) {
        DeviceBackend device = device();
        AttentionShape shape = ArgumentCheck.queued(q, k, v, spec, out, lse, backends);
        device.enqueue(
                request(device, shape, choice(device, spec, shape).variant(), q, k, v, spec, out, lse),
                SageException.requireArgument(stream, "stream").of(this));
    }

    /**
     * {@link #enqueuePacked(Tensor, Tensor, Tensor, int[], int[], AttentionSpec, Tensor, List, GpuStream)} without log-sum-exp.
     */
    public void enqueuePacked(
            Tensor q,
            Tensor k,
            Tensor v,
            int[] cuSeqlensQ,
            int[] cuSeqlensK,
            AttentionSpec spec,
            Tensor out,
            GpuStream stream) {
        enqueuePacked(q, k, v, cuSeqlensQ, cuSeqlensK, spec, out, null, stream);
    }

    /**
     * Queues attention of sequences that lie behind each other without padding, tensors in GPU memory, on a stream and returns: {@link
     * #attendPacked} as {@link #enqueue} does it. On Hopper all sequences mostly go with one launch of each kernel; their numbers are those of calls of their
     * own, but for the rounding of rows whose keys such a call would split. Elsewhere short sequences run side by side, on streams that what the stream gets later
     * waits for; while the stream is being captured they run one behind the other.
     *
     * @param q queries of all sequences, [1, num_heads, tokens, head_dim] in the spec's layout; like all here in the GPU's memory
     * @param k keys of all sequences
     * @param v values of all sequences
     * @param cuSeqlensQ starts of the sequences in q and, last, q's tokens, in host memory
     * @param cuSeqlensK the same for k and v
     * @param spec what to compute; no mask
     * @param out output, shape and type of q, any strides; undefined until the stream has done it
     * @param lse for each sequence contiguous FP32 [1, num_heads, tokens of the sequence, 1], if the spec asks for it; else null
     * @param stream a stream of this Sage
     * @throws SageException if an argument does not fit, or the backend has no such tensors; nothing was queued then
     */
    public void enqueuePacked(
            Tensor q,
            Tensor k,
            Tensor v,
            int[] cuSeqlensQ,
            int[] cuSeqlensK,
            AttentionSpec spec,
            Tensor out,
            List<Tensor> lse,
            GpuStream stream) {
        DeviceBackend device = device();
        AttentionShape all = ArgumentCheck.inputs(q, k, v, spec, backends);
        ArgumentCheck.packed(q, k, cuSeqlensQ, cuSeqlensK, spec);
        ArgumentCheck.queuedOutput(q, k, v, spec, out, backends);
        ArgumentCheck.packedLse(lse, cuSeqlensQ.length - 1);
        for (int i = 0; i + 1 < cuSeqlensQ.length; i++) {
            Tensor sums = lse == null ? null : lse.get(i);
            AttentionShape shape = all.ofTokens(cuSeqlensQ[i + 1] - cuSeqlensQ[i], cuSeqlensK[i + 1] - cuSeqlensK[i]);
            ArgumentCheck.queuedLse(sums, shape, q, k, v, spec, out, backends);
        }
        if (lse != null) {
            ArgumentCheck.apart("log-sum-exp", lse);
        }
        CudaStream on = SageException.requireArgument(stream, "stream").of(this);
        Variant variant = choice(device, spec, all).variant();
        AttentionRequest together = request(device, all, variant, q, k, v, spec, out, null);
        if (device.enqueue(new PackedRequest(together, cuSeqlensQ, cuSeqlensK, spec.causal(), lse), on)) {
            return;
        }
        List<AttentionRequest> requests = new ArrayList<>();
        for (Sequence each : sequences(q, k, v, out, cuSeqlensQ, cuSeqlensK, spec.layout())) {
            AttentionShape shape = ArgumentCheck.shape(each.q, each.k, each.v, spec.layout());
            Tensor sums = lse == null ? null : lse.get(requests.size());
            requests.add(request(device, shape, variant, each.q, each.k, each.v, spec, each.out, sums));
        }
        device.enqueue(requests, on);
    }

    /**
     * Lays out a call on tensors in GPU memory, to be queued again and again with {@link AttentionCall#enqueue}.
     *
     * @param q queries
     * @param k keys
     * @param v values
     * @param spec what to compute
     * @param out output, shape and type of q, any strides
     * @param lse log-sum-exp, contiguous FP32 [batch, num_heads, qo_len, 1], if the spec asks for it; else null
     * @param stream a stream of this Sage, which stays open as long as the call
     * @param graph whether the kernels are captured into a CUDA graph, which then starts as one; such a call cannot be
     *     captured by the caller
     * @throws SageException if an argument does not fit, or the backend has no such tensors
     */
    public AttentionCall prepare(
            Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out, Tensor lse, GpuStream stream, boolean graph) {
        DeviceBackend device = device();
        AttentionShape shape = ArgumentCheck.queued(q, k, v, spec, out, lse, backends);
        Variant variant = choice(device, spec, shape).variant();
        DeviceBackend.Prepared prepared = device.prepare(
                request(device, shape, variant, q, k, v, spec, out, lse),
                SageException.requireArgument(stream, "stream").of(this),
                graph);
        return new AttentionCall(this, prepared, variant, out, lse);
    }

    /** A new stream of the backend's GPU. Close it after its last use; {@link #close()} closes what is left. */
    public GpuStream newStream() {
        return new GpuStream(this, device().newStream());
    }

    /**
     * A stream of the caller's, of the GPU's primary context.
     *
     * @param handle the CUstream; 0 is the default stream. It must stay as long as it is used here
     */
    public GpuStream stream(long handle) {
        return new GpuStream(this, device().wrapStream(handle));
    }

    /**
     * A new contiguous tensor in the GPU's memory, not zeroed. It lives until {@link #free} or {@link #close()}: it is not
     * freed when it is no longer reachable.
     *
     * @throws SageException if there is no memory for it, or the backend has no GPU
     */
    public Tensor allocate(DType dtype, long... shape) {
        return device().allocate(SageException.requireArgument(dtype, "dtype"), shape);
    }

    /**
     * Gives back a tensor of {@link #allocate}, or an output or log-sum-exp that {@link #attend} allocated in GPU memory.
     * Waits for the GPU.
     *
     * @throws SageException if it is none of them, or was given back already
     */
    public void free(Tensor tensor) {
        device().free(SageException.requireArgument(tensor, "tensor"));
    }

    /**
     * Copies the elements of a contiguous tensor into another of the same shape and type, host or GPU memory each, and waits
     * for it. What is queued on streams is not waited for.
     *
     * @throws SageException if they differ or one is not contiguous
     */
    public void copy(Tensor from, Tensor to) {
        DeviceBackend device = device();
        ArgumentCheck.readable("from", from, backends);
        ArgumentCheck.readable("to", to, backends);
        if (from.dtype() != to.dtype() || !Arrays.equals(from.shape(), to.shape())) {
            throw new SageException("cannot copy " + from + " to " + to + ", expected equal shapes and types");
        }
        if (!from.isContiguous() || !to.isContiguous()) {
            throw new SageException("copying takes contiguous tensors; the strides are "
                    + Arrays.toString(from.strides()) + " and " + Arrays.toString(to.strides()));
        }
        ArgumentCheck.writable("to", to);
        ArgumentCheck.apart("to", to, from);
        device.copy(from, to);
    }

    private DeviceBackend device() {
        requireOpen();
        return backends.device();
    }

    void requireOpen() {
        if (closed.get()) {
            throw new SageException("this Sage is closed; open a new one");
        }
    }

    /**
     * Frees the plans and their buffers, and on a GPU waits for it and frees what was made here and is still open: calls,
     * streams, tensors. Closing twice is harmless; a call after it fails.
     */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            backends.close();
        }
    }
}
