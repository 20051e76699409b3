package io.sage4j.plan;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;
import io.sage4j.oracle.HardData;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every kernel in every plan against the model, on whichever TornadoVM API is on the class path: codes, scales, means, counts,
 * output and lse. What counts as equal is {@link PlanChecks}'.
 *
 * <p>The cases are a selection in which every two values of any two factors meet, and random ones from a seed that is in each
 * name (another with {@code -Dsage4j.seed=n}). A real TornadoVM compiles every kernel of every case for seconds, so it gets
 * every {@link #DEVICE_SHARE}-th.
 */
class PlanContractTest {
    private static final int[] LENGTHS = {1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1000};
    private static final int[] HEAD_DIMS = {1, 16, 32, 40, 64, 72, 96, 128, 160, 256};
    private static final int[] GROUP_SIZES = {1, 2, 8};
    /** Keys of a case: as many as queries, or a length of their own. */
    private static final int[] KEY_LENGTHS = {0, 1, 63, 130, 200};

    private static final DType[] DTYPES = {DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16};
    private static final int RANDOM_CASES = 40;
    private static final int DEVICE_SHARE = 8;
    /** {@code -Dsage4j.part=k/n}: only every n-th of these, from the k-th (0 to n - 1), so that several JVMs can share them. */
    private static final String[] PART =
            System.getProperty("sage4j.part", "0/1").split("/");

    private static final long SEED = Long.getLong("sage4j.seed", 20251123);

    /** Products of a case, heads included, at most. */
    private static final long MOST_WORK = 12_000_000;

    /** All variants, and schemes that no variant has. */
    static List<Variant> variants() {
        List<Variant> all = new ArrayList<>(PlanChecks.runnable(Variant.all()));
        Scheme fp8 = Variant.INT8_FP8_F16ACC.scheme();
        Scheme half = Variant.INT8_FP16.scheme();
        all.add(Variant.INT8_FP8.with(fp8.withGranularity(Granularity.PER_TENSOR)));
        all.add(Variant.INT8_FP8.with(fp8.withGranularity(Granularity.PER_WARP).withSmoothV(true)));
        all.add(Variant.INT8_FP8.with(fp8.withSmoothQ(true).withSmoothK(false)));
        all.add(Variant.INT8_FP16.with(half.withTiles(TileShape.MMA_SYNC_WARP16).withSmoothV(true)));
        all.add(Variant.INT8_FP16.with(half.withTiles(TileShape.WGMMA).withSmoothK(false)));
        all.add(Variant.INT8_FP16.with(
                half.withGranularity(Granularity.PER_BLOCK).withSmoothQ(true).withSmoothV(true)));
        return all;
    }

    static Stream<PlanCase> pairwise() {
        List<Variant> variants = variants();
        List<int[]> cases = Pairwise.cases(
                1,
                variants.size(),
                HardData.values().length,
                LENGTHS.length,
                HEAD_DIMS.length,
                KEY_LENGTHS.length,
                PlanCase.Mask.values().length,
                PlanCase.Causal.values().length,
                PlanCase.Strides.values().length,
                GROUP_SIZES.length,
                DTYPES.length);
        return share(IntStream.range(0, cases.size()).mapToObj(n -> pairwise(variants, cases.get(n), n)));
    }

    private static PlanCase pairwise(List<Variant> variants, int[] c, int number) {
        int queries = LENGTHS[c[2]];
        int keys = KEY_LENGTHS[c[4]] == 0 ? queries : KEY_LENGTHS[c[4]];
        int dim = HEAD_DIMS[c[3]];
        int group = GROUP_SIZES[c[8]];
        return new PlanCase(
                variants.get(c[0]),
                shape(1 + number % 2, group, 1 + number % 3 / 2, queries, keys, dim),
                DTYPES[c[9]],
                PlanCase.Strides.values()[c[7]],
                PlanCase.Causal.values()[c[6]],
                PlanCase.Mask.values()[c[5]],
                HardData.values()[c[1]],
                number);
    }

    /** A shape that is not too much work: batch, heads and then queries are cut down until it fits. */
    private static AttentionShape shape(int batch, int group, int kvHeads, int queries, int keys, int dim) {
        long perHead = (long) queries * keys * dim;
        int b = perHead * group * kvHeads * batch > MOST_WORK ? 1 : batch;
        int h = perHead * group * kvHeads > MOST_WORK ? 1 : kvHeads;
        int g = perHead * group > MOST_WORK ? 1 : group;
        int q = perHead > MOST_WORK ? 65 : queries;
        return new AttentionShape(b, g * h, h, q, keys, dim);
    }

    static Stream<PlanCase> random() {
        SplittableRandom random = new SplittableRandom(SEED);
        List<Variant> variants = variants();
        return share(Stream.generate(() -> new PlanCase(
                        variants.get(random.nextInt(variants.size())),
                        shape(
                                1 + random.nextInt(3),
                                1 + random.nextInt(4),
                                1 + random.nextInt(3),
                                1 + random.nextInt(300),
                                1 + random.nextInt(300),
                                1 + random.nextInt(AttentionShape.MAX_HEAD_DIM)),
                        DTYPES[random.nextInt(DTYPES.length)],
                        PlanCase.Strides.values()[random.nextInt(3)],
                        PlanCase.Causal.values()[random.nextInt(3)],
                        PlanCase.Mask.values()[random.nextInt(5)],
                        HardData.values()[random.nextInt(HardData.values().length)],
                        random.nextLong()))
                .limit(RANDOM_CASES));
    }

    private static Stream<PlanCase> share(Stream<PlanCase> cases) {
        List<PlanCase> all = cases.toList();
        int step = PlanChecks.isRealTornadoVm() ? DEVICE_SHARE : 1;
        int part = Integer.parseInt(PART[0]);
        int parts = Integer.parseInt(PART[1]);
        return IntStream.range(0, all.size())
                .filter(n -> n % step == 0 && n / step % parts == part)
                .mapToObj(all::get);
    }

    @ParameterizedTest(allowZeroInvocations = true)
    @MethodSource("pairwise")
    void everyPairOfChoicesGivesWhatTheModelSays(PlanCase c) {
        PlanChecks.runAndCheck(c);
    }

    @ParameterizedTest(allowZeroInvocations = true)
    @MethodSource("random")
    void randomCallsGiveWhatTheModelSays(PlanCase c) {
        PlanChecks.runAndCheck(c);
    }
}
