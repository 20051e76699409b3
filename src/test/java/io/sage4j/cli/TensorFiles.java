package io.sage4j.cli;

import io.sage4j.Tensor;
import io.sage4j.io.ElementType;
import io.sage4j.io.NdArray;
import io.sage4j.io.Npy;
import io.sage4j.io.Safetensors;
import io.sage4j.numeric.BFloat16;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;

/** Small files of random numbers for the command line to read. */
final class TensorFiles {
    private TensorFiles() {}

    static NdArray array(ElementType type, long... shape) {
        int count = 1;
        for (long size : shape) {
            count *= (int) size;
        }
        MemorySegment data = Arena.ofAuto().allocate((long) count * type.bytes(), 8);
        Random random = new Random(Arrays.hashCode(shape));
        for (int i = 0; i < count; i++) {
            float value = (float) random.nextGaussian();
            switch (type) {
                case FLOAT32 -> data.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
                case FLOAT16 -> data.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(value));
                case BFLOAT16 -> data.setAtIndex(ValueLayout.JAVA_SHORT, i, BFloat16.encode(value));
                default -> data.set(ValueLayout.JAVA_BYTE, (long) i * type.bytes(), (byte) (value > 0 ? 1 : 0));
            }
        }
        return new NdArray(type, shape, data);
    }

    static Path npy(Path folder, String name, ElementType type, long... shape) {
        Path file = folder.resolve(name);
        Npy.write(file, array(type, shape));
        return file;
    }

    static Path safetensors(Path folder, String name, Map<String, NdArray> tensors) {
        Path file = folder.resolve(name);
        Safetensors.write(file, tensors, Map.of());
        return file;
    }

    static Tensor tensor(NdArray array) {
        return Tensor.of(array.data(), array.type().dtype().orElseThrow(), array.shape());
    }
}
