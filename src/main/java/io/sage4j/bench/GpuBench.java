package io.sage4j.bench;

import io.sage4j.AttentionCall;
import io.sage4j.AttentionResult;
import io.sage4j.AttentionSpec;
import io.sage4j.DType;
import io.sage4j.GpuStream;
import io.sage4j.Sage;
import io.sage4j.SageException;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.numeric.BFloat16;
import io.sage4j.oracle.Metrics;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.locks.LockSupport;

/**
 * Times one variant on tensors in GPU memory: the GPU's time of a whole call as a graph and without one, each step's, and the time that starting a call
 * takes the calling thread; and checks the output of two heads, on sampled rows, against exact attention.
 *
 * @param variant what is timed
 * @param batch batch entries
 * @param heads heads of q, k and v
 * @param tokens tokens of q, k and v
 * @param headDim channels of a head
 * @param dtype FP16 or BF16
 * @param causal which keys a query sees
 * @param runs timed runs, at least {@link AttentionBench#LEAST_RUNS}
 */
public record GpuBench(
        Variant variant,
        long batch,
        long heads,
        long tokens,
        long headDim,
        DType dtype,
        AttentionSpec.Causal causal,
        int runs) {
    private static final int WARMUP = 5;
    private static final long REST_NANOS = 300_000_000;
    private static final int STARTS = 500;
    private static final int LEAST_STARTS = 20;
    private static final int WARMUP_STARTS = 4000;
    private static final long MOST_NANOS = 400_000_000;
    private static final long SEED = 42;
    /** Numbers drawn; each head is a stretch of them that begins somewhere else. */
    private static final int DRAWN = 1 << 23;

    private static final int CHECKED_HEADS = 2;
    private static final long BUDGET = 1_000_000_000L;
    /** Name of the time of a whole call whose steps are started one behind the other; else they are started as a graph. */
    private static final String ONE_BY_ONE = "one by one";

    /** @throws SageException if there are too few runs, or the type has no native kernels */
    public GpuBench {
        if (runs < AttentionBench.LEAST_RUNS) {
            throw new SageException("runs is " + runs + ", expected at least " + AttentionBench.LEAST_RUNS);
        }
        if (dtype != DType.FLOAT16 && dtype != DType.BFLOAT16) {
            throw new SageException("dtype is " + dtype + ", expected float16 or bfloat16 for tensors in GPU memory");
        }
        if (tokens * headDim > DRAWN / 2) {
            throw new SageException("a head of " + tokens + " tokens of " + headDim + " channels is " + tokens * headDim
                    + " numbers, expected at most " + DRAWN / 2);
        }
    }

    /**
     * Runs it.
     *
     * @throws SageException if the call fails, or its output is wrong: a figure of a wrong output is worth nothing
     */
    public Measurement run(Sage sage) {
        short[] drawn = draw();
        SplittableRandom random = new SplittableRandom(SEED);
        List<Tensor> heads = new ArrayList<>();
        List<Tensor> made = new ArrayList<>();
        try (GpuStream stream = sage.newStream()) {
            for (int n = 0; n < 3; n++) {
                Tensor there = sage.allocate(dtype, batch, this.heads, tokens, headDim);
                made.add(there);
                heads.add(fill(sage, there, drawn, random));
            }
            Tensor q = made.get(0);
            Tensor k = made.get(1);
            Tensor v = made.get(2);
            Tensor out = sage.allocate(dtype, q.shape());
            made.add(out);
            AttentionSpec spec =
                    AttentionSpec.builder().variant(variant).causal(causal).build();
            Map<String, Double> host = new LinkedHashMap<>();
            List<AttentionResult> results = new ArrayList<>();
            long[] nanos;
            double oneByOne;
            try (AttentionCall call = sage.prepare(q, k, v, spec, out, null, stream, false);
                    AttentionCall graph = sage.prepare(q, k, v, spec, out, null, stream, true)) {
                // The many starts come last: they heat the GPU until it clocks lower.
                nanos = rested(graph);
                oneByOne = Times.of(rested(call)).medianMs();
                rest();
                for (int run = 0; run < runs; run++) {
                    results.add(sage.attend(q, k, v, spec, out));
                }
                host.put("enqueue", startMicros(stream, () -> sage.enqueue(q, k, v, spec, out, stream)));
                host.put("prepared", startMicros(stream, call::enqueue));
                host.put("graph", startMicros(stream, graph::enqueue));
            }
            Tensor found = head(sage, out);
            Reference reference = Reference.of(heads.get(0), heads.get(1), heads.get(2), spec, BUDGET);
            Metrics metrics = reference.measure(found);
            if (!metrics.isWithin(AttentionBench.LEAST_COSINE, Double.MAX_VALUE)) {
                throw new SageException(
                        "the output of " + variant.name() + " on " + sage.backend() + " is wrong: " + metrics);
            }
            Map<String, Double> steps = new LinkedHashMap<>(AttentionBench.stepMedians(results));
            steps.put(ONE_BY_ONE, oneByOne);
            List<Long> shape = List.of(batch, this.heads, tokens, headDim);
            return new Measurement(
                    "normal(0, 1) from " + DRAWN + " drawn numbers, seed " + SEED + ", in GPU memory",
                    variant.name(),
                    Notation.of(variant.scheme()),
                    shape,
                    shape,
                    dtype.toString(),
                    Notation.of(causal),
                    null,
                    WARMUP,
                    Times.of(nanos),
                    steps,
                    List.of(new Measurement.Accuracy(
                            "first " + checkedHeads() + " heads", reference.rows(), reference.isSampled(), metrics)),
                    host);
        } finally {
            made.forEach(sage::free);
        }
    }

    private long[] rested(AttentionCall call) {
        rest();
        call.time(WARMUP);
        return call.time(runs);
    }

    /** After work a GPU clocks lower for a while: each timing begins alike, as peers' do in scripts/attention-bench.py. */
    private static void rest() {
        LockSupport.parkNanos(REST_NANOS);
    }

    private long checkedHeads() {
        return Math.min(CHECKED_HEADS, heads);
    }

    private short[] draw() {
        SplittableRandom random = new SplittableRandom(SEED);
        short[] drawn = new short[DRAWN];
        for (int n = 0; n < DRAWN; n++) {
            float value = (float) random.nextGaussian();
            drawn[n] = dtype == DType.FLOAT16 ? Float.floatToFloat16(value) : BFloat16.encode(value);
        }
        return drawn;
    }

    /** Fills a tensor head by head and returns its first heads on the host. */
    private Tensor fill(Sage sage, Tensor there, short[] drawn, SplittableRandom random) {
        long elements = tokens * headDim;
        Tensor first = Tensor.allocate(dtype, 1, checkedHeads(), tokens, headDim);
        MemorySegment numbers = MemorySegment.ofArray(drawn);
        for (long h = 0; h < batch * heads; h++) {
            long start = random.nextLong(DRAWN - elements + 1);
            MemorySegment part = numbers.asSlice(2 * start, 2 * elements);
            Tensor row = Tensor.ofDevice(there.address() + 2 * h * elements, dtype, 1, 1, 1, elements);
            if (h < checkedHeads()) {
                first.data().asSlice(2 * h * elements, 2 * elements).copyFrom(part);
            }
            sage.copy(Tensor.of(part, dtype, 1, 1, 1, elements), row);
        }
        return first;
    }

    private Tensor head(Sage sage, Tensor out) {
        Tensor found = Tensor.allocate(dtype, 1, checkedHeads(), tokens, headDim);
        sage.copy(Tensor.ofDevice(out.address(), dtype, found.shape()), found);
        return found;
    }

    /** Median time until a call that does not wait has returned, with nothing else queued. */
    private static double startMicros(GpuStream stream, Runnable start) {
        starts(stream, start, WARMUP_STARTS, WARMUP);
        return Times.of(starts(stream, start, STARTS, LEAST_STARTS)).medianMs() * 1000;
    }

    /** Fewer starts than wanted, but at least some, where each takes the GPU long. */
    private static long[] starts(GpuStream stream, Runnable start, int wanted, int least) {
        long[] nanos = new long[wanted];
        int done = 0;
        for (long begin = System.nanoTime();
                done < wanted && (done < least || System.nanoTime() - begin < MOST_NANOS);
                done++) {
            long at = System.nanoTime();
            start.run();
            nanos[done] = System.nanoTime() - at;
            stream.synchronize();
        }
        return Arrays.copyOf(nanos, done);
    }
}
