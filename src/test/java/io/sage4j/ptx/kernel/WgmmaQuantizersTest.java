package io.sage4j.ptx.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.Rung;
import io.sage4j.numeric.ScaleGroups;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.WgmmaLayout;
import io.sage4j.oracle.AttentionInputs;
import io.sage4j.oracle.HardData;
import io.sage4j.oracle.QuantizedOperands;
import io.sage4j.oracle.RandomInputs;
import io.sage4j.oracle.VariantModel;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The quantizers in the interpreter with the layout of the wgmma kernels, read back through {@link WgmmaLayout}: codes,
 * scales and means are the model's to the bit, and all the rest of the images is zero.
 */
class WgmmaQuantizersTest {
    private static final List<Scheme> SCHEMES = List.of(
            Variant.of("int8-fp8-sm90").scheme(),
            Variant.of("int8-fp8-sm90-f16acc").scheme().withSmoothV(true),
            Variant.of("int8-fp8-sm90-fast").scheme().withSmoothK(false),
            Variant.of("int8-fp16-sm90").scheme(),
            Variant.of("int8-fp16-sm90").scheme().withSmoothV(true).withSmoothK(false));

    /** What the kernels wrote for a call, and what the model says. */
    private static final class Check {
        private final AttentionShape shape;
        private final Scheme scheme;
        private final WgmmaLayout layout;
        private final QuantizedOperands model;
        private final int dim;
        private final int heads;
        private final int kvHeads;
        private final int qRows;
        private final int kRows;

        Check(AttentionInputs in, Scheme scheme) {
            this.scheme = scheme;
            shape = in.shape();
            layout = new WgmmaLayout(shape);
            model = VariantModel.run(in, Rung.QUANTIZED, scheme).operands();
            dim = shape.headDim();
            heads = shape.batch() * shape.qHeads();
            kvHeads = shape.batch() * shape.kvHeads();
            qRows = layout.qTiles() * WgmmaLayout.Q_ROWS;
            kRows = layout.kTiles() * WgmmaLayout.KEYS;
        }

        void all(SimulatedAttention run) {
            assertThat(run.qCodes.byteSize()).isEqualTo(layout.qBytes());
            assertThat(run.kCodes.byteSize()).isEqualTo(layout.kBytes());
            assertThat(run.qScales.byteSize()).isEqualTo(layout.qScales() * Float.BYTES);
            assertThat(run.kScales.byteSize()).isEqualTo(layout.kScales() * Float.BYTES);
            rows("Q", run.qCodes, layout::qIndex, model.qCodes(), heads, shape.qoLen(), qRows);
            rows("K", run.kCodes, layout::kIndex, model.kCodes(), kvHeads, shape.kvLen(), kRows);
            scales("Q", run.qScales, layout::qScaleIndex, model.qScales(), model.qGroups(), heads, qRows);
            scales("K", run.kScales, layout::kScaleIndex, model.kScales(), model.kGroups(), kvHeads, kRows);
            values(run.vCodes);
            if (scheme.smoothK()) {
                channels("K mean", run.kMean, model.kMean());
            }
            if (scheme.smoothV()) {
                channels("V mean", run.vMean, model.vMean());
            }
            if (scheme.pv().ofV() == PvFormat.E4M3) {
                channels("V scale", run.vScales, model.vScales());
            }
        }

        private void rows(
                String what, MemorySegment got, CodeIndex index, byte[] expected, int headCount, int tokens, int rows) {
            for (int head = 0; head < headCount; head++) {
                for (int row = 0; row < rows; row++) {
                    for (int d = 0; d < layout.paddedDim(); d++) {
                        byte code = got.get(ValueLayout.JAVA_BYTE, index.of(head, row, d));
                        byte model = row < tokens && d < dim ? expected[(head * tokens + row) * dim + d] : 0;
                        if (code != model) {
                            fail(
                                    "%s code of head %d row %d channel %d is %d, model %d",
                                    what, head, row, d, code, model);
                        }
                    }
                }
            }
        }

