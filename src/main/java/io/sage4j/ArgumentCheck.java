package io.sage4j;

import io.sage4j.backend.Selection;
import io.sage4j.numeric.AttentionShape;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/** Checks of what a caller passes; everything that follows relies on them. */
final class ArgumentCheck {
    private ArgumentCheck() {}

    /** Checks what is read, and where it is. */
    static AttentionShape inputs(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Selection backends) {
        SageException.requireArgument(spec, "spec");
        readable("q", q, backends);
        readable("k", k, backends);
        readable("v", v, backends);
        AttentionShape shape = shape(q, k, v, spec.layout());
        if (spec.mask().isPresent()) {
            mask(spec.mask().get(), shape, backends);
        }
        return shape;
    }

    /** Checks the starts of packed sequences. */
    static void packed(Tensor q, Tensor k, int[] cuSeqlensQ, int[] cuSeqlensK, AttentionSpec spec) {
        if (q.size(0) != 1) {
            throw new SageException("packed q is " + q + ", expected batch 1: the sequences lie along the tokens");
        }
        if (spec.mask().isPresent()) {
            throw new SageException(
                    "the spec has a mask, expected none for packed sequences; call attend on a slice of each");
        }
        int axis = spec.layout().tokenAxis();
        starts("cu_seqlens_q", cuSeqlensQ, q.size(axis));
        starts("cu_seqlens_k", cuSeqlensK, k.size(axis));
        if (cuSeqlensQ.length != cuSeqlensK.length) {
            throw new SageException("cu_seqlens_q has " + cuSeqlensQ.length + " numbers, cu_seqlens_k "
                    + cuSeqlensK.length + "; expected as many");
        }
    }

    private static void starts(String name, int[] starts, long tokens) {
        int count = SageException.requireArgument(starts, name).length;
        if (count < 2 || starts[0] != 0 || starts[count - 1] != tokens) {
            throw new SageException(
                    name + " is " + Arrays.toString(starts) + ", expected 0 first and the " + tokens + " tokens last");
        }
        for (int i = 1; i < count; i++) {
            if (starts[i] < starts[i - 1]) {
                throw new SageException(name + " falls from " + starts[i - 1] + " to " + starts[i] + " at position " + i
                        + ", expected starts that never fall");
            }
        }
    }

    /** Checks all of a call that is queued. */
    static AttentionShape queued(
            Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out, Tensor lse, Selection backends) {
        AttentionShape shape = inputs(q, k, v, spec, backends);
        queuedOutput(q, k, v, spec, out, backends);
        queuedLse(lse, shape, q, k, v, spec, out, backends);
        return shape;
    }

    /** Checks the log-sum-exp of a call that is queued; the other tensors are checked, and may be more than the call takes. */
    static void queuedLse(
            Tensor lse,
            AttentionShape shape,
            Tensor q,
            Tensor k,
            Tensor v,
            AttentionSpec spec,
            Tensor out,
            Selection backends) {
        if (spec.lse() != (lse != null)) {
            throw new SageException(
                    spec.lse()
                            ? "the spec asks for the log-sum-exp, expected a tensor for it"
                            : "the spec does not ask for the log-sum-exp, expected no tensor for it");
        }
        if (lse != null) {
            readable("lse", lse, backends);
            place("lse", lse, q);
            if (lse.dtype() != DType.FLOAT32
                    || !Arrays.equals(lse.shape(), Sage.lseShape(shape))
                    || !lse.isContiguous()) {
                throw new SageException("lse is " + lse + " with strides " + Arrays.toString(lse.strides())
                        + ", expected contiguous float32" + Arrays.toString(Sage.lseShape(shape)));
            }
            for (Tensor other : new Tensor[] {q, k, v, out}) {
                apart("lse", lse, other);
            }
        }
    }

    /** Checks the output of a call that is queued, and that it can be. */
    static void queuedOutput(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out, Selection backends) {
        if (!q.isOnDevice()) {
            throw new SageException("q is in host memory, expected GPU memory to queue work on; use attend");
        }
        readable("out", SageException.requireArgument(out, "out"), backends);
        output(out, q, k, v, spec);
    }

    /** Checks how many tensors there are for the log-sum-exp of packed sequences. */
    static void packedLse(List<Tensor> lse, int sequences) {
        if (lse != null && lse.size() != sequences) {
            throw new SageException("there are " + lse.size()
                    + " tensors for the log-sum-exp, expected one for each of the " + sequences + " sequences");
        }
    }

