package io.sage4j.oracle;

import static org.assertj.core.api.Assertions.assertThat;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import io.sage4j.DType;
import io.sage4j.numeric.AttentionShape;
import java.nio.DoubleBuffer;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Exact attention against ONNX Runtime in float64: MatMul, Mul, Add, Softmax, MatMul. */
class OnnxAttentionTest {
    private static final long SEED = 99;

    private static final byte[] MODEL = new OnnxModel(List.of("q", "k", "v", "scale", "mask"), "o")
            .transpose("k", "kt", 0, 1, 3, 2)
            .node("MatMul", List.of("q", "kt"), "scores")
            .node("Mul", List.of("scores", "scale"), "scaled")
            .node("Add", List.of("scaled", "mask"), "masked")
            .node("Softmax", List.of("masked"), "weights")
            .node("MatMul", List.of("weights", "v"), "o")
            .toBytes();

    @ParameterizedTest
    @CsvSource({
        "1, 1, 1, 1, 1, 0",
        "2, 3, 17, 33, 16, 20",
        "1, 4, 65, 65, 40, 0",
        "1, 2, 5, 130, 64, 125",
        "1, 1, 128, 64, 72, 63"
    })
    void outputsAgree(int batch, int heads, int qoLen, int kvLen, int dim, int diagonal) throws OrtException {
        AttentionShape shape = new AttentionShape(batch, heads, heads, qoLen, kvLen, dim);
        AttentionInputs in = RandomInputs.normal(shape, SEED)
                .biasK(3f)
                .scaleQ(4f)
                .rounded(DType.FLOAT16)
                .withDiagonal(diagonal);
        assertThat(Metrics.of(onnx(in), ExactAttention.of(in).o()).maxAbs())
                .as("seed %d shape %s", SEED, shape)
                .isLessThan(1e-12);
    }

    /**
     * The diagonal as an additive mask; every row must see a key, since Softmax has no rule for a row that does not.
     */
    private static double[] onnx(AttentionInputs in) throws OrtException {
        AttentionShape s = in.shape();
        double[] mask = new double[s.qoLen() * s.kvLen()];
        for (int n = 0; n < mask.length; n++) {
            mask[n] = n % s.kvLen() > n / s.kvLen() + in.diagonal() ? Double.NEGATIVE_INFINITY : 0;
        }
        OrtEnvironment environment = OrtEnvironment.getEnvironment();
        try (OrtSession session = environment.createSession(MODEL);
                OnnxTensor q = tensor(environment, widen(in.q()), s.batch(), s.qHeads(), s.qoLen(), s.headDim());
                OnnxTensor k = tensor(environment, widen(in.k()), s.batch(), s.kvHeads(), s.kvLen(), s.headDim());
                OnnxTensor v = tensor(environment, widen(in.v()), s.batch(), s.kvHeads(), s.kvLen(), s.headDim());
                OnnxTensor scale = tensor(environment, new double[] {in.smScale()}, 1);
                OnnxTensor added = tensor(environment, mask, s.qoLen(), s.kvLen());
                OrtSession.Result result = session.run(Map.of("q", q, "k", k, "v", v, "scale", scale, "mask", added))) {
            DoubleBuffer o = ((OnnxTensor) result.get(0)).getDoubleBuffer();
            double[] values = new double[o.remaining()];
            o.get(values);
            return values;
        }
    }

    private static OnnxTensor tensor(OrtEnvironment environment, double[] values, long... shape) throws OrtException {
        return OnnxTensor.createTensor(environment, DoubleBuffer.wrap(values), shape);
    }

    private static double[] widen(float[] values) {
        double[] wide = new double[values.length];
        for (int n = 0; n < values.length; n++) {
            wide[n] = values[n];
        }
        return wide;
    }
}
