package io.sage4j.bench;

import io.sage4j.AttentionResult;
import io.sage4j.AttentionSpec;
import io.sage4j.DType;
import io.sage4j.Sage;
import io.sage4j.SageException;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.numeric.Rung;
import io.sage4j.oracle.Metrics;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.LongStream;
import java.util.zip.CRC32C;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;

/**
 * The ladder of Java kernels on one backend: every variant at every head_dim and length, FP16, not causal, in TornadoVM's
 * arrays. Device time comes from the backend's profiler, per step. A slow kernel gets fewer heads, so that a run takes about
 * {@link #MOST_SECONDS} at most; the shape of each measurement says how many. Compiling takes longer than running: processes that
 * name one file compile side by side and take turns to be timed.
 *
 * @param variants what is timed
 * @param headDims channels of a head
 * @param tokens lengths of q, k and v, ascending
 * @param batch batch entries, at most
 * @param heads heads, at most
 * @param runs timed runs of each
 * @param turns file that processes lock while they are timed, see {@link Turn}; null if there is one process
 */
public record LadderBench(
        List<Variant> variants,
        List<Integer> headDims,
        List<Integer> tokens,
        int batch,
        int heads,
        int runs,
        Path turns) {
    /** What a run may take, in seconds. */
    public static final double MOST_SECONDS = 0.2;

    /** Runs before the timed ones and the one that compiles. */
    private static final int WARMUP = 2;

    /** Operations per second that an unknown kernel is expected to reach. */
    private static final double FIRST_RATE = 5e11;

    /** Elements of TornadoVM's largest array. */
    private static final long MOST_ELEMENTS = Integer.MAX_VALUE - 16;

    private static final long BUDGET = 2_000_000_000L;
    private static final long SEED = 42;

    /**
     * What was found.
     *
     * @param measurements of what ran and was right
     * @param failures of the others
     */
    public record Result(List<Measurement> measurements, List<Failure> failures) {}

    /**
     * A kernel that did not run, or ran wrong.
     *
     * @param variant name
     * @param shape [batch, heads, tokens, head_dim]
     * @param reason why
     */
    public record Failure(String variant, List<Long> shape, String reason) {}

    /** Shape of one measurement. */
    private record Shape(int batch, int heads, int tokens, int dim) {
        double operations() {
            return 4.0 * batch * heads * dim * tokens * tokens;
        }

        List<Long> list() {
            return List.of((long) batch, (long) heads, (long) tokens, (long) dim);
        }

        long[] array() {
            return new long[] {batch, heads, tokens, dim};
        }
    }

    /**
     * Runs all of it on a backend.
     *
     * @param backend name
     * @param line is told of each measurement, in words
     * @param soFar is told what was found so far after each, for a record that a killed run leaves behind
     * @throws SageException if processes cannot take turns by that file
     */
    public Result run(String backend, Consumer<String> line, Consumer<Result> soFar) {
        Turn.check(turns);
        List<Measurement> measurements = new ArrayList<>();
        List<Failure> failures = new ArrayList<>();
        for (Variant variant : variants) {
            for (int dim : headDims) {
                double rate = FIRST_RATE;
                for (int length : tokens) {
                    Shape shape = shape(variant, dim, length, rate);
                    try (Sage sage = Sage.open(backend)) {
                        Measurement m = measure(sage, variant, shape);
                        measurements.add(m);
                        rate = shape.operations() / (deviceMs(m) * 1e-3);
                        line.accept(text(m));
                    } catch (SageException e) {
                        failures.add(new Failure(variant.name(), shape.list(), e.getMessage()));
                        line.accept(variant.name() + " " + shape.list() + ": " + e.getMessage());
                    }
                    soFar.accept(new Result(List.copyOf(measurements), List.copyOf(failures)));
                }
            }
        }
        return new Result(measurements, failures);
    }

    private static String text(Measurement m) {
        return String.format(
                "%s %s: %.3f ms on the device, %.2f TFLOP/s, relL1 %.5f, steps %s",
                m.variant(), m.shape(), deviceMs(m), tflops(m, deviceMs(m)), m.worstRelativeL1(), m.stepMedianMs());
    }

    /** Time of all steps on the device, the median of each. */
    public static double deviceMs(Measurement m) {
        return m.stepMedianMs().values().stream()
                .mapToDouble(Double::doubleValue)
                .sum();
    }

    /** Operations of exact attention per second if they took so long, in units of 10^12. */
    public static double tflops(Measurement m, double ms) {
        return m.gigaOps() * m.times().medianMs() / ms / 1e3;
    }

    private Shape shape(Variant variant, int dim, int length, double rate) {
        List<Shape> shapes = List.of(
                new Shape(batch, heads, length, dim),
                new Shape(1, heads, length, dim),
                new Shape(1, Math.min(heads, 8), length, dim),
                new Shape(1, Math.min(heads, 2), length, dim));
        return shapes.stream()
                .filter(s -> s.operations() / rate <= MOST_SECONDS && fits(variant, s))
                .findFirst()
                .orElse(shapes.get(shapes.size() - 1));
    }

    private static boolean fits(Variant variant, Shape s) {
        return variant.rung() != Rung.NAIVE || (long) s.batch * s.heads * s.tokens * s.tokens <= MOST_ELEMENTS;
    }

    private Measurement measure(Sage sage, Variant variant, Shape shape) {
        Tensor q = normal(shape, 1);
        Tensor k = normal(shape, 2);
        Tensor v = normal(shape, 3);
        Tensor out = Tensor.of(new HalfFloatArray(Math.toIntExact(q.size())), shape.array());
        AttentionSpec spec = AttentionSpec.builder().variant(variant).build();
        sage.attend(q, k, v, spec, out);
        long first = checksum(out);
        List<AttentionResult> results = Turn.take(turns, () -> {
            List<AttentionResult> timed = new ArrayList<>();
            for (int run = 0; run < WARMUP + runs; run++) {
                AttentionResult result = sage.attend(q, k, v, spec, out);
                if (run >= WARMUP) {
                    timed.add(result);
                }
            }
            return timed;
        });
        if (checksum(out) != first) {
            throw new SageException("the output of two runs is not the same to the bit");
        }
        if (results.get(0).steps().isEmpty()) {
            throw new SageException("backend " + sage.backend() + " gives no times per step; step-times=false?");
        }
        Reference reference = Reference.of(q, k, v, spec, BUDGET);
        Metrics metrics = reference.measure(out);
        if (!metrics.isWithin(AttentionBench.LEAST_COSINE, Double.MAX_VALUE)) {
            throw new SageException("the output is wrong: " + metrics);
        }
        return new Measurement(
                "normal(0, 1), seed " + SEED + ", " + (1 + WARMUP + runs) + " runs bit-equal",
                variant.name(),
                Notation.of(variant.scheme()),
                shape.list(),
                shape.list(),
                DType.FLOAT16.toString(),
                Notation.of(AttentionSpec.Causal.NONE),
                null,
                WARMUP,
                Times.of(results.stream().mapToLong(AttentionResult::totalNanos).toArray()),
                AttentionBench.stepMedians(results),
                List.of(new Measurement.Accuracy("all", reference.rows(), reference.isSampled(), metrics)),
                null);
    }

    private static Tensor normal(Shape shape, int salt) {
        Tensor tensor = Tensor.of(
                new HalfFloatArray(
                        Math.multiplyExact(Math.multiplyExact(shape.batch * shape.heads, shape.tokens), shape.dim)),
                shape.array());
        MemorySegment data = tensor.data();
        long row = shape.dim;
        LongStream.range(0, tensor.size() / row).parallel().forEach(r -> {
            SplittableRandom random = new SplittableRandom(SEED * 1_000_003 + salt * 31_337L + r * 0x9E3779B97F4A7C15L);
            for (long i = r * row; i < (r + 1) * row; i++) {
                data.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16((float) random.nextGaussian()));
            }
        });
        return tensor;
    }

    private static long checksum(Tensor tensor) {
        CRC32C sum = new CRC32C();
        MemorySegment data = tensor.data();
        long step = 1 << 30;
        for (long at = 0; at < data.byteSize(); at += step) {
            sum.update(data.asSlice(at, Math.min(step, data.byteSize() - at)).asByteBuffer());
        }
        return sum.getValue();
    }
}
