package io.sage4j.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.DType;
import io.sage4j.Layout;
import io.sage4j.SageException;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Float16;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.Rung;
import io.sage4j.numeric.Scheme;
import io.sage4j.oracle.AttentionInputs;
import io.sage4j.oracle.ModelResult;
import io.sage4j.oracle.RandomInputs;
import io.sage4j.oracle.VariantModel;
import io.sage4j.plan.NativeAttention.Placed;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.PtxModule;
import io.sage4j.ptx.kernel.WgmmaAttention;
import io.sage4j.ptx.kernel.WgmmaAttentionSpec;
import io.sage4j.ptx.kernel.WgmmaAttentionSpec.Stores;
import io.sage4j.ptx.kernel.WorkPlan;
import io.sage4j.ptx.kernel.WorkProbe;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The sequence of native kernels, run in the interpreter and compared with the model. */
class NativeAttentionTest {
    private static final double BOUND = 0x1p-9 + 0x1p-11;

    private static MemorySegment halves(InterpretedDevice device, float[] values) {
        MemorySegment segment = device.segment(values.length * 2L);
        for (int n = 0; n < values.length; n++) {
            segment.setAtIndex(ValueLayout.JAVA_SHORT, n, Float16.encode(values[n]));
        }
        return segment;
    }

    private static Placed placed(InterpretedDevice device, MemorySegment segment, int heads, int tokens, int dim) {
        return new Placed(device.global.map(segment), (long) heads * tokens * dim, (long) tokens * dim, dim);
    }

    private static NativeAttention.Call call(
            InterpretedDevice device, AttentionInputs in, Scheme scheme, MemorySegment out, MemorySegment lse) {
        AttentionShape s = in.shape();
        return new NativeAttention.Call(
                s,
                scheme,
                in.diagonal(),
                in.smScale(),
                DType.FLOAT16,
                placed(device, halves(device, in.q()), s.qHeads(), s.qoLen(), s.headDim()),
                placed(device, halves(device, in.k()), s.kvHeads(), s.kvLen(), s.headDim()),
                placed(device, halves(device, in.v()), s.kvHeads(), s.kvLen(), s.headDim()),
                placed(device, out, s.qHeads(), s.qoLen(), s.headDim()),
                lse == null ? 0 : device.global.map(lse));
    }

    @ParameterizedTest
    @CsvSource({
        "int8-fp8, 64, 70, 100, false",
        "int8-fp8-f16acc, 33, 65, 129, true",
        "int8-fp16, 100, 40, 66, false",
        "int8-fp16-f16f32, 64, 5, 64, true",
        "int8-fp16, 256, 20, 100, false",
    })
    void mmaSequenceIsTheModel(String variant, int dim, int qoLen, int kvLen, boolean smoothV) {
        Scheme scheme = Variant.of(variant).scheme().withSmoothV(smoothV);
        AttentionInputs in = RandomInputs.normal(new AttentionShape(2, 4, 2, qoLen, kvLen, dim), dim + kvLen)
                .biasK(2f)
                .rounded(DType.FLOAT16);
        ModelResult model = VariantModel.run(in, Rung.QUANTIZED, scheme);
        float[] expected = ModelResult.rounded(model.o(), DType.FLOAT16);
        try (InterpretedDevice device = InterpretedDevice.atOnce(Arch.SM_89)) {
            MemorySegment out = device.segment(expected.length * 2L);
            MemorySegment lse = device.segment(model.lse().length * 4L);
            NativeAttention.run(device, call(device, in, scheme, out, lse));
            double largest = 0;
            double worst = 0;
            for (int n = 0; n < expected.length; n++) {
                float actual = Float16.decode(out.getAtIndex(ValueLayout.JAVA_SHORT, n));
                largest = Math.max(largest, Math.abs(expected[n]));
                worst = Math.max(worst, Math.abs(expected[n] - (double) actual));
            }
            assertThat(worst).isLessThan(BOUND * largest);
            for (int n = 0; n < model.lse().length; n++) {
                assertThat((double) Math.abs(lse.getAtIndex(ValueLayout.JAVA_FLOAT, n) - model.lse()[n]))
                        .isLessThan(0x1p-18 * (1 + Math.abs(model.lse()[n])));
            }
            assertThat(device.steps).contains("smooth-k", "quantize-k", "quantize-q", "quantize-v", "lse-correction");
            assertThat(device.steps).endsWith("attend");
        }
    }