        /** All rows, padding too, have together all scales of their tiles. */
        private void scales(
                String what,
                MemorySegment got,
                ScaleIndex index,
                float[] expected,
                ScaleGroups groups,
                int headCount,
                int rows) {
            for (int head = 0; head < headCount; head++) {
                for (int row = 0; row < rows; row++) {
                    assertThat(got.getAtIndex(ValueLayout.JAVA_FLOAT, index.of(head, row)))
                            .as("%s scale of head %d row %d", what, head, row)
                            .isEqualTo(Float.valueOf(expected[head * groups.count(rows) + groups.index(row)]));
                }
            }
        }

        private void values(MemorySegment got) {
            boolean fp8 = scheme.pv().ofV() == PvFormat.E4M3;
            assertThat(got.byteSize()).isEqualTo(layout.kBytes() * (fp8 ? 1 : 2));
            for (int head = 0; head < kvHeads; head++) {
                for (int key = 0; key < kRows; key++) {
                    for (int d = 0; d < layout.paddedDim(); d++) {
                        int code = fp8
                                ? got.get(ValueLayout.JAVA_BYTE, layout.vIndex(head, key, d))
                                : got.get(ValueLayout.JAVA_SHORT, layout.vHalfIndex(head, key, d));
                        boolean inside = key < shape.kvLen() && d < dim;
                        int expected = inside ? model.vCodes()[(head * shape.kvLen() + key) * dim + d] : 0;
                        // The scale of such a channel is NaN already, and no code can make a number of that.
                        boolean poisoned = inside && fp8 && Float.isNaN(model.vScales()[head * dim + d]);
                        boolean bothNaN = !fp8 && isNaN(code) && isNaN(expected);
                        if (code != expected && !poisoned && !bothNaN) {
                            fail("V code of head %d key %d channel %d is %x, model %x", head, key, d, code, expected);
                        }
                    }
                }
            }
        }

        private void channels(String what, MemorySegment got, float[] expected) {
            for (int head = 0; head < kvHeads; head++) {
                for (int d = 0; d < dim; d++) {
                    assertThat(got.getAtIndex(ValueLayout.JAVA_FLOAT, (long) head * layout.paddedDim() + d))
                            .as("%s of head %d channel %d", what, head, d)
                            .isEqualTo(Float.valueOf(expected[head * dim + d]));
                }
            }
        }

        private static boolean isNaN(int half) {
            return Float.isNaN(Float.float16ToFloat((short) half));
        }
    }

    /** Place of a code. */
    private interface CodeIndex {
        long of(int head, int row, int channel);
    }

    /** Place of a scale. */
    private interface ScaleIndex {
        long of(int head, int row);
    }

    private static void check(AttentionInputs in, Scheme scheme, SimulatedAttention.Memory memory) {
        try (SimulatedAttention run = new SimulatedAttention(in, scheme, memory).quantize();
                SimulatedAttention apart = new SimulatedAttention(in, scheme, memory).quantizeApart()) {
            Check check = new Check(in, scheme);
            check.all(run);
            check.all(apart);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "PER_THREAD, FLOAT16, 64, 130, 129, false, 0",
        "PER_THREAD, BFLOAT16, 128, 65, 257, true, 8",
        "PER_THREAD, FLOAT16, 1, 1, 1, false, 0",
        "PER_WARP, FLOAT16, 128, 33, 128, true, 0",
        "PER_WARP, BFLOAT16, 33, 17, 127, true, 1",
        "PER_BLOCK, BFLOAT16, 64, 129, 63, false, 8",
        "PER_BLOCK, FLOAT16, 100, 64, 200, false, 3",
        "PER_THREAD, BFLOAT16, 100, 31, 65, true, 4",
        "PER_THREAD, FLOAT16, 128, 31, 65, false, 4",
        "PER_WARP, BFLOAT16, 64, 65, 129, true, 4",
        "PER_BLOCK, FLOAT16, 96, 3, 1300, true, 8",
        "PER_THREAD, BFLOAT16, 40, 3, 600, false, 0",
    })
    void imagesScalesAndMeansAreTheModels(
            Granularity granularity, DType type, int dim, int qoLen, int kvLen, boolean headsInside, int padding) {
        AttentionShape shape = new AttentionShape(2, 2, 1, qoLen, kvLen, dim);
        AttentionInputs in = RandomInputs.normal(shape, dim).biasK(5f).biasV(3f).rounded(type);
        SimulatedAttention.Memory memory = new SimulatedAttention.Memory(type, headsInside, padding);
        for (Scheme scheme : SCHEMES) {
            check(in, scheme.withGranularity(granularity), memory);
        }
    }

