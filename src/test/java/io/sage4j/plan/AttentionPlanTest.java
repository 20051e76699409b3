package io.sage4j.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.DType;
import io.sage4j.SageException;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Rung;
import io.sage4j.oracle.HardData;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.BFloat16Array;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.ShortArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/** What a plan promises besides its numbers. */
class AttentionPlanTest {
    private static final AttentionShape SMALL = new AttentionShape(1, 2, 1, 70, 90, 24);

    private static PlanCase call(Variant variant, AttentionShape shape, DType dtype, PlanCase.Placement placement) {
        return new PlanCase(
                variant, shape, dtype, placement, PlanCase.Causal.NONE, PlanCase.Mask.NONE, HardData.NORMAL, 1);
    }

    private static PlanCase small(Variant variant) {
        return call(variant, SMALL, DType.FLOAT32, PlanCase.Strides.HND);
    }

    private static AttentionProblem without(AttentionProblem p, boolean lse, AttentionShape shape) {
        return new AttentionProblem(
                shape, p.rung(), p.scheme(), p.diagonal(), p.smScale(), lse, p.q(), p.k(), p.v(), p.out(), p.mask());
    }

    @ParameterizedTest
    @ValueSource(strings = {"flash", "int8-fp8-f16acc", "int4-fp8"})
    void aSecondRunGivesTheSameAndAllocatesNothing(String variant) {
        PlanCase c = small(Variant.of(variant));
        try (AttentionPlan plan = AttentionPlan.of(c.problem())) {
            c.fill(plan);
            int before = plan.allocations();
            plan.run();
            float[] first = c.output(plan);
            plan.run();
            assertThat(c.output(plan)).isEqualTo(first);
            assertThat(plan.allocations()).isEqualTo(before).isPositive();
        }
    }

    @Test
    void aRunReadsWhatTheInputsHoldThen() {
        PlanCase c = small(Variant.INT8_FP8_F16ACC);
        PlanCase other = new PlanCase(
                c.variant(), SMALL, c.dtype(), c.placement(), c.causal(), c.mask(), HardData.K_CHANNEL_BIAS, 2);
        try (AttentionPlan plan = AttentionPlan.of(c.problem())) {
            for (PlanCase next : List.of(c, other, c)) {
                next.fill(plan);
                plan.run();
                PlanChecks.check(next, plan);
            }
        }
    }

    @Test
    void stepsComeInOrderAndAreTimed() {
        PlanCase c = small(Variant.of("int4-fp8"));
        try (AttentionPlan plan = AttentionPlan.of(c.problem())) {
            assertThat(plan.steps()).isEmpty();
            c.fill(plan);
            plan.run();
            assertThat(plan.stepNames())
                    .containsExactly(
                            "smooth-k",
                            "smooth-q",
                            "v-scale",
                            "quantize-k",
                            "quantize-q",
                            "quantize-v",
                            "delta-s",
                            "attend",
                            "lse-correction");
            assertThat(plan.steps()).extracting(AttentionPlan.Step::name).containsExactlyElementsOf(plan.stepNames());
            assertThat(plan.steps()).allSatisfy(s -> assertThat(s.nanos()).isPositive());
        }
    }

