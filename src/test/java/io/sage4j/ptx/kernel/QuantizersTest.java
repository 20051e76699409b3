package io.sage4j.ptx.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.IntCode;
import io.sage4j.numeric.Numbers;
import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.Rung;
import io.sage4j.numeric.Scheme;
import io.sage4j.oracle.AttentionInputs;
import io.sage4j.oracle.HardData;
import io.sage4j.oracle.QuantizedOperands;
import io.sage4j.oracle.RandomInputs;
import io.sage4j.oracle.VariantModel;
import io.sage4j.ptx.Arch;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The quantizers in the interpreter against the model: means, scales and codes are equal to the bit. */
class QuantizersTest {
    private static void check(AttentionInputs in, Scheme scheme, SimulatedAttention.Memory memory) {
        check(in, scheme, memory, Arch.SM_89);
    }

    private static void check(AttentionInputs in, Scheme scheme, SimulatedAttention.Memory memory, Arch arch) {
        AttentionShape shape = in.shape();
        OperandLayout layout = new OperandLayout(shape, scheme.tiles());
        QuantizedOperands model = VariantModel.run(in, Rung.QUANTIZED, scheme).operands();
        int dim = shape.headDim();
        int heads = shape.batch() * shape.qHeads();
        int kvHeads = shape.batch() * shape.kvHeads();
        try (SimulatedAttention run = new SimulatedAttention(in, scheme, memory, arch).quantize()) {
            if (scheme.smoothK()) {
                checkChannels("K mean", run.kMean, model.kMean(), kvHeads, dim, run.dim());
            }
            if (scheme.smoothV()) {
                checkChannels("V mean", run.vMean, model.vMean(), kvHeads, dim, run.dim());
            }
            if (scheme.smoothQ()) {
                checkChannels("Q mean", run.qMean, model.qMean(), heads * layout.qTiles(), dim, run.dim());
                checkDeltaS(run.deltaS, model.deltaS(), layout, in.smScale() * Numbers.LOG2E);
            }
            checkScales("Q scale", run.qScales, model.qScales());
            checkScales("K scale", run.kScales, model.kScales());
            boolean packed = run.code() == QkCode.INT4;
            checkRows("Q", bytes(run.qCodes, packed), model.qCodes(), shape.qoLen(), layout.qRows(), dim, run.dim());
            checkRows("K", bytes(run.kCodes, packed), model.kCodes(), shape.kvLen(), layout.kRows(), dim, run.dim());
            boolean fp8 = scheme.pv() == PvFormat.E4M3;
            if (fp8) {
                checkChannels("V scale", run.vScales, model.vScales(), kvHeads, dim, run.dim());
            }
            for (int head = 0; head < kvHeads; head++) {
                for (int key = 0; key < layout.kRows(); key++) {
                    for (int d = 0; d < run.dim(); d++) {
                        int tile = key / layout.tiles().blockK();
                        long at = (((long) head * layout.kTiles() + tile) * run.dim() + d)
                                        * layout.tiles().blockK()
                                + OperandLayout.positionOf(key % layout.tiles().blockK());
                        int code = fp8
                                ? run.vCodes.get(ValueLayout.JAVA_BYTE, at)
                                : run.vCodes.getAtIndex(ValueLayout.JAVA_SHORT, at);
                        boolean inside = key < shape.kvLen() && d < dim;
                        int expected = inside ? model.vCodes()[(head * shape.kvLen() + key) * dim + d] : 0;
                        boolean poisoned = inside && fp8 && Float.isNaN(model.vScales()[head * dim + d]);
                        assertThat(poisoned || code == expected || !fp8 && isNaN(code) && isNaN(expected))
                                .as("V code of head %d key %d channel %d: %x, model %x", head, key, d, code, expected)
                                .isTrue();
                    }
                }
            }
        }
    }

    private static boolean isNaN(int half) {
        return Float.isNaN(Float.float16ToFloat((short) half));
    }

