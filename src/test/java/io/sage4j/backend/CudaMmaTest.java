package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.cuda.CudaDriver;
import io.sage4j.cuda.DeviceMemory;
import io.sage4j.cuda.DriverSearch;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Float16;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.QkFormat;
import io.sage4j.numeric.Rung;
import io.sage4j.numeric.Scheme;
import io.sage4j.oracle.AttentionInputs;
import io.sage4j.oracle.HardData;
import io.sage4j.oracle.ModelResult;
import io.sage4j.oracle.RandomInputs;
import io.sage4j.oracle.VariantModel;
import io.sage4j.plan.NativeAttention;
import io.sage4j.plan.NativeAttention.Placed;
import io.sage4j.plan.NativeDevice;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.kernel.ChannelScale;
import io.sage4j.ptx.kernel.MmaAttention;
import io.sage4j.ptx.kernel.MmaAttentionSpec;
import io.sage4j.ptx.kernel.MmaTarget;
import io.sage4j.ptx.kernel.QkCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What the mma.sync kernels do on a GPU beside the contract: the bound of FP16 sums, heads past 128 channels, INT4 products
 * by the tensor cores' own instruction, and what the tensor cores keep of a sum. Skipped where there is no GPU, unless the
 * environment variable {@code SAGE4J_REQUIRE_CUDA} is set.
 */
class CudaMmaTest {
    @BeforeAll
    static void gpu() {
        NativeGpu.orSkip();
    }

    private static MemorySegment halves(Arena arena, float[] values) {
        MemorySegment segment = arena.allocate(2L * values.length, 16);
        for (int n = 0; n < values.length; n++) {
            segment.setAtIndex(ValueLayout.JAVA_SHORT, n, Float16.encode(values[n]));
        }
        return segment;
    }

    private static Placed placed(long address, int heads, int tokens, int dim) {
        return new Placed(address, (long) heads * tokens * dim, (long) tokens * dim, dim);
    }

    private static float[] run(TestGpu gpu, AttentionInputs in, Scheme scheme) {
        return run(gpu, gpu, in, scheme);
    }

    /** Runs on a device whose memory is the GPU's. */
    private static float[] run(NativeDevice device, TestGpu gpu, AttentionInputs in, Scheme scheme) {
        AttentionShape s = in.shape();
        try (Arena arena = Arena.ofConfined()) {
            DeviceMemory out = gpu.memory(2L * in.q().length);
            NativeAttention.run(
                    device,
                    new NativeAttention.Call(
                            s,
                            scheme,
                            in.diagonal(),
                            in.smScale(),
                            DType.FLOAT16,
                            placed(gpu.upload(halves(arena, in.q())), s.qHeads(), s.qoLen(), s.headDim()),
                            placed(gpu.upload(halves(arena, in.k())), s.kvHeads(), s.kvLen(), s.headDim()),
                            placed(gpu.upload(halves(arena, in.v())), s.kvHeads(), s.kvLen(), s.headDim()),
                            placed(out.address(), s.qHeads(), s.qoLen(), s.headDim()),
                            0));
            MemorySegment host = arena.allocate(out.bytes(), 16);
            gpu.download(out, host);
            float[] values = new float[in.q().length];
            for (int n = 0; n < values.length; n++) {
                values[n] = Float16.decode(host.getAtIndex(ValueLayout.JAVA_SHORT, n));
            }
            return values;
        }
    }

    /** The model of a kernel without log-sum-exp: it sums P as it was, or as rounded. */
    private static ModelResult model(Arch arch, AttentionInputs in, Scheme scheme) {
        int dim = MmaTarget.paddedDim(in.shape().headDim());
        MmaTarget target = MmaTarget.of(arch, scheme, dim, false);
        boolean addsP = new MmaAttentionSpec(scheme, dim, target, false, false, false, DType.FLOAT16, true).addsP();
        return VariantModel.runWithoutLse(in, Rung.QUANTIZED, scheme, !addsP);
    }

    /** Largest difference of an output of an architecture's kernel from the model, relative to the largest output. */
    private static double worst(Arch arch, float[] actual, AttentionInputs in, Scheme scheme) {
        float[] expected = ModelResult.rounded(model(arch, in, scheme).o(), DType.FLOAT16);
        double worst = 0;
        double largest = 0;
        for (int n = 0; n < expected.length; n++) {
            assertThat(Float.isFinite(actual[n])).isTrue();
            worst = Math.max(worst, Math.abs(actual[n] - (double) expected[n]));
            largest = Math.max(largest, Math.abs(expected[n]));
        }
        return worst / largest;
    }

    private static double worst(TestGpu gpu, AttentionInputs in, Scheme scheme) {
        return worst(gpu.arch(), run(gpu, in, scheme), in, scheme);
    }