    @Test
    void timesCanBeLeftOut() {
        PlanCase c = small(Variant.FLASH);
        KernelConfig untimed = KernelConfig.DEFAULT.withStepTimes(false);
        try (AttentionPlan plan = AttentionPlan.of(c.problem(), ArrayBindings.NONE, untimed)) {
            c.fill(plan);
            plan.run();
            assertThat(plan.steps()).isEmpty();
            PlanChecks.check(c, plan);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"naive", "tiled", "flash", "int8-fp8-f16acc"})
    void lseIsLeftOutIfNobodyAsks(String variant) {
        PlanCase c = small(Variant.of(variant));
        try (AttentionPlan with = AttentionPlan.of(c.problem());
                AttentionPlan plan = AttentionPlan.of(without(c.problem(), false, SMALL))) {
            c.fill(with);
            with.run();
            c.fill(plan);
            plan.run();
            assertThat(plan.lse()).isEmpty();
            assertThat(plan.stepNames()).doesNotContain("lse-correction");
            assertThat(c.output(plan)).isEqualTo(c.output(with));
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"FLOAT32", "FLOAT16", "BFLOAT16"})
    void gapsOfTheOutputAndTheInputsStayAsTheyAre(DType dtype) {
        PlanCase c = call(Variant.INT8_FP16, SMALL, dtype, PlanCase.Strides.GAPS);
        try (AttentionPlan plan = AttentionPlan.of(c.problem())) {
            c.fill(plan);
            byte[] q = bytes(plan.q());
            byte[] k = bytes(plan.k());
            byte[] v = bytes(plan.v());
            plan.out().getSegment().fill((byte) 0x5A);
            plan.run();
            PlanChecks.check(c, plan);
            assertThat(bytes(plan.q())).isEqualTo(q);
            assertThat(bytes(plan.k())).isEqualTo(k);
            assertThat(bytes(plan.v())).isEqualTo(v);
            // Outside the tensor the output still holds the pattern.
            TensorView view = c.problem().out();
            byte[] out = bytes(plan.out());
            assertThat(out[0]).isEqualTo((byte) 0x5A);
            int gap = (view.offset() + SMALL.headDim()) * dtype.bytes();
            assertThat(out[gap]).isEqualTo((byte) 0x5A);
            assertThat(out[gap + 3 * dtype.bytes() - 1]).isEqualTo((byte) 0x5A);
        }
    }

    private static byte[] bytes(TornadoNativeArray array) {
        return array.getSegment().toArray(ValueLayout.JAVA_BYTE);
    }

    @Test
    void arraysOfTheCallerAreUsedAsTheyAre() {
        PlanCase c = call(Variant.INT8_FP8, SMALL, DType.FLOAT32, PlanCase.Strides.NHD);
        FloatArray q = new FloatArray(2 * 70 * 24);
        FloatArray out = new FloatArray(2 * 70 * 24 + 5);
        ArrayBindings bindings = new ArrayBindings(q, null, null, null, out);
        try (AttentionPlan plan = AttentionPlan.of(c.problem(), bindings, KernelConfig.DEFAULT)) {
            assertThat(plan.q()).isSameAs(q);
            assertThat(plan.out()).isSameAs(out);
            c.fill(plan);
            out.set(2 * 70 * 24 + 4, 42f);
            plan.run();
            PlanChecks.check(c, plan);
            assertThat(out.get(2 * 70 * 24 + 4)).isEqualTo(42f);
        }
    }

    @Test
    void aBFloat16ArrayIsReadAndWrittenInPlace() {
        PlanCase c = call(Variant.INT8_FP8, SMALL, DType.BFLOAT16, PlanCase.Strides.HND);
        BFloat16Array q = new BFloat16Array(2 * 70 * 24);
        BFloat16Array out = new BFloat16Array(2 * 70 * 24);
        ArrayBindings bindings = new ArrayBindings(q, null, null, null, out);
        try (AttentionPlan plan = AttentionPlan.of(c.problem(), bindings, KernelConfig.DEFAULT)) {
            c.fill(plan);
            plan.run();
            PlanChecks.check(c, plan);
            assertThat(out.get(17)).isEqualTo(((ShortArray) plan.out()).get(17)).isNotZero();
        }
    }

    @Test
    void anArrayOfTheWrongTypeOrSizeIsRefused() {
        AttentionProblem p = small(Variant.FLASH).problem();
        assertThatThrownBy(() -> AttentionPlan.of(
                        p, new ArrayBindings(new HalfFloatArray(3360), null, null, null, null), KernelConfig.DEFAULT))
                .isInstanceOf(SageException.class)
                .hasMessage("q of type float32 is in a HalfFloatArray, expected a FloatArray");
        assertThatThrownBy(() -> AttentionPlan.of(
                        p, new ArrayBindings(null, new FloatArray(100), null, null, null), KernelConfig.DEFAULT))
                .isInstanceOf(SageException.class)
                .hasMessage("k needs an array of 2160 elements, got one of 100");
        MaskView mask = new MaskView(MaskView.Kind.BOOL, 0, 0, 0, 90, 1);
        AttentionProblem masked = new AttentionProblem(
                SMALL, p.rung(), p.scheme(), p.diagonal(), p.smScale(), false, p.q(), p.k(), p.v(), p.out(), mask);
        assertThatThrownBy(() -> AttentionPlan.of(
                        masked, new ArrayBindings(null, null, null, new ByteArray(6299), null), KernelConfig.DEFAULT))
                .isInstanceOf(SageException.class)
                .hasMessage("mask needs an array of 6300 elements, got one of 6299");
    }