    private static void checkChannels(String what, MemorySegment got, float[] model, int heads, int dim, int padded) {
        for (int head = 0; head < heads; head++) {
            for (int d = 0; d < dim; d++) {
                float value = got.getAtIndex(ValueLayout.JAVA_FLOAT, (long) head * padded + d);
                assertThat(value)
                        .as("%s of head %d channel %d", what, head, d)
                        .isEqualTo(Float.valueOf(model[head * dim + d]));
            }
        }
    }

    private static void checkScales(String what, MemorySegment got, float[] model) {
        for (int n = 0; n < model.length; n++) {
            assertThat(got.getAtIndex(ValueLayout.JAVA_FLOAT, n))
                    .as("%s %d", what, n)
                    .isEqualTo(Float.valueOf(model[n]));
        }
    }

    /** One code to a byte: the low nibble is the lower channel. */
    private static byte[] bytes(MemorySegment codes, boolean packed) {
        byte[] memory = codes.toArray(ValueLayout.JAVA_BYTE);
        if (!packed) {
            return memory;
        }
        byte[] unpacked = new byte[2 * memory.length];
        for (int n = 0; n < memory.length; n++) {
            unpacked[2 * n] = (byte) IntCode.lowNibble(memory[n]);
            unpacked[2 * n + 1] = (byte) IntCode.highNibble(memory[n]);
        }
        return unpacked;
    }

    private static void checkRows(String what, byte[] got, byte[] model, int tokens, int rows, int dim, int padded) {
        int heads = model.length / Math.max(1, tokens * dim);
        for (int head = 0; head < heads; head++) {
            for (int row = 0; row < rows; row++) {
                for (int d = 0; d < padded; d++) {
                    byte expected = row < tokens && d < dim ? model[(head * tokens + row) * dim + d] : 0;
                    assertThat(got[(head * rows + row) * padded + d])
                            .as("%s code of head %d row %d channel %d", what, head, row, d)
                            .isEqualTo(expected);
                }
            }
        }
    }

