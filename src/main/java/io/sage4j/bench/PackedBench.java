package io.sage4j.bench;

import io.sage4j.AttentionSpec;
import io.sage4j.DType;
import io.sage4j.GpuStream;
import io.sage4j.Layout;
import io.sage4j.Sage;
import io.sage4j.SageException;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaStream;
import io.sage4j.cuda.DriverSearch;
import io.sage4j.oracle.Metrics;
import java.io.PrintStream;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.locks.LockSupport;

/**
 * Times packed sequences on backend {@code cuda}: {@code java -cp ... io.sage4j.bench.PackedBench VARIANT CALL...}, where CALL is
 * {@code HEADS/KV_HEADS/HEAD_DIM/none|top-left|bottom-right/RUNS/LENGTH,LENGTH...}, LENGTH being {@code N}, {@code NxCOUNT} or, for other
 * lengths of queries and keys, {@code Q:K} or {@code Q:KxCOUNT}. FP16, N(0, 1), [tokens, heads, head_dim]; a line of JSON for each call: medians of the
 * stream's time from the end of one {@code enqueuePacked} to the end of the next, one right behind the other, of the host's time for each, and, where
 * all sequences are alike, of one {@code enqueue} of them as a batch.
 */
public final class PackedBench {
    /** As long as the JVM takes to compile the way to the driver. */
    private static final long FIRST_NANOS = 1_500_000_000;

    private static final long WARMUP_NANOS = 100_000_000;

    private static final int DRAWN = 1 << 22;
    private static final long REST_NANOS = 100_000_000;
    /** Relative L1 from a call of a sequence's own, which may split keys. */
    private static final double MOST_L1 = 0.06;

    private static final int CHECKED = 3;

    private final Sage sage;
    private final CudaContext context;
    private final CudaStream stream;
    private final GpuStream ours;
    private final SplittableRandom random = new SplittableRandom(42);
    private final List<Tensor> made = new ArrayList<>();
    private boolean isWarm;

    private PackedBench(Sage sage, CudaContext context, CudaStream stream, GpuStream ours) {
        this.sage = sage;
        this.context = context;
        this.stream = stream;
        this.ours = ours;
    }

    /** Runs it. */
    public static void main(String[] arguments) {
        try {
            run(arguments, System.out);
        } catch (SageException e) {
            System.err.println("sage4j: " + e.getMessage());
            System.exit(2);
        }
    }

    static void run(String[] arguments, PrintStream out) {
        if (arguments.length < 2) {
            throw new SageException("found " + arguments.length + " arguments, expected VARIANT CALL...");
        }
        Variant variant = Variant.of(arguments[0]);
        List<Call> calls = Arrays.stream(arguments).skip(1).map(Call::of).toList();
        try (Sage sage = Sage.open("cuda");
                CudaContext context = DriverSearch.here()
                        .driver()
                        .orElseThrow(() -> new SageException("there is no CUDA driver here"))
                        .device(0)
                        .retainContext();
                CudaStream stream = context.newStream();
                GpuStream ours = sage.stream(stream.handle())) {
            PackedBench bench = new PackedBench(sage, context, stream, ours);
            for (Call call : calls) {
                out.println(bench.measure(variant, call));
            }
        }
    }

    /** What is timed. */
    record Call(String text, int heads, int kvHeads, int dim, AttentionSpec.Causal causal, int runs, int[] q, int[] k) {
        static Call of(String text) {
            String[] parts = text.split("/");
            try {
                if (parts.length != 6) {
                    throw new IllegalArgumentException("not six parts");
                }
                List<Integer> q = new ArrayList<>();
                List<Integer> k = new ArrayList<>();
                for (String length : parts[5].split(",", -1)) {
                    String[] times = length.split("x");
                    String[] both = times[0].split(":");
                    for (int n = times.length == 1 ? 1 : Integer.parseInt(times[1]); n > 0; n--) {
                        q.add(Integer.parseInt(both[0]));
                        k.add(Integer.parseInt(both[both.length - 1]));
                    }
                }
                return new Call(
                        text,
                        Integer.parseInt(parts[0]),
                        Integer.parseInt(parts[1]),
                        Integer.parseInt(parts[2]),
                        AttentionSpec.Causal.valueOf(
                                parts[3].toUpperCase(Locale.ROOT).replace('-', '_')),
                        Integer.parseInt(parts[4]),
                        q.stream().mapToInt(n -> n).toArray(),
                        k.stream().mapToInt(n -> n).toArray());
            } catch (IllegalArgumentException e) {
                throw new SageException(
                        "call is " + text
                                + ", expected HEADS/KV_HEADS/HEAD_DIM/none|top-left|bottom-right/RUNS/LENGTH,LENGTH...",
                        e);
            }
        }

        boolean isUniform() {
            return Arrays.stream(q).distinct().count() == 1
                    && Arrays.stream(k).distinct().count() == 1;
        }
    }

    private static int[] starts(int[] lengths) {
        int[] starts = new int[lengths.length + 1];
        for (int n = 0; n < lengths.length; n++) {
            starts[n + 1] = Math.addExact(starts[n], lengths[n]);
        }
        return starts;
    }