    @ParameterizedTest
    @ValueSource(strings = {"naive", "flash", "int8-fp8-f16acc"})
    void noKeysGiveZeroAndMinusInfinity(String variant) {
        for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16)) {
            PlanCase c = call(Variant.of(variant), new AttentionShape(2, 2, 1, 3, 0, 8), dtype, PlanCase.Strides.HND);
            try (AttentionPlan plan = AttentionPlan.of(c.problem())) {
                plan.out().getSegment().fill((byte) 0x5A);
                plan.run();
                assertThat(c.output(plan)).hasSize(96).containsOnly(0f);
                assertThat(PlanCase.floats(plan.lse().orElseThrow())).containsOnly(Float.NEGATIVE_INFINITY);
                assertThat(plan.stepNames()).isEmpty();
                assertThat(plan.counts().nonFinite()).isZero();
            }
        }
    }

    @Test
    void noQueriesGiveNothing() {
        PlanCase c = call(Variant.INT8_FP8, new AttentionShape(1, 2, 2, 0, 9, 8), DType.FLOAT16, PlanCase.Strides.HND);
        try (AttentionPlan plan = AttentionPlan.of(c.problem())) {
            plan.run();
            assertThat(plan.steps()).isEmpty();
            assertThat(plan.operands()).isEmpty();
        }
    }

    /** Views of tensors that are never allocated: all heads share one token. */
    private static AttentionProblem huge(Variant variant, AttentionShape shape) {
        TensorView same = new TensorView(DType.FLOAT32, 0, 0, 0, 0);
        return new AttentionProblem(
                shape, variant.rung(), variant.scheme(), 0, 1f, false, same, same, same, same, MaskView.NONE);
    }

    @Test
    void whatTornadoVmCannotIndexIsRefusedBeforeItIsAllocated() {
        assertThatThrownBy(() ->
                        AttentionPlan.of(huge(Variant.INT8_FP8, new AttentionShape(1 << 10, 1 << 10, 1, 128, 64, 64))))
                .isInstanceOf(SageException.class)
                .hasMessage("codes of q would take 8589934592 elements, but a TornadoVM array holds at most 2147483583:"
                        + " split the batch, the heads or the sequence");
        assertThatThrownBy(() ->
                        AttentionPlan.of(huge(Variant.of("naive"), new AttentionShape(1, 1, 1, 1 << 16, 1 << 16, 4))))
                .isInstanceOf(SageException.class)
                .hasMessageStartingWith("scores would take 4294967296 elements");
        assertThatThrownBy(() -> AttentionPlan.of(
                        huge(Variant.of("int4-fp8"), new AttentionShape(1, 64, 64, 1 << 18, 1 << 17, 32))))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("would take");
        AttentionShape shape = new AttentionShape(2, 1, 1, 1, 1, 8);
        TensorView far = new TensorView(DType.FLOAT32, 0, Integer.MAX_VALUE - 3, 0, 0);
        TensorView near = TensorView.contiguous(DType.FLOAT32, 1, 1, 8);
        assertThatThrownBy(() -> AttentionPlan.of(new AttentionProblem(
                        shape, Rung.FLASH, Variant.FLASH.scheme(), 0, 1f, false, near, far, near, near, MaskView.NONE)))
                .isInstanceOf(SageException.class)
                .hasMessageStartingWith("k would take 2147483652 elements");
    }

    @Test
    void aRungThatDoesNotFitTheSchemeIsRefused() {
        AttentionProblem p = small(Variant.INT8_FP8).problem();
        AttentionProblem wrong = new AttentionProblem(
                SMALL, Rung.FLASH, p.scheme(), 0, 1f, false, p.q(), p.k(), p.v(), p.out(), p.mask());
        assertThatThrownBy(() -> AttentionPlan.of(wrong))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("FLASH");
    }

    /** Sizes of work-groups and stages change speed, not results. */
    @Test
    void theConfigurationDoesNotChangeTheResult() {
        boolean real = PlanChecks.isRealTornadoVm();
        boolean warps = !real || !PlanChecks.askedBackend().equals("OPENCL");
        boolean cuda = !real || PlanChecks.askedBackend().equals("CUDA");
        // More may not have registers enough there: DeviceSettings refuses it.
        int most = real && warps ? 256 : 1024;
        List<KernelConfig> configs = List.of(
                new KernelConfig(1, 1, 32, 1, 32 * 1024, warps, !real, false),
                new KernelConfig(7, 33, Math.min(300, most), 100_000, 48 * 1024, false, false, false),
                new KernelConfig(256, 128, most, 3, 1 << 20, warps, cuda, true));
        for (String variant : List.of("naive", "tiled", "flash", "int8-int8", "int8-fp8-sm90")) {
            PlanCase c = call(Variant.of(variant), SMALL, DType.FLOAT16, PlanCase.Strides.HND);
            for (KernelConfig config : configs) {
                try (AttentionPlan plan = AttentionPlan.of(c.problem(), ArrayBindings.NONE, config)) {
                    c.fill(plan);
                    plan.run();
                    PlanChecks.check(c, plan);
                }
            }
        }
    }

    @Test
    void stagesHoldWhatFitsAndDivideTheTile() {
        KernelConfig config = KernelConfig.DEFAULT;
        assertThat(config.stageKeys(64, 32)).isEqualTo(64);
        assertThat(config.stageKeys(64, 128)).isEqualTo(64);
        assertThat(config.stageKeys(64, 160)).isEqualTo(32);
        assertThat(config.stageKeys(64, 256)).isEqualTo(32);
        assertThat(config.stageKeys(128, 64)).isEqualTo(128);
        assertThat(config.stageKeys(128, 96)).isEqualTo(64);
        assertThat(config.stageKeys(128, 256)).isEqualTo(32);
        assertThat(config.stageKeys(96, 128)).isEqualTo(32);
    }

    @Test
    void halfPrecisionOutputRoundsToNearest() {
        PlanCase c = call(Variant.FLASH, new AttentionShape(1, 1, 1, 1, 1, 4), DType.FLOAT16, PlanCase.Strides.HND);
        try (AttentionPlan plan = AttentionPlan.of(c.problem())) {
            HalfFloatArray v = (HalfFloatArray) plan.v();
            for (int d = 0; d < 4; d++) {
                v.set(d, new HalfFloat(d + 0.5f));
            }
            plan.run();
            // One key: the output is V.
            assertThat(c.output(plan)).containsExactly(0.5f, 1.5f, 2.5f, 3.5f);
        }
    }

    /** FP16 V has no scale: what it cannot hold becomes 65504, and is counted. */
    @Test
    void halfPrecisionVSaturatesAndCounts() {
        AttentionShape shape = new AttentionShape(1, 1, 1, 1, 1, 8);
        PlanCase c = call(Variant.INT8_FP16, shape, DType.FLOAT32, PlanCase.Strides.HND);
        try (AttentionPlan plan = AttentionPlan.of(c.problem())) {
            c.fill(plan);
            float[] v = {65504f, 65505f, -65510f, 70000f, 1e30f, Float.NEGATIVE_INFINITY, Float.NaN, 1e-9f};
            for (int d = 0; d < v.length; d++) {
                ((FloatArray) plan.v()).set(d, v[d]);
            }
            plan.run();
            assertThat(c.output(plan)).containsExactly(65504f, 65504f, -65504f, 65504f, 65504f, -65504f, Float.NaN, 0f);
            assertThat(plan.counts()).isEqualTo(new Counts(2, 5, 1, 8));
        }
    }
}