    /** Checks that checked tensors in GPU memory share none of it. */
    static void apart(String name, List<Tensor> onDevice) {
        List<Tensor> sorted = onDevice.stream()
                .filter(t -> t.size() > 0)
                .sorted(Comparator.comparingLong(Tensor::address))
                .toList();
        for (int i = 1; i < sorted.size(); i++) {
            if (sorted.get(i).address() < end(sorted.get(i - 1))) {
                throw new SageException("two tensors for the " + name + " share memory; give each memory of its own");
            }
        }
    }

    private static void place(String name, Tensor t, Tensor q) {
        if (t.isOnDevice() != q.isOnDevice()) {
            throw new SageException(name + " is " + where(t) + ", q is " + where(q) + "; expected one place");
        }
    }

    private static String where(Tensor t) {
        return t.isOnDevice() ? "in GPU memory" : "in host memory";
    }

    static AttentionShape shape(Tensor q, Tensor k, Tensor v, Layout layout) {
        place("k", k, q);
        place("v", v, q);
        if (!q.dtype().isFloat()) {
            throw new SageException("q has type " + q.dtype() + ", expected one of " + DType.floats());
        }
        same("k", k.dtype(), "q", q.dtype());
        same("v", v.dtype(), "q", q.dtype());
        if (!Arrays.equals(k.shape(), v.shape())) {
            throw new SageException("k is " + k + " and v is " + v + ", expected equal shapes");
        }
        if (q.size(0) != k.size(0)) {
            throw new SageException("q has batch " + q.size(0) + ", k has batch " + k.size(0) + ", expected the same");
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

    static void readable(String name, Tensor t, Selection backends) {
        if (SageException.requireArgument(t, name).isOnDevice()) {
            backends.whyNoDevice().ifPresent(why -> {
                throw new SageException(
                        name + " is in GPU memory, which backend " + backends.name() + " does not reach" + why);
            });
            int gpu = backends.device().gpu();
            if (gpu != t.gpu()) {
                throw new SageException(name + " is on GPU " + t.gpu() + ", this Sage works on GPU " + gpu);
            }
            return;
        }
        MemorySegment data = t.data();
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

    static void mask(Tensor mask, AttentionShape shape, Selection backends) {
        readable("mask", mask, backends);
        long[] full = {shape.batch(), shape.qHeads(), shape.qoLen(), shape.kvLen()};
        for (int i = 0; i < Tensor.RANK; i++) {
            if (mask.size(i) != 1 && mask.size(i) != full[i]) {
                throw new SageException("the mask is " + mask + ", expected sizes that broadcast to "
                        + Arrays.toString(full) + " [batch, num_heads, qo_len, kv_len]");
            }
        }
    }

    static void writable(String name, Tensor t) {
        if (!t.isOnDevice() && t.data().isReadOnly()) {
            throw new SageException(name + " is read-only memory");
        }
    }

    static void output(Tensor out, Tensor q, Tensor k, Tensor v, AttentionSpec spec) {
        place("out", out, q);
        if (out.dtype() != q.dtype() || !Arrays.equals(out.shape(), q.shape())) {
            throw new SageException("out is " + out + ", expected " + q + " as q");
        }
        writable("out", out);
        for (Tensor in : new Tensor[] {q, k, v, spec.mask().orElse(null)}) {
            apart("out", out, in);
        }
        if (out.size() > 0) {
            elementsApart(out);
        }
    }

    private static void elementsApart(Tensor out) {
        long[][] byStride = new long[Tensor.RANK][];
        for (int i = 0; i < Tensor.RANK; i++) {
            byStride[i] = new long[] {out.stride(i), out.size(i)};
        }
        Arrays.sort(byStride, (a, b) -> Long.compare(a[0], b[0]));
        long reach = 1;
        for (long[] axis : byStride) {
            if (axis[1] > 1 && axis[0] < reach) {
                throw new SageException("strides " + Arrays.toString(out.strides()) + " of out let elements overlap");
            }
            reach += (axis[1] - 1) * axis[0];
        }
    }

    static void apart(String name, Tensor out, Tensor in) {
        if (in == null || out.isOnDevice() != in.isOnDevice()) {
            return;
        }
        boolean shared = out.isOnDevice()
                ? out.address() < end(in) && in.address() < end(out)
                : occupied(out).asOverlappingSlice(occupied(in)).isPresent();
        if (shared) {
            throw new SageException(name + " shares memory with an input; give it memory of its own");
        }
    }

    private static long end(Tensor t) {
        return t.address() + t.span() * t.dtype().bytes();
    }

    private static MemorySegment occupied(Tensor t) {
        return t.data().asSlice(0, t.span() * t.dtype().bytes());
    }
}
