package io.sage4j.plan;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.BFloat16;
import io.sage4j.numeric.Float16;
import io.sage4j.oracle.AttentionInputs;
import io.sage4j.oracle.HardData;
import io.sage4j.oracle.ModelResult;
import io.sage4j.oracle.QuantizedOperands;
import io.sage4j.oracle.ScoreMask;
import io.sage4j.oracle.VariantModel;
import java.util.SplittableRandom;
import java.util.function.IntToDoubleFunction;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.ShortArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * One attention call of a test: builds the problem, fills the arrays of its plan, and computes what the model says.
 *
 * @param variant how to compute it
 * @param shape sizes
 * @param dtype type of the inputs and the output
 * @param placement where the elements of the tensors lie
 * @param causal which keys a query sees
 * @param mask what the mask does
 * @param data what is in the tensors
 * @param seed of the data and the mask
 */
public record PlanCase(
        Variant variant,
        AttentionShape shape,
        DType dtype,
        Placement placement,
        Causal causal,
        Mask mask,
        HardData data,
        long seed) {
    /** Where the elements of a tensor lie. */
    @FunctionalInterface
    public interface Placement {
        /** View of a tensor of these sizes. */
        TensorView view(DType dtype, int heads, int tokens, int dim);
    }

    /** Placements with a name. */
    public enum Strides implements Placement {
        /** [batch, heads, tokens, dim]. */
        HND,
        /** [batch, tokens, heads, dim]. */
        NHD,
        /** Rows, heads and batches apart, and an offset. */
        GAPS;

        @Override
        public TensorView view(DType dtype, int heads, int tokens, int dim) {
            return switch (this) {
                case HND -> TensorView.contiguous(dtype, heads, tokens, dim);
                case NHD -> new TensorView(dtype, 0, heads * tokens * dim, dim, heads * dim);
                case GAPS ->
                    new TensorView(dtype, 5, heads * (tokens * (dim + 3) + 1) + 7, tokens * (dim + 3) + 1, dim + 3);
            };
        }
    }

    /** Which keys a query sees. */
    public enum Causal {
        /** All. */
        NONE,
        /** {@code j <= i}. */
        TOP_LEFT,
        /** {@code j <= i + kvLen - qoLen}. */
        BOTTOM_RIGHT;

        int diagonal(AttentionShape shape) {
            return switch (this) {
                case NONE -> AttentionProblem.NOT_CAUSAL;
                case TOP_LEFT -> 0;
                case BOTTOM_RIGHT -> shape.kvLen() - shape.qoLen();
            };
        }
    }

    /** What a mask does. */
    public enum Mask {
        /** No mask. */
        NONE,
        /** A byte per pair, one in four hidden. */
        BOOL,
        /** A byte per key, all but the first two hidden in one batch entry, all of them in another. */
        BOOL_KEYS,
        /** Numbers per pair, some minus infinity. */
        ADDITIVE,
        /** Numbers per head and key, one of them NaN, one plus infinity. */
        ADDITIVE_HARD;

        MaskView view(AttentionShape s) {
            int keys = s.kvLen();
            int rows = s.qoLen() * keys;
            return switch (this) {
                case NONE -> MaskView.NONE;
                case BOOL -> new MaskView(MaskView.Kind.BOOL, 0, s.qHeads() * rows, rows, keys, 1);
                case BOOL_KEYS -> new MaskView(MaskView.Kind.BOOL, 3, 2 * keys, 0, 0, 2);
                case ADDITIVE -> new MaskView(MaskView.Kind.ADDITIVE, 0, 0, rows, keys, 1);
                case ADDITIVE_HARD -> new MaskView(MaskView.Kind.ADDITIVE, 1, 0, keys, 0, 1);
            };
        }
    }

    /** The problem, with lse. */
    public AttentionProblem problem() {
        int dim = shape.headDim();
        return new AttentionProblem(
                shape,
                variant.rung(),
                variant.scheme(),
                causal.diagonal(shape),
                (float) (1 / Math.sqrt(dim)),
                true,
                placement.view(dtype, shape.qHeads(), shape.qoLen(), dim),
                placement.view(dtype, shape.kvHeads(), shape.kvLen(), dim),
                placement.view(dtype, shape.kvHeads(), shape.kvLen(), dim),
                placement.view(dtype, shape.qHeads(), shape.qoLen(), dim),
                mask.view(shape));
    }

    /** The same call in plain arrays. */
    public AttentionInputs inputs() {
        AttentionInputs in = data.inputs(shape, seed, dtype).withDiagonal(causal.diagonal(shape));
        float[] values = maskValues();
        MaskView view = mask.view(shape);
        return switch (view.kind()) {
            case NONE -> in;
            case ADDITIVE -> in.withMask(ScoreMask.additive(view, values));
            case BOOL -> {
                byte[] bytes = new byte[values.length];
                for (int i = 0; i < bytes.length; i++) {
                    bytes[i] = (byte) values[i];
                }
                yield in.withMask(ScoreMask.bool(view, bytes));
            }
        };
    }

    /** What the model says. */
    public ModelResult model() {
        return VariantModel.run(inputs(), variant.rung(), variant.scheme());
    }

    /** What the model makes of operands that a device has quantized. */
    ModelResult modelOf(QuantizedOperands operands) {
        return VariantModel.attend(inputs(), variant.rung(), variant.scheme(), operands);
    }

    private float[] maskValues() {
        MaskView view = mask.view(shape);
        int size = Math.toIntExact(view.span(shape.batch(), shape.qHeads(), shape.qoLen(), shape.kvLen()));
        SplittableRandom random = new SplittableRandom(seed);
        float[] values = new float[size];
        for (int i = 0; i < size; i++) {
            values[i] = switch (mask) {
                case NONE -> 0f;
                case BOOL -> random.nextInt(4) == 0 ? 0 : 1;
                case BOOL_KEYS -> i < view.batchStride() ? (i < 7 ? 1 : 0) : i < 2 * view.batchStride() ? 0 : 1;
                case ADDITIVE ->
                    random.nextInt(5) == 0 ? Float.NEGATIVE_INFINITY : (float) (random.nextDouble() * 4 - 2);
                case ADDITIVE_HARD ->
                    i == 2
                            ? Float.NaN
                            : i == size - 1
                                    ? Float.POSITIVE_INFINITY
                                    : i % 3 == 0 ? -1e30f : (float) (random.nextDouble() - 0.5);
            };
        }
        return values;
    }

    /** Writes the tensors and the mask into the arrays of a plan; gaps get NaN. */
    public void fill(AttentionPlan plan) {
        AttentionInputs in = inputs();
        AttentionProblem p = problem();
        scatter(plan.q(), p.q(), shape.qHeads(), shape.qoLen(), in.q());
        scatter(plan.k(), p.k(), shape.kvHeads(), shape.kvLen(), in.k());
        scatter(plan.v(), p.v(), shape.kvHeads(), shape.kvLen(), in.v());
        plan.mask().ifPresent(array -> {
            float[] values = maskValues();
            for (int i = 0; i < values.length; i++) {
                if (array instanceof ByteArray) {
                    ((ByteArray) array).set(i, (byte) values[i]);
                } else {
                    ((FloatArray) array).set(i, values[i]);
                }
            }
        });
    }

    private void scatter(TornadoNativeArray array, TensorView view, int heads, int tokens, float[] values) {
        for (int i = 0; i < array.getSize(); i++) {
            put(array, i, Float.NaN);
        }
        int dim = shape.headDim();
        for (int i = 0; i < values.length; i++) {
            put(array, index(view, heads, tokens, dim, i), values[i]);
        }
    }

    /** The output of a plan as [batch, heads, tokens, dim]. */
    public float[] output(AttentionPlan plan) {
        float[] values = new float[shape.batch() * shape.qHeads() * shape.qoLen() * shape.headDim()];
        for (int i = 0; i < values.length; i++) {
            values[i] = get(plan.out(), index(problem().out(), shape.qHeads(), shape.qoLen(), shape.headDim(), i));
        }
        return values;
    }

    private static int index(TensorView view, int heads, int tokens, int dim, int i) {
        int row = i / dim;
        int head = row / tokens;
        return view.offset()
                + head / heads * view.batchStride()
                + head % heads * view.headStride()
                + row % tokens * view.tokenStride()
                + i % dim;
    }

    private static void put(TornadoNativeArray array, int index, float value) {
        if (array instanceof FloatArray) {
            ((FloatArray) array).set(index, value);
        } else if (array instanceof HalfFloatArray) {
            ((HalfFloatArray) array).set(index, new HalfFloat(Float16.encode(value)));
        } else {
            ((ShortArray) array).set(index, BFloat16.encode(value));
        }
    }

    private static float get(TornadoNativeArray array, int index) {
        if (array instanceof FloatArray) {
            return ((FloatArray) array).get(index);
        }
        if (array instanceof HalfFloatArray) {
            return Float16.decode(((HalfFloatArray) array).get(index).getHalfFloatValue());
        }
        return BFloat16.decode(((ShortArray) array).get(index));
    }

    /** Values of a FloatArray. */
    static float[] floats(FloatArray array) {
        IntToDoubleFunction get = array::get;
        float[] values = new float[array.getSize()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) get.applyAsDouble(i);
        }
        return values;
    }

    @Override
    public String toString() {
        return variant.name() + " b" + shape.batch() + " h" + shape.qHeads() + "/" + shape.kvHeads() + " n"
                + shape.qoLen() + "/" + shape.kvLen() + " d" + shape.headDim() + " " + dtype + " " + placement + " "
                + causal + " " + mask + " " + data + " seed " + seed;
    }
}
