import io.sage4j.AttentionResult;
import io.sage4j.AttentionSpec;
import io.sage4j.DType;
import io.sage4j.Sage;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.backend.Backends;
import io.sage4j.plan.SourceOrder;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Times whole calls of one shape on host tensors, FP16, on a warm plan in a warm JVM: what a call takes beyond its kernels, which take as
 * long as their steps say in another run.
 *
 * <p>Start it as {@code ./sage4j} starts {@code io.sage4j.cli.Main} for the same backend, with {@code -Dsage4j.profile.step-times=false}
 * or, for the steps, without. Arguments: backend, variant, shape such as 1x1x64x64, seconds of warm-up, calls, how often to repeat them.
 * Prints a line of JSON for each repetition.
 */
public final class HostTime {
    private HostTime() {}

    public static void main(String[] arguments) {
        if (System.getProperty(Backends.TORNADO_KIND) != null) {
            SourceOrder.fix();
        }
        long[] shape = Arrays.stream(arguments[2].split("x")).mapToLong(Long::parseLong).toArray();
        double warmUp = Double.parseDouble(arguments[3]);
        int calls = Integer.parseInt(arguments[4]);
        int repetitions = Integer.parseInt(arguments[5]);
        AttentionSpec spec =
                AttentionSpec.builder().variant(Variant.of(arguments[1])).build();
        SplittableRandom random = new SplittableRandom(42);
        Tensor q = normal(shape, random);
        Tensor k = normal(shape, random);
        Tensor v = normal(shape, random);
        Tensor out = Tensor.allocate(DType.FLOAT16, shape);
        try (Sage sage = Sage.open(arguments[0])) {
            long begin = System.nanoTime();
            sage.attend(q, k, v, spec, out);
            double first = (System.nanoTime() - begin) / 1e6;
            int warm = 0;
            for (long end = System.nanoTime() + (long) (warmUp * 1e9); System.nanoTime() < end; warm++) {
                sage.attend(q, k, v, spec, out);
            }
            for (int repetition = 0; repetition < repetitions; repetition++) {
                long[] nanos = new long[calls];
                Map<String, List<Long>> steps = new LinkedHashMap<>();
                for (int i = 0; i < calls; i++) {
                    long start = System.nanoTime();
                    AttentionResult result = sage.attend(q, k, v, spec, out);
                    nanos[i] = System.nanoTime() - start;
                    result.steps()
                            .forEach(step -> steps.computeIfAbsent(step.name(), name -> new ArrayList<>())
                                    .add(step.nanos()));
                }
                print(first, warm, nanos, steps);
            }
        }
        System.exit(0);
    }

    private static Tensor normal(long[] shape, SplittableRandom random) {
        Tensor tensor = Tensor.allocate(DType.FLOAT16, shape);
        for (long i = 0; i < tensor.size(); i++) {
            tensor.data()
                    .setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16((float) random.nextGaussian()));
        }
        return tensor;
    }

    private static void print(double first, int warm, long[] nanos, Map<String, List<Long>> steps) {
        Arrays.sort(nanos);
        StringBuilder line = new StringBuilder();
        line.append(String.format(
                Locale.ROOT,
                "{\"firstMs\": %.1f, \"warmUpCalls\": %d, \"calls\": %d, \"medianUs\": %.1f, \"p10Us\": %.1f, \"p90Us\": %.1f, \"minUs\": %.1f",
                first,
                warm,
                nanos.length,
                nanos[nanos.length / 2] / 1e3,
                nanos[nanos.length / 10] / 1e3,
                nanos[nanos.length * 9 / 10] / 1e3,
                nanos[0] / 1e3));
        if (!steps.isEmpty()) {
            List<String> medians = new ArrayList<>();
            steps.forEach((name, times) -> {
                times.sort(null);
                medians.add(String.format(Locale.ROOT, "\"%s\": %.2f", name, times.get(times.size() / 2) / 1e3));
            });
            line.append(", \"stepMedianUs\": {").append(String.join(", ", medians)).append('}');
        }
        System.out.println(line.append('}'));
    }
}
