package io.sage4j.jmh;

import io.sage4j.AttentionResult;
import io.sage4j.AttentionSpec;
import io.sage4j.DType;
import io.sage4j.Sage;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.bench.Reference;
import io.sage4j.oracle.Metrics;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * One attention over backends and variants: a whole {@link Sage#attend} from FP16 tensors in the host's memory, B=1, N(0,1) numbers.
 *
 * <pre>{@code
 * mvn -P jmh -DskipTests verify -Djmh="AttendBenchmark -p backend=jvm,cuda -p variant=flash,int8-fp16"
 * }</pre>
 *
 * A call is milliseconds to seconds long on a JVM, which goes on compiling a kernel's loops for some ten seconds on two cores: hence the long
 * warm-up; a figure is good when its iterations have stopped falling. Other backends need one iteration. The last output of every trial is
 * checked against exact attention, on sampled rows: a wrong one fails the trial.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 10, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class AttendBenchmark {
    /** INT4, the roughest, has 0.99 and 0.15. */
    private static final double LEAST_COSINE = 0.95;

    private static final double MOST_L1 = 0.3;

    /** A name that {@link Sage#open(String)} takes; {@code auto} is the fastest here. */
    @Param("auto")
    public String backend;

    /** A name that {@link Variant#of} takes. */
    @Param({"flash", "int8-fp16", "int8-fp8-f16acc", "int8-fp8-sm90"})
    public String variant;

    /** Heads of q, k and v. */
    @Param("4")
    public int heads;

    /** Tokens of q, k and v. */
    @Param("512")
    public int tokens;

    /** Channels of a head. */
    @Param("64")
    public int headDim;

    /** Hidden keys: {@code NONE}, {@code TOP_LEFT} or {@code BOTTOM_RIGHT}. */
    @Param("NONE")
    public AttentionSpec.Causal causal;

    private Sage sage;
    private AttentionSpec spec;
    private Tensor q;
    private Tensor k;
    private Tensor v;
    private Tensor out;

    /** Opens the backend and makes the tensors. */
    @Setup(Level.Trial)
    public void open() {
        sage = Sage.open(backend);
        spec = AttentionSpec.builder()
                .variant(Variant.of(variant))
                .causal(causal)
                .build();
        SplittableRandom random = new SplittableRandom(42);
        q = normal(random);
        k = normal(random);
        v = normal(random);
        out = Tensor.allocate(DType.FLOAT16, q.shape());
    }

    /** Closes the backend and checks the last output. */
    @TearDown(Level.Trial)
    public void closeAndCheck() {
        sage.close();
        Metrics metrics = Reference.of(q, k, v, spec, Reference.DEFAULT_BUDGET).measure(out);
        if (!metrics.isWithin(LEAST_COSINE, MOST_L1)) {
            throw new IllegalStateException("the output of " + variant + " on " + backend + " is wrong: " + metrics);
        }
    }

    /** The whole call. */
    @Benchmark
    public AttentionResult attend() {
        return sage.attend(q, k, v, spec, out);
    }

    private Tensor normal(SplittableRandom random) {
        Tensor tensor = Tensor.allocate(DType.FLOAT16, 1, heads, tokens, headDim);
        for (long i = 0; i < tensor.size(); i++) {
            tensor.data().setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16((float) random.nextGaussian()));
        }
        return tensor;
    }
}