    private static void checkInside(AttentionInputs in, Scheme scheme, SimulatedAttention.Memory memory) {
        try (SimulatedAttention run = new SimulatedAttention(in, scheme, memory).quantize()) {
            new Check(in, scheme).all(run.quantizeQInside());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "PER_THREAD, FLOAT16, 64, 130, false, 0",
        "PER_THREAD, BFLOAT16, 128, 65, true, 8",
        "PER_THREAD, FLOAT16, 8, 1, false, 0",
        "PER_WARP, FLOAT16, 128, 33, true, 0",
        "PER_WARP, BFLOAT16, 40, 17, true, 16",
        "PER_BLOCK, BFLOAT16, 64, 129, false, 8",
        "PER_BLOCK, FLOAT16, 104, 64, false, 0",
        "PER_THREAD, BFLOAT16, 96, 79, true, 0",
    })
    void codesAndScalesOfQFromInsideTheAttentionKernelAreTheModels(
            Granularity granularity, DType type, int dim, int qoLen, boolean headsInside, int padding) {
        AttentionShape shape = new AttentionShape(2, 2, 1, qoLen, 5, dim);
        AttentionInputs in = RandomInputs.normal(shape, dim).rounded(type);
        Scheme scheme = SCHEMES.get(0).withGranularity(granularity);
        checkInside(in, scheme, new SimulatedAttention.Memory(type, headsInside, padding));
    }

    @ParameterizedTest
    @EnumSource(HardData.class)
    void hardQFromInsideTheAttentionKernelHasTheModelsScalesAndNaNs(HardData data) {
        for (DType type : new DType[] {DType.FLOAT16, DType.BFLOAT16}) {
            AttentionInputs in = data.inputs(new AttentionShape(1, 1, 1, 70, 140, 64), 9, type);
            for (Granularity granularity : new Granularity[] {Granularity.PER_THREAD, Granularity.PER_BLOCK}) {
                Scheme scheme = SCHEMES.get(0).withGranularity(granularity);
                checkInside(in, scheme, new SimulatedAttention.Memory(type, false, 0));
            }
        }
    }

    @Test
    void aNegativeSmScaleNegatesTheCodesOfQ() {
        AttentionInputs in =
                RandomInputs.normal(new AttentionShape(1, 1, 1, 70, 5, 64), 3).rounded(DType.FLOAT16);
        SimulatedAttention.Memory memory = new SimulatedAttention.Memory(DType.FLOAT16, false, 0);
        Scheme scheme = SCHEMES.get(0);
        try (SimulatedAttention run = new SimulatedAttention(in.withSmScale(-0.3f), scheme, memory).quantize()) {
            run.quantizeQInside();
            for (long n = 0; n < run.qCodes.byteSize(); n++) {
                run.qCodes.set(ValueLayout.JAVA_BYTE, n, (byte) -run.qCodes.get(ValueLayout.JAVA_BYTE, n));
            }
            new Check(in, scheme).all(run);
        }
    }

    @ParameterizedTest
    @EnumSource(HardData.class)
    void hardDataGivesTheModelsScalesAndNaNs(HardData data) {
        AttentionInputs in = data.inputs(new AttentionShape(1, 1, 1, 70, 140, 64), 9, DType.FLOAT16);
        SimulatedAttention.Memory memory = new SimulatedAttention.Memory(DType.FLOAT16, false, 0);
        for (Scheme scheme : SCHEMES) {
            check(in, scheme, memory);
        }
    }
}