    /** P up to 448 and V up to 2.25 sum to at most 64512 over 64 keys; with V up to 2.5 the same kernels pass 65504. */
    @ParameterizedTest
    @CsvSource({"int8-fp8-f16acc, 2.5", "int8-fp8-f16acc-p224, 5", "int8-fp8-f16acc-p112, 10"})
    void nothingOverflowsAtTheBoundAndBeyondItSomethingDoes(String variant, float beyond) {
        Scheme scheme = Variant.of(variant).scheme();
        AttentionInputs in =
                HardData.OVERFLOW_BOUND.inputs(new AttentionShape(1, 2, 1, 130, 192, 64), 1, DType.FLOAT16);
        try (TestGpu gpu = new TestGpu()) {
            assertThat(worst(gpu, in, scheme)).isLessThan(1e-3);
            gpu.exchange("v-scale", () -> ChannelScale.kernel(DType.FLOAT16, 64, false, beyond));
            assertThat(run(gpu, in, scheme)).contains(Float.POSITIVE_INFINITY);
        }
    }

    /** The kernels of an sm_89 as they are, where their FP8 and INT4 instructions are emulated. */
    @ParameterizedTest
    @CsvSource({
        "int8-fp8-f16acc, 128",
        "int8-fp8, 128",
        "int8-fp8-f32, 64",
        "int8-fp8-f16acc, 64",
        "int4-fp8-f16acc, 128",
        "int4-fp8, 64",
        "int4-fp8, 128",
        "int4-fp8-f16acc, 96",
        "int4-fp8, 96",
        "int4-fp8, 72",
        "int4-fp8-f16acc, 80",
        "int4-fp8, 90",
        "int4-fp8-f16acc, 32"
    })
    void kernelsOfSm89(String variant, int dim) {
        Scheme scheme = Variant.of(variant).scheme();
        AttentionInputs in = RandomInputs.normal(new AttentionShape(1, 4, 2, 130, 300, dim), dim)
                .biasK(3f)
                .rounded(DType.FLOAT16)
                .withDiagonal(150);
        try (TestGpu gpu = new TestGpu()) {
            AsSm89 device = new AsSm89(gpu);
            assertThat(worst(device.arch(), run(device, gpu, in, scheme), in, scheme))
                    .isLessThan(4e-2);
        }
    }

    /** The bound again with the instruction that SageAttention2++ is made of: FP8 with FP16 sums, two of it for 64 keys. */
    @Test
    void theInstructionOfSm89OverflowsNoSooner() {
        Scheme scheme = Variant.INT8_FP8_F16ACC.scheme();
        AttentionInputs in =
                HardData.OVERFLOW_BOUND.inputs(new AttentionShape(1, 2, 1, 130, 192, 64), 1, DType.FLOAT16);
        try (TestGpu gpu = new TestGpu()) {
            AsSm89 device = new AsSm89(gpu);
            assertThat(worst(device.arch(), run(device, gpu, in, scheme), in, scheme))
                    .isLessThan(1e-3);
            gpu.exchange("v-scale", () -> ChannelScale.kernel(DType.FLOAT16, 64, false, 2.5f));
            assertThat(run(device, gpu, in, scheme)).contains(Float.POSITIVE_INFINITY);
        }
    }

    @ParameterizedTest
    @CsvSource({"int8-fp16, 256, 200, 300", "int8-fp16-f16f32, 200, 65, 130", "int8-fp8-f16acc, 192, 130, 70"})
    void wideHeads(String variant, int dim, int qoLen, int kvLen) {
        Scheme scheme = Variant.of(variant).scheme();
        AttentionInputs in = RandomInputs.normal(new AttentionShape(1, 4, 2, qoLen, kvLen, dim), dim)
                .biasK(3f)
                .rounded(DType.FLOAT16)
                .withDiagonal(kvLen - qoLen + 2);
        try (TestGpu gpu = new TestGpu()) {
            assertThat(worst(gpu, in, scheme)).isLessThan(scheme.vRange() == 1 ? 1e-2 : 4e-2);
        }
    }

    /** One tile of V in shared memory, as on a GPU with 99 KiB, in place of two. */
    @Test
    void wideHeadsWithLateV() {
        Scheme scheme = Variant.INT8_FP16.scheme();
        AttentionInputs in = RandomInputs.normal(new AttentionShape(1, 2, 2, 200, 300, 256), 4)
                .rounded(DType.FLOAT16);
        MmaAttentionSpec late = new MmaAttentionSpec(
                scheme, 256, MmaTarget.of(Arch.SM_89, scheme, 256, false), false, false, false, DType.FLOAT16, true);
        assertThat(late.target().vStages()).isEqualTo(1);
        try (TestGpu gpu = new TestGpu()) {
            float[] two = run(gpu, in, scheme);
            gpu.exchange("attend", () -> MmaAttention.kernel(late));
            float[] one = run(gpu, in, scheme);
            assertThat(one).isEqualTo(two);
            assertThat(worst(gpu.arch(), one, in, scheme)).isLessThan(1e-2);
        }
    }

