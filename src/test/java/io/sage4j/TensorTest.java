package io.sage4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;

class TensorTest {
    private static float[] count(int n) {
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = i;
        }
        return values;
    }

    @Test
    void wraps_a_java_array_without_copying() {
        float[] data = count(24);
        Tensor t = Tensor.of(data, 1, 2, 3, 4);
        assertThat(t.get(0, 1, 2, 3)).isEqualTo(23f);
        data[23] = -1f;
        assertThat(t.get(0, 1, 2, 3)).isEqualTo(-1f);
        assertThat(t.strides()).containsExactly(24, 12, 4, 1);
        assertThat(t.isContiguous()).isTrue();
        assertThat(t).hasToString("float32[1, 2, 3, 4]");
    }

    @Test
    void wraps_bytes_at_odd_addresses() {
        byte[] bytes = new byte[1 + 2 * 4];
        MemorySegment odd = MemorySegment.ofArray(bytes).asSlice(1);
        odd.set(ValueLayout.JAVA_SHORT_UNALIGNED, 6, Float.floatToFloat16(1.5f));
        assertThat(Tensor.of(odd, DType.FLOAT16, new long[] {1, 1, 1, 4}, new long[] {4, 4, 4, 1})
                        .get(0, 0, 0, 3))
                .isEqualTo(1.5f);
    }

    @Test
    void reads_every_type() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(8);
            memory.set(ValueLayout.JAVA_SHORT, 0, (short) 0xC000);
            memory.set(ValueLayout.JAVA_SHORT, 2, (short) 0x3F80);
            memory.set(ValueLayout.JAVA_FLOAT, 4, 0.1f);
            assertThat(Tensor.of(memory, DType.FLOAT16, 1, 1, 1, 1).get(0, 0, 0, 0))
                    .isEqualTo(-2f);
            assertThat(Tensor.of(memory.asSlice(2), DType.BFLOAT16, 1, 1, 1, 1).get(0, 0, 0, 0))
                    .isEqualTo(1f);
            assertThat(Tensor.of(memory.asSlice(4), DType.FLOAT32, 1, 1, 1, 1).get(0, 0, 0, 0))
                    .isEqualTo(0.1f);
            assertThat(Tensor.of(memory, DType.BOOL, 1, 1, 1, 2).toFloatArray()).containsExactly(0f, 1f);
        }
    }

    @Test
    void wraps_tornado_arrays_and_remembers_them() {
        FloatArray floats = FloatArray.fromArray(count(8));
        Tensor t = Tensor.of(floats, 1, 1, 2, 4);
        assertThat(t.tornadoArray()).isSameAs(floats);
        assertThat(t.toFloatArray()).containsExactly(count(8));
        HalfFloatArray halves = new HalfFloatArray(4);
        halves.set(3, new HalfFloat(2.5f));
        assertThat(Tensor.of(halves, 1, 1, 1, 4).get(0, 0, 0, 3)).isEqualTo(2.5f);
    }

    @Test
    void transposed_elements_keep_their_values() {
        Tensor t = Tensor.of(count(24), 2, 3, 2, 2).transpose(1, 2);
        assertThat(t.shape()).containsExactly(2, 2, 3, 2);
        assertThat(t.isContiguous()).isFalse();
        assertThat(t.get(1, 1, 2, 0)).isEqualTo(22f);
        MemorySegment bytes = t.toSegment();
        assertThat(bytes.byteSize()).isEqualTo(24 * 4);
        float[] copied = bytes.toArray(ValueLayout.JAVA_FLOAT);
        assertThat(copied).containsExactly(t.toFloatArray());
        assertThat(copied).startsWith(0, 1, 4, 5, 8, 9, 2, 3);
    }

    @Test
    void slices_are_views_of_the_same_elements() {
        float[] numbers = count(24);
        Tensor t = Tensor.of(numbers, 2, 3, 2, 2);
        Tensor slice = t.slice(1, 1, 3);
        assertThat(slice.shape()).containsExactly(2, 2, 2, 2);
        assertThat(slice.toFloatArray())
                .startsWith(4, 5, 6, 7, 8)
                .contains(16, 23)
                .doesNotContain(12);
        numbers[4] = -1;
        assertThat(slice.get(0, 0, 0, 0)).isEqualTo(-1f);
        assertThat(t.slice(3, 1, 2).toFloatArray()).startsWith(1, 3, 5);
        assertThat(t.slice(0, 2, 2).toFloatArray()).isEmpty();
        assertThat(t.slice(2, 0, 2)).isSameAs(t);
    }

    @Test
    void a_slice_of_gpu_memory_starts_at_its_first_element() {
        Tensor t = Tensor.ofDevice(0x1000, DType.FLOAT16, 2, 3, 4, 8)
                .slice(1, 2, 3)
                .slice(2, 1, 4);
        assertThat(t.address()).isEqualTo(0x1000 + 2 * (2 * 4 * 8 + 8));
        assertThat(t.strides()).containsExactly(96, 32, 8, 1);
        assertThat(t.isOnDevice()).isTrue();
    }

    @ParameterizedTest
    @CsvSource({"0, -1, 1", "0, 1, 0", "1, 0, 4", "4, 0, 1", "-1, 0, 1"})
    void slices_that_leave_the_tensor_are_refused(int axis, long from, long to) {
        Tensor t = Tensor.of(count(24), 2, 3, 2, 2);
        assertThatThrownBy(() -> t.slice(axis, from, to)).isInstanceOf(SageException.class);
    }

    @Test
    void contiguous_bytes_are_not_copied() {
        Tensor t = Tensor.of(count(4), 1, 1, 1, 4);
        t.toSegment().set(ValueLayout.JAVA_FLOAT_UNALIGNED, 0, 7f);
        assertThat(t.get(0, 0, 0, 0)).isEqualTo(7f);
    }

    @Test
    void an_empty_dimension_is_fine() {
        Tensor t = Tensor.of(new float[0], 1, 2, 0, 4);
        assertThat(t.size()).isZero();
        assertThat(t.span()).isZero();
        assertThat(t.toFloatArray()).isEmpty();
    }

    @Test
    void broadcast_strides_are_fine() {
        MemorySegment data = MemorySegment.ofArray(count(4));
        Tensor t = Tensor.of(data, DType.FLOAT32, new long[] {3, 1, 1, 4}, new long[] {0, 0, 0, 1});
        assertThat(t.get(2, 0, 0, 3)).isEqualTo(3f);
        assertThat(t.span()).isEqualTo(4);
    }

    @Test
    void elements_as_another_type() {
        float[] values = {1f, -0.1f, 1e-8f, 65504f, 65520f, 3e38f, Float.NaN, Float.NEGATIVE_INFINITY};
        Tensor t = Tensor.of(values, 1, 2, 2, 2);
        Tensor turned = t.transpose(1, 2);
        assertThat(turned.to(DType.FLOAT16).shape()).containsExactly(1, 2, 2, 2);
        assertThat(turned.to(DType.FLOAT16).isContiguous()).isTrue();
        float inf = Float.POSITIVE_INFINITY;
        assertThat(t.to(DType.FLOAT16).toFloatArray())
                .containsExactly(1f, -0.099975586f, 0f, 65504f, inf, inf, Float.NaN, -inf);
        assertThat(t.to(DType.BFLOAT16).toFloatArray())
                .containsExactly(1f, -0.100097656f, 1.0011718E-8f, 65536f, 65536f, 3.0040553E38f, Float.NaN, -inf);
        float[] there = turned.to(DType.BFLOAT16).toFloatArray();
        assertThat(turned.to(DType.BFLOAT16).to(DType.FLOAT32).toFloatArray()).containsExactly(there);
        assertThat(there[2]).as("row 0 of head 1 is row 1 of head 0").isEqualTo(65536f);
        assertThat(t.to(DType.FLOAT32)).isSameAs(t);
        Tensor bools = Tensor.of(MemorySegment.ofArray(new byte[] {0, 1, -3, 0}), DType.BOOL, 1, 1, 2, 2);
        assertThat(bools.to(DType.FLOAT16).toFloatArray()).containsExactly(0f, 1f, 1f, 0f);
        assertThat(Tensor.of(new float[0], 1, 0, 2, 2).to(DType.FLOAT16).size()).isZero();
        assertThatThrownBy(() -> t.to(DType.BOOL))
                .isInstanceOf(SageException.class)
                .hasMessage("cannot make bool of float32[1, 2, 2, 2], expected one of float32, float16, bfloat16");
        assertThatThrownBy(() -> t.to(null)).isInstanceOf(SageException.class).hasMessageContaining("type is null");
        Tensor device = Tensor.ofDevice(0x1000, DType.FLOAT32, 1, 1, 1, 1);
        for (DType type : new DType[] {DType.FLOAT16, DType.FLOAT32}) {
            assertThatThrownBy(() -> device.to(type))
                    .isInstanceOf(SageException.class)
                    .hasMessageContaining("copy it with Sage.copy");
        }
    }

    @Test
    void what_does_not_fit_is_said() {
        assertThatThrownBy(() -> Tensor.of((float[]) null, 1, 1, 1, 1))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("data is null");
        assertThatThrownBy(() -> Tensor.of(count(1), (long[]) null))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("shape is null");
        assertThatThrownBy(() -> Tensor.of(count(6), 2, 3))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("4 dimensions")
                .hasMessageContaining("[2, 3]");
        assertThatThrownBy(() -> Tensor.of(count(6), 1, 1, 2, 4))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("needs 32 bytes, the data has 24");
        assertThatThrownBy(() -> Tensor.of(count(6), 1, 1, -1, 4))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("negative");
        assertThatThrownBy(() -> Tensor.of(count(1), Long.MAX_VALUE, 2, 2, 2))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("2^63");
        MemorySegment one = MemorySegment.ofArray(count(1));
        assertThatThrownBy(() -> Tensor.of(one, DType.FLOAT32, new long[] {1L << 32, 1L << 32, 1, 1}, new long[4]))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("2^63");
        assertThatThrownBy(() -> Tensor.of(count(1), 1, 1, 1, 1).size(4))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("no dimension 4");
        MemorySegment six = MemorySegment.ofArray(count(6));
        long[] shape = {1, 1, 2, 3};
        assertThatThrownBy(() -> Tensor.of(six, DType.FLOAT32, shape, new long[] {6, 6, 4, 1}))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("reaches element 6, the data has 6");
        assertThatThrownBy(() -> Tensor.of(six, DType.FLOAT32, shape, new long[] {6, 6, 1, 2}))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("must be contiguous");
        assertThatThrownBy(() -> Tensor.of(six, DType.FLOAT32, shape, new long[] {6, 6, -3, 1}))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("negative");
        assertThatThrownBy(() -> Tensor.of(six, DType.FLOAT32, shape, new long[] {6, Long.MAX_VALUE, 3, 1})
                        .get(0, 1, 0, 0))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> Tensor.of(
                        six, DType.FLOAT32, new long[] {2, 2, 1, 1}, new long[] {Long.MAX_VALUE, Long.MAX_VALUE, 1, 1}))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("64 bits");
        assertThatThrownBy(() -> Tensor.ofDevice(0x1000, -1, DType.FLOAT32, new long[] {1, 1, 1, 1}))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("GPU is -1");
    }

    @Test
    void aTensorWithoutElementsIsContiguousWhicheverDimensionIsEmpty() {
        for (int axis = 0; axis < Tensor.RANK; axis++) {
            long[] shape = {2, 3, 4, 5};
            shape[axis] = 0;
            assertThat(Tensor.allocate(DType.FLOAT32, shape).isContiguous())
                    .as("dimension %d", axis)
                    .isTrue();
        }
    }
}