    /** Sums of head_dim products that the kernel rounds once and the model twice: equal to a few ulp of the largest. */
    private static void checkDeltaS(MemorySegment got, float[] model, OperandLayout layout, float scale) {
        int keys = layout.shape().kvLen();
        double largest = 1e-30;
        for (float ds : model) {
            largest = Float.isFinite(ds) ? Math.max(largest, Math.abs(ds * scale)) : largest;
        }
        for (int row = 0; row < model.length / keys; row++) {
            for (int key = 0; key < layout.kRows(); key++) {
                float value = got.getAtIndex(ValueLayout.JAVA_FLOAT, (long) row * layout.kRows() + key);
                float expected = key < keys ? model[row * keys + key] * scale : 0;
                if (Float.isFinite(expected)) {
                    assertThat(Math.abs(value - (double) expected))
                            .as("delta s of row %d key %d: %s, model %s", row, key, value, expected)
                            .isLessThanOrEqualTo(0x1p-20 * largest);
                } else {
                    assertThat(Float.isFinite(value)).isFalse();
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "PER_THREAD, FLOAT16, SM_89, 64, 130, 70, false, 0", "PER_WARP, BFLOAT16, SM_89, 128, 265, 129, true, 8",
        "PER_BLOCK, FLOAT16, SM_86, 100, 40, 200, false, 0", "PER_THREAD, FLOAT16, SM_120, 96, 130, 66, true, 1",
        "PER_THREAD, BFLOAT16, SM_90A, 128, 20, 64, false, 0", "PER_THREAD, FLOAT16, SM_89, 96, 130, 66, true, 0",
        "PER_BLOCK, BFLOAT16, SM_86, 80, 40, 70, false, 3", "PER_WARP, FLOAT16, SM_89, 32, 33, 65, false, 0"
    })
    void int4CodesAndWhatSmoothQTakes(
            Granularity granularity,
            DType type,
            Arch arch,
            int dim,
            int qoLen,
            int kvLen,
            boolean inside,
            int padding) {
        AttentionShape shape = new AttentionShape(2, 4, 2, qoLen, kvLen, dim);
        AttentionInputs in = RandomInputs.normal(shape, dim).biasK(5f).biasQ(4f).rounded(type);
        SimulatedAttention.Memory memory = new SimulatedAttention.Memory(type, inside, padding);
        Scheme scheme = Variant.of("int4-fp8").scheme().withGranularity(granularity);
        if (arch.sm() < 89) {
            scheme = scheme.withSmoothV(true);
        }
        check(in, scheme, memory, arch);
        check(in, scheme.withSmoothK(false), memory, arch);
        check(in, scheme.withSmoothQ(false), memory, arch);
    }

    @ParameterizedTest
    @CsvSource({"FLOAT16, 256, 0", "BFLOAT16, 160, 0", "FLOAT16, 200, 3"})
    void wideHeads(DType type, int dim, int padding) {
        AttentionInputs in = RandomInputs.normal(new AttentionShape(1, 2, 1, 130, 70, dim), dim)
                .biasK(5f)
                .rounded(type);
        check(in, Variant.INT8_FP16.scheme(), new SimulatedAttention.Memory(type, false, padding));
    }

    /** Beyond 128 channels a lane has five codes of a row, or six, which are no whole number of pairs of bytes. */
    @ParameterizedTest
    @CsvSource({"FLOAT16, 192, 0", "BFLOAT16, 160, 0", "FLOAT16, 180, 3"})
    void wideHeadsOfPackedInt4(DType type, int dim, int padding) {
        AttentionInputs in = RandomInputs.normal(new AttentionShape(1, 2, 1, 130, 70, dim), dim)
                .biasK(5f)
                .rounded(type);
        Scheme scheme = Variant.of("int4-fp8").scheme().withSmoothQ(false);
        check(in, scheme, new SimulatedAttention.Memory(type, false, padding));
    }

    @ParameterizedTest
    @CsvSource({
        "PER_THREAD, FLOAT16, 64, 130, 70, false, 0",
        "PER_THREAD, BFLOAT16, 128, 65, 129, true, 8",
        "PER_WARP, FLOAT16, 128, 33, 64, true, 0",
        "PER_BLOCK, BFLOAT16, 64, 129, 63, false, 8",
        "PER_THREAD, FLOAT16, 40, 31, 1, true, 3",
        "PER_BLOCK, FLOAT16, 96, 1, 66, false, 0",
        "PER_WARP, BFLOAT16, 32, 127, 65, false, 1"
    })
    void codesAndScalesAreTheModels(
            Granularity granularity, DType type, int dim, int qoLen, int kvLen, boolean headsInside, int padding) {
        AttentionShape shape = new AttentionShape(2, 2, 1, qoLen, kvLen, dim);
        AttentionInputs in = RandomInputs.normal(shape, dim).biasK(5f).biasV(3f).rounded(type);
        SimulatedAttention.Memory memory = new SimulatedAttention.Memory(type, headsInside, padding);
        check(in, Variant.INT8_FP8.scheme().withGranularity(granularity), memory);
        check(in, Variant.INT8_FP16.scheme().withGranularity(granularity).withSmoothV(true), memory);
    }

    @Test
    void rangesOfSageAttention2PlusPlus() {
        AttentionInputs in =
                RandomInputs.normal(new AttentionShape(1, 1, 1, 16, 100, 64), 3).rounded(DType.FLOAT16);
        SimulatedAttention.Memory memory = new SimulatedAttention.Memory(DType.FLOAT16, false, 0);
        check(in, Variant.INT8_FP8_F16ACC.scheme().withSmoothV(true), memory);
        check(in, Variant.INT8_FP8.scheme().withSmoothK(false), memory);
    }

    @ParameterizedTest
    @EnumSource(HardData.class)
    void hardDataGivesTheModelsScalesAndNaNs(HardData data) {
        AttentionInputs in = data.inputs(new AttentionShape(1, 1, 1, 70, 70, 64), 9, DType.FLOAT16);
        SimulatedAttention.Memory memory = new SimulatedAttention.Memory(DType.FLOAT16, false, 0);
        check(in, Variant.INT8_FP8.scheme(), memory);
        check(in, Variant.INT8_FP16.scheme(), memory);
    }
}