    /** Without log-sum-exp, which the contract test always asks for: P is then summed by the tensor cores. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "int8-fp8",
                "int8-fp8-f16acc",
                "int8-fp8-f32",
                "int8-fp16",
                "int8-fp16-f16acc",
                "int8-fp16-f16f32",
                "int4-fp8",
                "int4-fp8-f16acc"
            })
    void withoutLogSumExp(String variant) {
        Scheme scheme = Variant.of(variant).scheme();
        double bound = scheme.pv() == PvFormat.E4M3 ? 4e-2 : 1e-2;
        for (int dim : new int[] {128, 64, 72}) {
            AttentionInputs in = RandomInputs.normal(new AttentionShape(1, 4, 2, 130, 300, dim), dim)
                    .biasK(3f)
                    .rounded(DType.FLOAT16);
            AttentionInputs causal = in.withDiagonal(150);
            try (TestGpu gpu = new TestGpu()) {
                assertThat(worst(gpu, in, scheme)).as("%d", dim).isLessThan(bound);
                assertThat(worst(gpu, causal, scheme)).as("%d", dim).isLessThan(bound);
            }
        }
    }

    /** The same with data of every kind: some have score scales that are not small. */
    @ParameterizedTest
    @ValueSource(strings = {"int8-fp8", "int8-fp8-f16acc", "int8-fp16", "int4-fp8"})
    void hardDataWithoutLogSumExp(String variant) {
        Scheme scheme = Variant.of(variant).scheme();
        try (TestGpu gpu = new TestGpu()) {
            for (HardData data : HardData.allFinite()) {
                AttentionInputs in = data.inputs(new AttentionShape(1, 2, 1, 130, 300, 64), 5, DType.FLOAT16)
                        .withDiagonal(200);
                assertThat(worst(gpu, in, scheme))
                        .as("%s", data)
                        .isLessThan(scheme.pv() == PvFormat.E4M3 ? 4e-2 : 1e-2);
            }
        }
    }

    /**
     * Packed INT4, by the instruction for it, gives what the widened codes give: both are exact. With FP16 P V, which has the
     * same instructions on either target.
     */
    @ParameterizedTest
    @ValueSource(ints = {128, 96, 72, 64, 32})
    void packedInt4IsTheWidenedOne(int dim) {
        Scheme fp16 = Variant.INT8_FP16.scheme();
        Scheme scheme = new Scheme(
                QkFormat.INT4,
                fp16.granularity(),
                fp16.tiles(),
                true,
                true,
                false,
                fp16.pv(),
                fp16.accumulator(),
                fp16.pRange(),
                fp16.vRange());
        AttentionInputs in = RandomInputs.normal(new AttentionShape(1, 4, 2, 200, 300, dim), 4)
                .biasK(3f)
                .biasQ(2f)
                .rounded(DType.FLOAT16);
        try (TestGpu gpu = new TestGpu()) {
            assumeTrue(QkCode.of(QkFormat.INT4, gpu.arch()) == QkCode.INT4_WIDENED, "INT4 is native here");
            float[] widened = run(gpu, in, scheme);
            try (TestGpu packing = new TestGpu()) {
                float[] packed = run(new AsSm89(packing), packing, in, scheme);
                assertThat(packed).isEqualTo(widened);
            }
            assertThat(worst(gpu.arch(), widened, in, scheme)).isLessThan(1e-2);
        }
    }

    @Test
    void theProbeMeasuresPlausibleSums() {
        CudaDriver driver = DriverSearch.here().driver().orElseThrow();
        GpuProbe probe = GpuProbe.of(driver, driver.device(0).info());
        System.out.println("CudaMmaTest " + probe);
        assertThat(probe.problem()).isEmpty();
        assertThat(probe.findings()).isNotEmpty().allSatisfy(f -> {
            assertThat(f.accumulatorBits()).isBetween(10, 23);
            assertThat(f.productBits()).isBetween(8, 17);
        });
        assertThat(probe.findings())
                .filteredOn(f -> f.instruction().endsWith("f16"))
                .allSatisfy(f -> assertThat(f.accumulatorBits()).isEqualTo(10));
    }

    /** The GPU taken for an sm_89 where the codes are decided; its kernels are assembled for what it is. */
    private record AsSm89(TestGpu gpu) implements NativeDevice {
        @Override
        public Arch arch() {
            return Arch.SM_89;
        }

        @Override
        public int multiprocessors() {
            return gpu.multiprocessors();
        }

        @Override
        public long cacheBytes() {
            return gpu.cacheBytes();
        }

        @Override
        public long allocate(long bytes) {
            return gpu.allocate(bytes);
        }

        @Override
        public void launch(
                String step,
                Object key,
                Supplier<Kernel> kernel,
                int x,
                int y,
                int z,
                boolean overlapping,
                List<Object> arguments) {
            gpu.launch(step, key, kernel, x, y, z, overlapping, arguments);
        }
    }
}
