package io.sage4j.plan;

import io.sage4j.DType;
import io.sage4j.kernel.AttentionSizes;
import io.sage4j.kernel.Convert;
import io.sage4j.kernel.Elements;
import io.sage4j.numeric.AttentionShape;
import java.util.ArrayList;
import java.util.List;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * Inputs and outputs of a plan as the kernels take them.
 *
 * @param problem what is computed
 * @param q queries
 * @param k keys
 * @param v values
 * @param out output
 * @param mask array of the mask, or a stand-in
 * @param wide where the attention kernel writes: the output itself if that is FP32, else contiguous FP32
 * @param lse log-sum-exp, or a stand-in
 * @param noFloats stand-in
 * @param noBytes stand-in
 */
record PlanIo(
        AttentionProblem problem,
        PlanArrays.Operand q,
        PlanArrays.Operand k,
        PlanArrays.Operand v,
        PlanArrays.Operand out,
        TornadoNativeArray mask,
        FloatArray wide,
        FloatArray lse,
        FloatArray noFloats,
        ByteArray noBytes) {

    static PlanIo of(AttentionProblem problem, ArrayBindings bindings, PlanArrays arrays) {
        AttentionShape shape = problem.shape();
        PlanArrays.Operand out = arrays.output(problem, bindings.out());
        List<PlanArrays.Operand> inputs = arrays.inputs(problem, bindings);
        return new PlanIo(
                problem,
                inputs.get(0),
                inputs.get(1),
                inputs.get(2),
                out,
                arrays.mask(problem.mask(), shape, bindings.mask()),
                problem.out().dtype() == DType.FLOAT32 ? out.floats() : arrays.floats("FP32 output", outputSize(shape)),
                problem.lse() ? arrays.floats("lse", rows(shape)) : arrays.noFloats,
                arrays.noFloats,
                arrays.noBytes);
    }

    static long rows(AttentionShape shape) {
        return (long) shape.batch() * shape.qHeads() * shape.qoLen();
    }

    static long outputSize(AttentionShape shape) {
        return rows(shape) * shape.headDim();
    }

    /** Whether the output needs a last step that rounds it to its type. */
    boolean narrows() {
        return problem.out().dtype() != DType.FLOAT32;
    }

    /** Lets the counts come to the host behind the output, if there is room for all of them. */
    void carry(IntArray counts) {
        if (narrows() && out.array() != out.tensor() && counts.getSize() <= PlanArrays.CARRIED) {
            out.view().set(Convert.CARRIED_AT, out.tensor().getSize());
            out.view().set(Convert.CARRIED, counts.getSize());
        }
    }

    /** Whether they do. */
    boolean carries() {
        return out.view().get(Convert.CARRIED) > 0;
    }

    /** Takes those of the last run from there. */
    void readCarried(IntArray counts) {
        int at = out.view().get(Convert.CARRIED_AT);
        for (int i = 0; i < out.view().get(Convert.CARRIED); i++) {
            int count = 0;
            for (int digit = Convert.DIGITS - 1; digit >= 0; digit--) {
                int value = (int) Elements.load(
                        out.floats(), out.halves(), out.bfloats(), out.type(), at + i * Convert.DIGITS + digit);
                count = count * Convert.DIGIT + value;
            }
            counts.set(i, count);
        }
    }

    ByteArray maskBits() {
        return mask instanceof ByteArray ? (ByteArray) mask : noBytes;
    }

    FloatArray maskValues() {
        return mask instanceof FloatArray ? (FloatArray) mask : noFloats;
    }

    /** The numbers that all attention kernels take, those of the scales still zero. */
    int[] attentionSizes(int qTiles, int kTiles) {
        AttentionShape shape = problem.shape();
        TensorView view = narrows()
                ? TensorView.contiguous(DType.FLOAT32, shape.qHeads(), shape.qoLen(), shape.headDim())
                : problem.out();
        int[] numbers = new int[AttentionSizes.SIZE];
        int[] outView = PlanArrays.view(view, shape.qHeads(), shape.qoLen(), shape.headDim());
        System.arraycopy(outView, 0, numbers, 0, outView.length);
        MaskView m = problem.mask();
        numbers[AttentionSizes.MASK_OFFSET] = m.offset();
        numbers[AttentionSizes.MASK_BATCH] = m.batchStride();
        numbers[AttentionSizes.MASK_HEAD] = m.headStride();
        numbers[AttentionSizes.MASK_QUERY] = m.queryStride();
        numbers[AttentionSizes.MASK_KEY] = m.keyStride();
        numbers[AttentionSizes.GROUP_SIZE] = shape.groupSize();
        numbers[AttentionSizes.KEYS] = shape.kvLen();
        numbers[AttentionSizes.DIAGONAL] = problem.diagonal();
        numbers[AttentionSizes.Q_TILES] = qTiles;
        numbers[AttentionSizes.K_TILES] = kTiles;
        return numbers;
    }

    /** Sets a row of the output to zero, from the host. */
    void writeZeroRow(int head, int row) {
        int start = Elements.rowStart(out.view(), head, row);
        for (int d = 0; d < problem.shape().headDim(); d++) {
            Elements.store(out.floats(), out.halves(), out.bfloats(), out.type(), start + d, 0f);
        }
    }

    /** What goes to the device before each run; the output too if its array holds elements that are not the output's. */
    List<Object> inputs() {
        List<Object> inputs = new ArrayList<>();
        for (PlanArrays.Operand operand : List.of(q, k, v)) {
            if (inputs.stream().noneMatch(array -> array == operand.array())) {
                inputs.add(operand.array());
            }
        }
        if (problem.mask().kind() != MaskView.Kind.NONE) {
            inputs.add(mask);
        }
        if (!out.full()) {
            inputs.add(out.array());
        }
        return inputs;
    }

    /** Views of the inputs and the output. */
    List<IntArray> views() {
        return List.of(q.view(), k.view(), v.view(), out.view());
    }
}
