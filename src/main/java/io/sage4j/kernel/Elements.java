package io.sage4j.kernel;

import io.sage4j.DType;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.ShortArray;

/**
 * Reading and writing the caller's tensors inside kernels. A kernel takes one array of each type, of which those that are
 * not meant hold a single element, and the element type as a constant, so that the other branches are compiled away.
 *
 * <p>Where a tensor's elements lie comes in an IntArray of {@link #VIEW_SIZE} numbers. bfloat16 is a ShortArray: the
 * OpenCL backend of TornadoVM 5.2 does not transfer a BFloat16Array.
 */
public final class Elements {
    /** Element type FP32, in the FloatArray. */
    public static final int FLOAT32 = 0;
    /** Element type FP16, in the HalfFloatArray. */
    public static final int FLOAT16 = 1;
    /** Element type bfloat16, in the ShortArray. */
    public static final int BFLOAT16 = 2;

    /** Position in a view: index of the first element. */
    public static final int OFFSET = 0;
    /** Position in a view: elements from one batch entry to the next. */
    public static final int BATCH_STRIDE = 1;
    /** Position in a view: elements from one head to the next. */
    public static final int HEAD_STRIDE = 2;
    /** Position in a view: elements from one token to the next. */
    public static final int TOKEN_STRIDE = 3;
    /** Position in a view: heads of one batch entry. */
    public static final int HEADS = 4;
    /** Position in a view: tokens of one head. */
    public static final int TOKENS = 5;
    /** Position in a view: channels of one token. */
    public static final int CHANNELS = 6;
    /** Numbers in a view. */
    public static final int VIEW_SIZE = 7;

    private Elements() {}

    /** Element type constant of a type. */
    public static int typeOf(DType dtype) {
        return switch (dtype) {
            case FLOAT32 -> FLOAT32;
            case FLOAT16 -> FLOAT16;
            case BFLOAT16 -> BFLOAT16;
            case BOOL -> throw new IllegalArgumentException("a BOOL tensor holds no numbers");
        };
    }

    /** Index of channel 0 of a token; {@code head} counts over batch and heads. */
    public static int rowStart(IntArray view, int head, int token) {
        int heads = view.get(HEADS);
        int batch = head / heads;
        return view.get(OFFSET)
                + batch * view.get(BATCH_STRIDE)
                + (head - batch * heads) * view.get(HEAD_STRIDE)
                + token * view.get(TOKEN_STRIDE);
    }

    /** Element as FP32, exactly. */
    public static float load(FloatArray floats, HalfFloatArray halves, ShortArray bfloats, int type, int index) {
        float value = 0f;
        if (type == FLOAT32) {
            value = floats.get(index);
        }
        if (type == FLOAT16) {
            value = halves.get(index).getFloat32();
        }
        if (type == BFLOAT16) {
            value = Rounding.bf16Value(bfloats.get(index));
        }
        return value;
    }

    /** Stores the nearest value of the element type. */
    public static void store(
            FloatArray floats, HalfFloatArray halves, ShortArray bfloats, int type, int index, float value) {
        if (type == FLOAT32) {
            floats.set(index, value);
        }
        if (type == FLOAT16) {
            halves.set(index, new HalfFloat(value));
        }
        if (type == BFLOAT16) {
            bfloats.set(index, (short) Rounding.bf16Bits(value));
        }
    }
}
