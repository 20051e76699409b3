package io.sage4j;

import io.sage4j.backend.AttentionBackend;
import io.sage4j.backend.AttentionRequest;
import io.sage4j.backend.Backends;
import io.sage4j.numeric.AttentionShape;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Quantized attention. Thread-safe: calls from several threads run side by side. Plans and buffers of recent shapes are
 * kept and used again until {@link #close()}.
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

    private final AttentionBackend backend;
    private final String reason;
    private final AtomicBoolean closed = new AtomicBoolean();

    private Sage(Backends.Choice choice) {
        backend = choice.backend();
        reason = choice.reason();
    }

    /** Opens the fastest backend that can run here; the result says which and why not a faster one. */
    public static Sage open() {
        return open(Backends.AUTO);
    }

    /**
     * Opens a backend by name, or fails with the reason; there is no silent fallback.
     *
     * @param backend a name from {@link #backends()}, or {@code auto}
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

    /** Name of the backend in use. */
    public String backend() {
        return backend.name();
    }

    /** Why this backend is in use and not a faster one. */
    public String backendReason() {
        return reason;
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
     * @return output of q's shape and type, and what else was asked for
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

    private AttentionResult run(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor givenOut) {
        if (closed.get()) {
            throw new SageException("this Sage is closed; open a new one");
        }
        SageException.requireArgument(spec, "spec");
        AttentionShape shape = ArgumentCheck.shape(q, k, v, spec.layout());
        spec.mask().ifPresent(m -> ArgumentCheck.mask(m, shape));
        if (givenOut != null) {
            ArgumentCheck.output(givenOut, q);
            for (Tensor in : new Tensor[] {q, k, v, spec.mask().orElse(null)}) {
                ArgumentCheck.apart(givenOut, in);
            }
        }
        long start = System.nanoTime();
        Tensor out = givenOut != null ? givenOut : Tensor.allocate(q.dtype(), q.shape());
        Tensor lse =
                spec.lse() ? Tensor.allocate(DType.FLOAT32, shape.batch(), shape.qHeads(), shape.qoLen(), 1) : null;
        float smScale = (float) spec.smScale().orElse(1 / Math.sqrt(shape.headDim()));
        AttentionBackend.Execution done = backend.attend(new AttentionRequest(
                shape,
                spec.variant(),
                spec.layout(),
                spec.causal().diagonal(shape.qoLen(), shape.kvLen()),
                smScale,
                q,
                k,
                v,
                spec.mask().orElse(null),
                out,
                lse));
        return new AttentionResult(
                out, lse, done.steps(), System.nanoTime() - start, backend.name(), reason, done.report());
    }

    /** Frees the plans and their buffers. Closing twice is harmless; a call after it fails. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            backend.close();
        }
    }

    /** Checks of what a caller passes; everything that follows relies on them. */
    private static final class ArgumentCheck {
        static AttentionShape shape(Tensor q, Tensor k, Tensor v, Layout layout) {
            readable("q", q);
            readable("k", k);
            readable("v", v);
            if (!q.dtype().isFloat()) {
                throw new SageException("q has type " + q.dtype() + ", expected one of " + DType.floats());
            }
            same("k", k.dtype(), "q", q.dtype());
            same("v", v.dtype(), "q", q.dtype());
            if (!Arrays.equals(k.shape(), v.shape())) {
                throw new SageException("k is " + k + " and v is " + v + ", expected equal shapes");
            }
            if (q.size(0) != k.size(0)) {
                throw new SageException(
                        "q has batch " + q.size(0) + ", k has batch " + k.size(0) + ", expected the same");
            }
            if (q.size(3) != k.size(3)) {
                throw new SageException(
                        "q has head_dim " + q.size(3) + ", k has head_dim " + k.size(3) + ", expected the same");
            }
            try {
                return new AttentionShape(
                        Math.toIntExact(q.size(0)),
                        Math.toIntExact(q.size(layout.headAxis())),
                        Math.toIntExact(k.size(layout.headAxis())),
                        Math.toIntExact(q.size(layout.tokenAxis())),
                        Math.toIntExact(k.size(layout.tokenAxis())),
                        Math.toIntExact(q.size(3)));
            } catch (IllegalArgumentException e) {
                throw new SageException(e.getMessage() + " (q is " + q + ", k is " + k + ", layout " + layout + ")", e);
            } catch (ArithmeticException e) {
                throw new SageException("a dimension of q " + q + " or k " + k + " exceeds 2^31 - 1", e);
            }
        }

        private static void readable(String name, Tensor t) {
            MemorySegment data = SageException.requireArgument(t, name).data();
            if (!data.scope().isAlive()) {
                throw new SageException(name + " is in memory that was freed: its arena is closed");
            }
            if (!data.isAccessibleBy(Thread.currentThread())) {
                throw new SageException(name + " is in memory of another thread's confined arena; use a shared arena");
            }
        }

        private static void same(String name, DType found, String other, DType expected) {
            if (found != expected) {
                throw new SageException(name + " has type " + found + ", expected " + expected + " as " + other);
            }
        }

        static void mask(Tensor mask, AttentionShape shape) {
            readable("mask", mask);
            long[] full = {shape.batch(), shape.qHeads(), shape.qoLen(), shape.kvLen()};
            for (int i = 0; i < Tensor.RANK; i++) {
                if (mask.size(i) != 1 && mask.size(i) != full[i]) {
                    throw new SageException("the mask is " + mask + ", expected sizes that broadcast to "
                            + Arrays.toString(full) + " [batch, num_heads, qo_len, kv_len]");
                }
            }
        }

        static void output(Tensor out, Tensor q) {
            readable("out", out);
            if (out.dtype() != q.dtype() || !Arrays.equals(out.shape(), q.shape())) {
                throw new SageException("out is " + out + ", expected " + q + " as q");
            }
            if (out.data().isReadOnly()) {
                throw new SageException("out is read-only memory");
            }
            long[][] byStride = new long[Tensor.RANK][];
            for (int i = 0; i < Tensor.RANK; i++) {
                byStride[i] = new long[] {out.stride(i), out.size(i)};
            }
            Arrays.sort(byStride, (a, b) -> Long.compare(a[0], b[0]));
            long reach = 1;
            for (long[] axis : byStride) {
                if (axis[1] > 1 && axis[0] < reach) {
                    throw new SageException(
                            "strides " + Arrays.toString(out.strides()) + " of out let elements overlap");
                }
                reach += (axis[1] - 1) * axis[0];
            }
        }

        static void apart(Tensor out, Tensor in) {
            if (in != null && occupied(out).asOverlappingSlice(occupied(in)).isPresent()) {
                throw new SageException("out shares memory with an input; give it memory of its own");
            }
        }

        private static MemorySegment occupied(Tensor t) {
            return t.data().asSlice(0, t.span() * t.dtype().bytes());
        }
    }
}