    /** What is counted decides the codes and which kernel writes: the output is that of a call by the variant chosen. */
    @ParameterizedTest
    @CsvSource({
        "int8-fp8-f16acc, 64, false, true", "int8-fp8-f16acc, 40, true, true", "int8-fp8-f16acc, 40, false, false",
        "int8-fp8-f16acc-p112, 96, false, true", "int4-fp8-f16acc, 64, false, true", "int4-fp8-f16acc, 64, true, false"
    })
    void watchedSequenceIsThatOfTheVariantThatVSuits(String name, int dim, boolean smoothV, boolean heavy) {
        Variant variant = Variant.of(name).with(Variant.of(name).scheme().withSmoothV(smoothV));
        Scheme wide = HeavyTails.fallback(variant).scheme();
        RandomInputs numbers = RandomInputs.normal(new AttentionShape(2, 2, 1, 40, 300, dim), dim);
        AttentionInputs in = (heavy ? numbers.heavyTailedV() : numbers).rounded(DType.FLOAT16);
        long bytes = in.q().length * 2L;
        byte[] direct;
        try (InterpretedDevice device = InterpretedDevice.atOnce(Arch.SM_89)) {
            MemorySegment out = device.segment(bytes);
            assertThat(NativeAttention.run(device, call(device, in, heavy ? wide : variant.scheme(), out, null)))
                    .isZero();
            direct = out.toArray(ValueLayout.JAVA_BYTE);
        }
        try (InterpretedDevice device = InterpretedDevice.atOnce(Arch.SM_89)) {
            MemorySegment out = device.segment(bytes);
            NativeAttention.Call plain = call(device, in, variant.scheme(), out, null);
            long counted = NativeAttention.run(device, watched(plain, wide));
            assertThat(out.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(direct);
            Tensor v = Tensor.of(in.v(), 2, 1, 300, dim);
            long expected = HeavyTails.count(v, Layout.HND, in.shape(), variant.scheme());
            assertThat(device.allocated.get(counted).get(ValueLayout.JAVA_INT, 0))
                    .isEqualTo((int) expected);
            assertThat(expected > 0).isEqualTo(heavy);
            assertThat(device.steps).containsSubsequence("v-scale", "v-tails", "v-range", "quantize-v");
            assertThat(device.steps).endsWith("attend", "attend-if-heavy");
        }
    }

    private static NativeAttention.Call watched(NativeAttention.Call c, Scheme ifHeavy) {
        return new NativeAttention.Call(
                c.shape(),
                c.scheme(),
                ifHeavy,
                c.diagonal(),
                c.smScale(),
                c.type(),
                c.q(),
                c.k(),
                c.v(),
                c.out(),
                c.lse());
    }

    @ParameterizedTest
    @CsvSource({"SM_89, 64, 130", "SM_89, 100, 40", "SM_120, 128, 70"})
    void int4SequenceIsTheModel(Arch arch, int dim, int qoLen) {
        Scheme scheme = Variant.of("int4-fp8-f16acc").scheme();
        AttentionInputs in = RandomInputs.normal(new AttentionShape(1, 4, 2, qoLen, 150, dim), dim)
                .biasK(2f)
                .biasQ(2f)
                .rounded(DType.FLOAT16)
                .withDiagonal(20);
        float[] expected = ModelResult.rounded(
                VariantModel.runWithoutLse(in, Rung.QUANTIZED, scheme, true).o(), DType.FLOAT16);
        try (InterpretedDevice device = InterpretedDevice.atOnce(arch)) {
            MemorySegment out = device.segment(expected.length * 2L);
            NativeAttention.run(device, call(device, in, scheme, out, null));
            double largest = 0;
            double worst = 0;
            for (int n = 0; n < expected.length; n++) {
                float actual = Float16.decode(out.getAtIndex(ValueLayout.JAVA_SHORT, n));
                largest = Math.max(largest, Math.abs(expected[n]));
                worst = Math.max(worst, Math.abs(expected[n] - (double) actual));
            }
            assertThat(worst).isLessThan(BOUND * largest);
            assertThat(device.steps)
                    .containsExactly(
                            "smooth-k",
                            "quantize-k",
                            "smooth-q",
                            "quantize-q",
                            "delta-s",
                            "v-scale",
                            "quantize-v",
                            "attend");
        }
    }

    @ParameterizedTest
    @CsvSource({
        "128, 300, 300, 0, 3, true",
        "64, 1000, 300, 0, 6, true",
        "104, 64, 256, 536870911, 1, true",
        "100, 64, 256, 536870911, 1, false",
        "104, 64, 4096, 536870911, 0, true",
        "100, 64, 4096, 4032, 0, false",
    })
    void wgmmaSequenceHasItsStepsAndGrid(int dim, int qoLen, int kvLen, int diagonal, int headTiles, boolean inside) {
        AttentionInputs in = RandomInputs.normal(new AttentionShape(1, 2, 1, qoLen, kvLen, dim), 3)
                .rounded(DType.FLOAT16)
                .withDiagonal(diagonal);
        Scheme scheme = Variant.of("int8-fp8-sm90").scheme();
        try (InterpretedDevice device = InterpretedDevice.atOnce(Arch.SM_90A)) {
            MemorySegment out = device.segment((long) in.q().length * 2);
            NativeAttention.run(device, call(device, in, scheme, out, null));
            // Rows of Q that are whole chunks of 16 bytes are quantized by the attention kernel.
            List<String> steps = new ArrayList<>(List.of("clear", "quantize-kv"));
            if (!inside) {
                steps.add("quantize-q");
            }
            WorkPlan plan = WorkPlan.of(WorkPlan.Call.of(
                    in.shape(), scheme, diagonal, device.multiprocessors(), device.cacheBytes(), true));
            assertThat(plan.headTiles()).isEqualTo(headTiles);
            List<Object> ends = new ArrayList<>(List.of(2, headTiles));
            if (diagonal < kvLen - 1) {
                ends.add(plan.order().headGroup());
            }
            if (headTiles > 0) {
                steps.add("attend");
                assertThat(device.gridOf).containsEntry("attend", 2 * headTiles);
                ends.add(2 * headTiles);
                if (diagonal < kvLen - 1) {
                    ends.add(plan.order().turns() ? 1 : 0);
                }
                assertThat(device.argumentsOf.get("attend")).endsWith(ends.toArray());
                checkWork(device, "attend", wgmma(scheme, dim, diagonal < kvLen - 1, inside));
            } else {
                // One tile of 64 rows a head.
                steps.addAll(List.of("attend-parts", "join-parts"));
                assertThat(device.gridOf).containsEntry("attend-parts", 2 * plan.parts());
                assertThat(device.gridOf).containsEntry("join-parts", 2);
                ends.addAll(List.of(2 * plan.parts(), 1, 0, plan.parts(), plan.partTiles()));
                assertThat(device.argumentsOf.get("attend-parts")).endsWith(ends.toArray());
                assertThat(device.argumentsOf.get("join-parts")).endsWith(1, 0, 2 * plan.parts());
                checkWork(
                        device,
                        "attend-parts",
                        wgmma(scheme, dim, diagonal < kvLen - 1, inside).inParts());
            }
            assertThat(device.steps).containsExactlyElementsOf(steps);
            // Each waits for the one in front, but attention for quantize-kv only.
            List<String> early = new ArrayList<>(steps);
            early.removeAll(inside ? List.of("clear") : List.of("clear", "quantize-q", "attend", "attend-parts"));
            assertThat(device.overlapping).isEqualTo(early);
        }
    }

    /** With a correction of the log-sum-exp in front, attention begins when that has ended. */
    @Test
    void attentionBehindAnotherKernelDoesNotOverlap() {
        AttentionInputs in = RandomInputs.normal(new AttentionShape(1, 2, 1, 300, 300, 128), 3)
                .rounded(DType.FLOAT16)
                .withDiagonal(299);
        Scheme scheme = Variant.of("int8-fp8-sm90").scheme();
        try (InterpretedDevice device = InterpretedDevice.atOnce(Arch.SM_90A)) {
            MemorySegment out = device.segment((long) in.q().length * 2);
            MemorySegment lse = device.segment(2L * 300 * Float.BYTES);
            NativeAttention.run(device, call(device, in, scheme, out, lse));
            assertThat(device.steps).containsExactly("clear", "quantize-kv", "lse-correction", "attend");
            assertThat(device.overlapping).containsExactly("quantize-kv");
        }
    }

    private static WgmmaAttentionSpec wgmma(Scheme scheme, int dim, boolean causal, boolean quantizesQ) {
        int paddedDim = dim <= 64 ? 64 : 128;
        return new WgmmaAttentionSpec(scheme, paddedDim, causal, false, DType.FLOAT16, Stores.PAIRED, quantizesQ);
    }

    /** Of the arguments that a step got, its kernel makes all heads, each with as many tiles of rows, and no work twice. */
    private static void checkWork(InterpretedDevice device, String step, WgmmaAttentionSpec spec) {
        int count = device.gridOf.get(step);
        MemorySegment found = device.segment((long) count * WorkProbe.WORDS * Integer.BYTES);
        List<Object> arguments = new ArrayList<>(device.argumentsOf.get(step));
        arguments.add(device.global.map(found));
        device.simulator.run(WorkProbe.kernel(spec), count, 1, 1, arguments.toArray());
        Set<List<Integer>> works = new HashSet<>();
        for (int n = 0; n < count; n++) {
            int at = n * WorkProbe.WORDS;
            List<Integer> work = new ArrayList<>();
            for (int word = 0; word < WorkProbe.WORDS; word++) {
                work.add(found.getAtIndex(ValueLayout.JAVA_INT, at + word));
            }
            assertThat(work.get(0)).as("head").isBetween(0, 1);
            assertThat(work.get(1)).as("tile of rows").isBetween(0, count / 2 - 1);
            assertThat(work.get(2)).as("first key tile").isLessThan(work.get(3));
            assertThat(works.add(work.subList(0, 3))).as("%s twice", work).isTrue();
        }
    }

    @ParameterizedTest
    @CsvSource({"60, PER_THREAD, 70", "100, PER_WARP, 5", "127, PER_BLOCK, 130"})
    void wgmmaGetsTheSignOfSmScaleWithTheCodesOfQ(int dim, Granularity granularity, int qoLen) {
        AttentionInputs in = RandomInputs.normal(new AttentionShape(1, 2, 1, qoLen, 40, dim), 7)
                .biasK(2f)
                .rounded(DType.FLOAT16);
        Scheme scheme = Variant.of("int8-fp8-sm90").scheme().withGranularity(granularity);
        List<List<Object>> ends = new ArrayList<>();
        List<byte[]> codes = new ArrayList<>();
        List<byte[]> scales = new ArrayList<>();
        for (float smScale : new float[] {0.3f, -0.3f}) {
            try (InterpretedDevice device = InterpretedDevice.atOnce(Arch.SM_90A)) {
                MemorySegment out = device.segment((long) in.q().length * 2);
                MemorySegment lse = device.segment((long) qoLen * 2 * Float.BYTES);
                NativeAttention.run(device, call(device, in.withSmScale(smScale), scheme, out, lse));
                List<Object> quantized = device.argumentsOf.get("quantize-q");
                codes.add(bytes(device, quantized.get(quantized.size() - 2)));
                scales.add(bytes(device, quantized.get(quantized.size() - 1)));
                List<Object> attend = device.argumentsOf.get("attend");
                ends.add(attend.subList(attend.size() - 4, attend.size()));
                // The log-sum-exp is corrected by what K's mean took, and that has the sign.
                assertThat(device.argumentsOf.get("lse-correction")).contains(smScale);
            }
        }
        assertThat(ends.get(1)).isEqualTo(ends.get(0)).contains(0.3f * Numbers.LOG2E);
        assertThat(scales.get(1)).isEqualTo(scales.get(0));
        byte[] negated = codes.get(1).clone();
        for (int n = 0; n < negated.length; n++) {
            negated[n] = (byte) -negated[n];
        }
        assertThat(negated).isEqualTo(codes.get(0)).isNotEqualTo(codes.get(1));
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0, 128, true, WIDE", "8, 0, 128, true, WIDE", "4, 0, 128, false, WIDE", "0, 2, 64, true, PAIRED",
        "0, 1, 64, true, SINGLE", "0, 0, 104, true, WIDE", "0, 0, 100, false, PAIRED", "0, 0, 33, false, SINGLE",
    })
    void wgmmaQuantizesQWhereItsRowsAreWholeChunks(int padQ, int padOut, int dim, boolean inside, Stores stores) {
        AttentionInputs in = RandomInputs.normal(new AttentionShape(2, 2, 1, 70, 40, dim), 7)
                .rounded(DType.FLOAT16)
                .withSmScale(-0.3f);
        try (InterpretedDevice device = InterpretedDevice.atOnce(Arch.SM_90A)) {
            Scheme scheme = Variant.of("int8-fp8-sm90").scheme();
            MemorySegment out = device.segment((long) in.q().length * 2);
            NativeAttention.Call plain = call(device, in, scheme, out, null);
            long room = device.global.map(device.segment((long) in.q().length * 4));
            NativeAttention.Call call = new NativeAttention.Call(
                    plain.shape(),
                    scheme,
                    plain.diagonal(),
                    plain.smScale(),
                    plain.type(),
                    padded(plain.q(), room, padQ),
                    plain.k(),
                    plain.v(),
                    padded(plain.out(), room, padOut),
                    0);
            NativeAttention.run(device, call);
            List<Object> arguments = device.argumentsOf.get("attend");
            assertThat(device.steps.contains("quantize-q")).isEqualTo(!inside);
            assertThat(arguments.get(0).equals(room)).isEqualTo(inside);
            if (inside) {
                Placed q = call.q();
                assertThat(arguments.subList(3, 6)).containsExactly(q.batch(), q.head(), q.token());
            }
            // The kernel that quantizes Q takes the sign from the factor.
            assertThat(arguments).contains((inside ? -0.3f : 0.3f) * Numbers.LOG2E);
            WgmmaAttentionSpec spec =
                    new WgmmaAttentionSpec(scheme, dim <= 64 ? 64 : 128, false, false, DType.FLOAT16, stores, inside);
            assertThat(PtxModule.of(Arch.SM_90A, device.last).text())
                    .isEqualTo(PtxModule.of(Arch.SM_90A, WgmmaAttention.kernel(spec))
                            .text());
        }
    }