    private String measure(Variant variant, Call call) {
        int[] qStarts = starts(call.q);
        int[] kStarts = starts(call.k);
        int sequences = call.q.length;
        AttentionSpec spec = AttentionSpec.builder()
                .variant(variant)
                .causal(call.causal)
                .layout(Layout.NHD)
                .watchV(false)
                .build();
        try {
            Tensor q = normal(qStarts[sequences], call.heads, call.dim);
            Tensor k = normal(kStarts[sequences], call.kvHeads, call.dim);
            Tensor v = normal(kStarts[sequences], call.kvHeads, call.dim);
            Tensor out = normal(qStarts[sequences], call.heads, call.dim);
            Runnable packed = () -> sage.enqueuePacked(q, k, v, qStarts, kStarts, spec, out, ours);
            Timed all = time(packed, call.runs);
            double l1 = check(q, k, v, out, qStarts, kStarts, spec);
            String dense = "null";
            if (call.isUniform()) {
                Tensor bq = batch(q, sequences);
                Tensor bk = batch(k, sequences);
                Tensor bv = batch(v, sequences);
                Tensor bo = batch(out, sequences);
                dense = String.format(
                        Locale.ROOT, "%.4f", time(() -> sage.enqueue(bq, bk, bv, spec, bo, ours), call.runs).ms);
            }
            return String.format(
                    Locale.ROOT,
                    "{\"call\": \"%s\", \"variant\": \"%s\", \"sequences\": %d, \"tokens\": %d, \"runs\": %d, \"packed_ms\": %.4f,"
                            + " \"host_us\": %.1f, \"batch_ms\": %s, \"l1_from_alone\": %.5f}",
                    call.text,
                    variant.name(),
                    sequences,
                    qStarts[sequences],
                    call.runs,
                    all.ms,
                    all.hostMicros,
                    dense,
                    l1);
        } finally {
            made.forEach(sage::free);
            made.clear();
        }
    }

    /** The same memory as a batch of equal sequences. */
    private static Tensor batch(Tensor t, int sequences) {
        return Tensor.ofDevice(t.address(), t.dtype(), sequences, t.size(1) / sequences, t.size(2), t.size(3));
    }

    private Tensor normal(int tokens, int heads, int dim) {
        short[] drawn = new short[DRAWN];
        for (int n = 0; n < DRAWN; n++) {
            drawn[n] = Float.floatToFloat16((float) random.nextGaussian());
        }
        Tensor t = sage.allocate(DType.FLOAT16, 1, tokens, heads, dim);
        made.add(t);
        for (long n = 0; n < t.size(); n += DRAWN / 2) {
            long count = Math.min(DRAWN / 2, t.size() - n);
            MemorySegment part = MemorySegment.ofArray(drawn).asSlice(2L * random.nextInt(DRAWN / 2), 2 * count);
            sage.copy(
                    Tensor.of(part, DType.FLOAT16, 1, 1, 1, count),
                    Tensor.ofDevice(t.address() + 2 * n, DType.FLOAT16, 1, 1, 1, count));
        }
        return t;
    }

    /** Largest relative L1 of some sequences from calls of their own. */
    private double check(Tensor q, Tensor k, Tensor v, Tensor out, int[] qStarts, int[] kStarts, AttentionSpec spec) {
        double most = 0;
        int sequences = qStarts.length - 1;
        for (int n = 0; n < Math.min(CHECKED, sequences); n++) {
            int i = n * (sequences - 1) / Math.max(1, Math.min(CHECKED, sequences) - 1);
            Tensor there = out.slice(1, qStarts[i], qStarts[i + 1]);
            Tensor alone = sage.allocate(DType.FLOAT16, there.shape());
            made.add(alone);
            sage.enqueue(
                    q.slice(1, qStarts[i], qStarts[i + 1]),
                    k.slice(1, kStarts[i], kStarts[i + 1]),
                    v.slice(1, kStarts[i], kStarts[i + 1]),
                    spec,
                    alone,
                    ours);
            stream.synchronize();
            double l1 = Metrics.of(floats(alone), floats(there)).relativeL1();
            if (!(l1 <= MOST_L1)) {
                throw new SageException("sequence " + i + " is " + l1 + " from a call of its own, relative L1");
            }
            most = Math.max(most, l1);
        }
        return most;
    }

    private float[] floats(Tensor t) {
        Tensor host = Tensor.allocate(t.dtype(), t.shape());
        sage.copy(t, host);
        return host.toFloatArray();
    }

    /** Medians. */
    private record Timed(double ms, double hostMicros) {}

    private Timed time(Runnable call, int runs) {
        long begin = System.nanoTime();
        do {
            call.run();
            call.run();
            stream.synchronize();
        } while (System.nanoTime() - begin < (isWarm ? WARMUP_NANOS : FIRST_NANOS));
        isWarm = true;
        LockSupport.parkNanos(REST_NANOS);
        // The run before the timed ones is not counted here either.
        long[] host = new long[runs + 1];
        int[] started = {0};
        long[] nanos = stream.time(runs, () -> {
            long start = System.nanoTime();
            call.run();
            host[started[0]++] = System.nanoTime() - start;
        });
        long[] timed = Arrays.copyOfRange(host, 1, host.length);
        return new Timed(Times.of(nanos).medianMs(), Times.of(timed).medianMs() * 1000);
    }
}
