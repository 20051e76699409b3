package io.sage4j.ptx.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.Rung;
import io.sage4j.numeric.Scheme;
import io.sage4j.oracle.AttentionInputs;
import io.sage4j.oracle.HardData;
import io.sage4j.oracle.QuantizedOperands;
import io.sage4j.oracle.RandomInputs;
import io.sage4j.oracle.VariantModel;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The quantizers in the interpreter against the model: means, scales and codes are equal to the bit. */
class QuantizersTest {
    private static void check(AttentionInputs in, Scheme scheme, SimulatedAttention.Memory memory) {
        AttentionShape shape = in.shape();
        OperandLayout layout = new OperandLayout(shape, scheme.tiles());
        QuantizedOperands model = VariantModel.run(in, Rung.QUANTIZED, scheme).operands();
        int dim = shape.headDim();
        int heads = shape.batch() * shape.qHeads();
        int kvHeads = shape.batch() * shape.kvHeads();
        try (SimulatedAttention run = new SimulatedAttention(in, scheme, memory).quantize()) {
            if (scheme.smoothK()) {
                checkChannels("K mean", run.kMean, model.kMean(), kvHeads, dim, layout.paddedDim());
            }
            if (scheme.smoothV()) {
                checkChannels("V mean", run.vMean, model.vMean(), kvHeads, dim, layout.paddedDim());
            }
            checkScales("Q scale", run.qScales, model.qScales());
            checkScales("K scale", run.kScales, model.kScales());
            checkRows("Q", run.qCodes, model.qCodes(), heads, shape.qoLen(), layout.qRows(), dim, layout.paddedDim());
            checkRows("K", run.kCodes, model.kCodes(), kvHeads, shape.kvLen(), layout.kRows(), dim, layout.paddedDim());
            boolean fp8 = scheme.pv() == PvFormat.E4M3;
            if (fp8) {
                checkChannels("V scale", run.vScales, model.vScales(), kvHeads, dim, layout.paddedDim());
            }
            for (int head = 0; head < kvHeads; head++) {
                for (int key = 0; key < layout.kRows(); key++) {
                    for (int d = 0; d < layout.paddedDim(); d++) {
                        long at = layout.vIndex(head, key, d);
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

    private static void checkRows(
            String what, MemorySegment got, byte[] model, int heads, int tokens, int rows, int dim, int padded) {
        for (int head = 0; head < heads; head++) {
            for (int row = 0; row < rows; row++) {
                for (int d = 0; d < padded; d++) {
                    byte expected = row < tokens && d < dim ? model[(head * tokens + row) * dim + d] : 0;
                    byte code = got.get(ValueLayout.JAVA_BYTE, ((long) head * rows + row) * padded + d);
                    assertThat(code)
                            .as("%s code of head %d row %d channel %d", what, head, row, d)
                            .isEqualTo(expected);
                }
            }
        }
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