    /** The same shape elsewhere, with rows that much further apart, in elements. */
    private static Placed padded(Placed data, long address, int elements) {
        return new Placed(address, data.batch(), data.head(), data.token() + elements);
    }

    private static byte[] bytes(InterpretedDevice device, Object address) {
        return device.allocated.get((Long) address).toArray(ValueLayout.JAVA_BYTE);
    }

    @ParameterizedTest
    @CsvSource({
        "int8-fp8-sm90, SM_89, 64, 1, need a Hopper GPU",
        "int8-fp16-sm90, SM_80, 64, 1, need a Hopper GPU",
        "int8-fp8-sm90-fast, SM_90A, 160, 1, head_dim up to 128",
        "int4-fp8, SM_89, 160, 1, up to 128 with smooth Q",
        "int8-fp8, SM_80, 64, 1, take variant int8-fp16",
        "int8-int8, SM_89, 64, 1, E4M3 or FP16",
        "int8-fp8, SM_89, 200, 1, up to 192 with FP8",
        "int8-fp8-sm90, SM_90A, 160, 1, head_dim up to 128",
    })
    void whatNoKernelDoesIsRefusedBeforeAnyWork(String variant, Arch arch, int dim, int sign, String why) {
        AttentionInputs in = RandomInputs.normal(new AttentionShape(1, 1, 1, 4, 4, dim), 1)
                .rounded(DType.FLOAT16)
                .withSmScale(sign * 0.1f);
        try (InterpretedDevice device = InterpretedDevice.atOnce(arch)) {
            MemorySegment out = device.segment((long) in.q().length * 2);
            NativeAttention.Call call = call(device, in, Variant.of(variant).scheme(), out, null);
            assertThatThrownBy(() -> NativeAttention.run(device, call))
                    .isInstanceOf(SageException.class)
                    .hasMessageContaining(why);
            assertThat(device.steps).isEmpty();
        }
    }
}
