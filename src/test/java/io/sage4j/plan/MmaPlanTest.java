package io.sage4j.plan;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.DType;
import io.sage4j.SageException;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.Rung;
import io.sage4j.numeric.TileShape;
import io.sage4j.oracle.HardData;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The rungs on tensor cores give what the model says: every mask, diagonal and kind of data, over odd sizes. */
class MmaPlanTest {
    private static final long SEED = Long.getLong("sage4j.seed", 20261126);

    private static List<Variant> variants() {
        List<Variant> all = new ArrayList<>();
        for (String name : List.of("mma-fp16", "mma-fp8")) {
            Variant v = Variant.of(name);
            all.add(v);
            all.add(v.with(v.scheme().withSmoothQ(true).withSmoothV(true)));
            all.add(v.with(v.scheme().withGranularity(Granularity.PER_TOKEN).withSmoothK(false)));
        }
        return PlanChecks.runnable(all);
    }

    static Stream<PlanCase> cases() {
        SplittableRandom random = new SplittableRandom(SEED);
        List<PlanCase> cases = new ArrayList<>();
        int[] lengths = {1, 15, 17, 64, 129, 200};
        int[] dims = {1, 32, 40, 64, 128, 160};
        int number = 0;
        for (Variant variant : variants()) {
            for (PlanCase.Mask mask : PlanCase.Mask.values()) {
                for (PlanCase.Causal causal : PlanCase.Causal.values()) {
                    int group = 1 + random.nextInt(3);
                    int kvHeads = 1 + random.nextInt(2);
                    cases.add(new PlanCase(
                            variant,
                            new AttentionShape(
                                    1 + random.nextInt(2),
                                    group * kvHeads,
                                    kvHeads,
                                    lengths[random.nextInt(lengths.length)],
                                    lengths[number % lengths.length],
                                    dims[number / 2 % dims.length]),
                            DType.values()[random.nextInt(3)],
                            PlanCase.Strides.values()[number % 3],
                            causal,
                            mask,
                            HardData.values()[number % HardData.values().length],
                            random.nextLong()));
                    number++;
                }
            }
        }
        return cases.stream();
    }

    /** No case on a device without the operations; that those are refused is tested below. */
    @ParameterizedTest(allowZeroInvocations = true)
    @MethodSource("cases")
    void givesWhatTheModelSays(PlanCase c) {
        PlanChecks.runAndCheck(c);
    }

    @Test
    void backendsWithoutTheOperationsAreRefused() {
        assertThatThrownBy(() -> AttentionPlan.requireOperations(Rung.MMA_FP16, "opencl"))
                .isInstanceOf(SageException.class)
                .hasMessage("rung MMA_FP16 needs operations of tensor cores that TornadoVM has on ptx and cuda, not on"
                        + " opencl; use --backend tornado:ptx or another variant");
        assertThatThrownBy(() -> AttentionPlan.requireOperations(Rung.MMA_FP8, "ptx"))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("has on cuda, not on ptx");
        AttentionPlan.requireOperations(Rung.MMA_FP16, "ptx");
        AttentionPlan.requireOperations(Rung.MMA_FP8, "cuda");
        AttentionPlan.requireOperations(Rung.QUANTIZED, "opencl");
    }

    @Test
    void otherSchemesAreRefused() {
        Variant half = Variant.of("mma-fp16");
        assertThatThrownBy(() -> half.with(half.scheme().withTiles(TileShape.MMA_SYNC)))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("tiles of 64 x 128");
        assertThatThrownBy(() -> half.with(Variant.INT8_FP8.scheme()))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("computes PV in FP16");
    }
}
