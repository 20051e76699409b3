package io.sage4j.tornadojvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.function.IntFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.BFloat16Array;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.CharArray;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FP8Array;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.Int8Array;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.LongArray;
import uk.ac.manchester.tornado.api.types.arrays.ShortArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;
import uk.ac.manchester.tornado.api.types.vectors.Half2;

/** Off-heap arrays: layout, copies, bounds. */
class ArraysTest {
    /** One element at a time, whatever its type. */
    private interface Access {
        Object get(TornadoNativeArray array, int index);
    }

    private interface Change {
        void set(TornadoNativeArray array, int index);
    }

    private static Arguments type(int bytes, IntFunction<TornadoNativeArray> make, Access access, Change change) {
        return Arguments.of(make.apply(0).getClass().getSimpleName(), bytes, make, access, change);
    }

    static Stream<Arguments> types() {
        return Stream.of(
                type(4, FloatArray::new, (a, i) -> ((FloatArray) a).get(i), (a, i) -> ((FloatArray) a).set(i, 1)),
                type(8, DoubleArray::new, (a, i) -> ((DoubleArray) a).get(i), (a, i) -> ((DoubleArray) a).set(i, 1)),
                type(4, IntArray::new, (a, i) -> ((IntArray) a).get(i), (a, i) -> ((IntArray) a).set(i, 1)),
                type(8, LongArray::new, (a, i) -> ((LongArray) a).get(i), (a, i) -> ((LongArray) a).set(i, 1)),
                type(2, ShortArray::new, (a, i) -> ((ShortArray) a).get(i), (a, i) -> ((ShortArray) a)
                        .set(i, (short) 1)),
                type(2, CharArray::new, (a, i) -> ((CharArray) a).get(i), (a, i) -> ((CharArray) a).set(i, 'a')),
                type(1, ByteArray::new, (a, i) -> ((ByteArray) a).get(i), (a, i) -> ((ByteArray) a).set(i, (byte) 1)),
                type(1, Int8Array::new, (a, i) -> ((Int8Array) a).get(i), (a, i) -> ((Int8Array) a).set(i, (byte) 1)),
                type(1, FP8Array::new, (a, i) -> ((FP8Array) a).get(i), (a, i) -> ((FP8Array) a).setE4M3(i, 1)),
                type(2, BFloat16Array::new, (a, i) -> ((BFloat16Array) a).get(i), (a, i) -> ((BFloat16Array) a)
                        .setFloat(i, 1)),
                type(
                        2,
                        HalfFloatArray::new,
                        (a, i) -> ((HalfFloatArray) a).get(i).getHalfFloatValue(),
                        (a, i) -> ((HalfFloatArray) a).set(i, new HalfFloat(1f))));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("types")
    void payloadFollowsAHeaderWithTheSize(
            String name, int bytes, IntFunction<TornadoNativeArray> make, Access access, Change change) {
        TornadoNativeArray array = make.apply(5);
        assertThat(TornadoNativeArray.ARRAY_HEADER).isEqualTo(16);
        assertThat(array.getSize()).isEqualTo(5);
        assertThat(array.getElementSize()).isEqualTo(bytes);
        assertThat(array.getNumBytesOfSegment()).isEqualTo(5L * bytes);
        assertThat(array.getNumBytesOfSegmentWithHeader()).isEqualTo(16 + 5L * bytes);
        assertThat(array.getSegment().byteSize()).isEqualTo(5L * bytes);
        assertThat(array.getSegment().address())
                .isEqualTo(array.getSegmentWithHeader().address() + 16);
        assertThat(array.getSegmentWithHeader().get(ValueLayout.JAVA_INT_UNALIGNED, 0))
                .isEqualTo(5);
        change.set(array, 4);
        assertThat(array.getSegmentWithHeader().asSlice(16 + 4L * bytes).toArray(ValueLayout.JAVA_BYTE))
                .isNotEqualTo(new byte[bytes]);
        assertThat(access.get(array, 3).toString()).isIn("0", "0.0", "\0");
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("types")
    void indexOutsideIsAClearErrorAndNeverReachesTheHeader(
            String name, int bytes, IntFunction<TornadoNativeArray> make, Access access, Change change) {
        TornadoNativeArray array = make.apply(5);
        byte[] before = array.getSegmentWithHeader().toArray(ValueLayout.JAVA_BYTE);
        for (int index : new int[] {-1, -16 / bytes, 5, 6, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
            String message = "index " + index + " outside " + name + " of 5 elements";
            assertThatThrownBy(() -> access.get(array, index))
                    .isInstanceOf(IndexOutOfBoundsException.class)
                    .hasMessage(message);
            assertThatThrownBy(() -> change.set(array, index))
                    .isInstanceOf(IndexOutOfBoundsException.class)
                    .hasMessage(message);
        }
        assertThat(array.getSegmentWithHeader().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(before);
        assertThatThrownBy(() -> access.get(make.apply(0), 0)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> make.apply(-1)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void contentsGoInAndOut() {
        assertThat(FloatArray.fromArray(new float[] {1, -2}).toHeapArray()).containsExactly(1, -2);
        assertThat(DoubleArray.fromElements(1, -2).toHeapArray()).containsExactly(1, -2);
        assertThat(IntArray.fromElements(1, -2).toHeapArray()).containsExactly(1, -2);
        assertThat(LongArray.fromElements(1, 1L << 40).toHeapArray()).containsExactly(1, 1L << 40);
        assertThat(ShortArray.fromElements((short) 1, (short) -2).toHeapArray()).containsExactly(1, -2);
        assertThat(CharArray.fromElements('a', '\uffff').toHeapArray()).containsExactly('a', '\uffff');
        assertThat(ByteArray.fromElements((byte) 1, (byte) -2).toHeapArray()).containsExactly(1, -2);
        assertThat(Int8Array.fromElements((byte) 1, (byte) -2).toHeapArray()).containsExactly(1, -2);
        assertThat(BFloat16Array.fromFloats(1, -2).toShortArray()).containsExactly(0x3f80, 0xc000);
        assertThat(HalfFloatArray.fromElements(new HalfFloat(1f), new HalfFloat(-2f))
                        .toShortArray())
                .containsExactly(0x3c00, 0xc000);
        assertThat(FP8Array.fromFloatsE4M3(1, -2).get(1)).isEqualTo((byte) 0xc0);
        assertThat(FP8Array.fromFloatsE5M2(1, -2).get(1)).isEqualTo((byte) 0xc0);
        FloatBuffer buffer = FloatBuffer.wrap(new float[] {1, 2, 3});
        buffer.get();
        assertThat(FloatArray.fromFloatBuffer(buffer).toHeapArray()).containsExactly(2, 3);
        assertThat(buffer.position()).isEqualTo(1);
        assertThat(IntArray.fromIntBuffer(IntBuffer.wrap(new int[] {7})).get(0)).isEqualTo(7);
    }

    @Test
    void slicesAndConcatenationsAreCopies() {
        FloatArray array = FloatArray.fromElements(1, 2, 3);
        FloatArray slice = array.slice(1, 2);
        FloatArray both = FloatArray.concat(array, slice);
        array.init(9);
        assertThat(slice.toHeapArray()).containsExactly(2, 3);
        assertThat(both.toHeapArray()).containsExactly(1, 2, 3, 2, 3);
        assertThat(new FloatArray(slice, slice).toHeapArray()).containsExactly(2, 3, 2, 3);
        assertThat(array.slice(3, 0).getSize()).isZero();
        for (int[] range : new int[][] {{-1, 2}, {1, 3}, {0, -1}, {4, 0}, {Integer.MAX_VALUE, 2}}) {
            assertThatThrownBy(() -> array.slice(range[0], range[1])).isInstanceOf(IllegalArgumentException.class);
        }
        array.clear();
        assertThat(array.toHeapArray()).containsOnly(0);
        assertThat(array.getSegmentWithHeader().get(ValueLayout.JAVA_INT, 0)).isEqualTo(3);
    }

    @Test
    void shallowArraysShareTheirMemory() {
        MemorySegment memory = Arena.ofAuto().allocate(16 + 12, 16);
        FloatArray array = FloatArray.fromSegmentShallow(memory);
        array.set(2, 5);
        assertThat(array.getSize()).isEqualTo(3);
        assertThat(memory.get(ValueLayout.JAVA_FLOAT, 16 + 8)).isEqualTo(5);
        assertThat(memory.get(ValueLayout.JAVA_INT, 0)).isEqualTo(3);
        assertThatThrownBy(() -> FloatArray.fromSegmentShallow(memory.asSlice(0, 15)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("shorter than the header");
        assertThatThrownBy(() -> FloatArray.fromSegmentShallow(memory.asSlice(0, 21)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("5 bytes are no whole number of elements");
        assertThatThrownBy(() -> FloatArray.fromSegmentShallow(MemorySegment.ofArray(new float[8])))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("native memory only");
        assertThatThrownBy(() -> FloatArray.fromSegment(MemorySegment.ofArray(new byte[7])))
                .isInstanceOf(IllegalArgumentException.class);
        assertThat(FloatArray.fromSegment(MemorySegment.ofArray(new float[] {4, 5}))
                        .toHeapArray())
                .containsExactly(4, 5);
    }

    @Test
    void pairsOfHalvesLieSideBySide() {
        HalfFloatArray array = new HalfFloatArray(4);
        array.setHalf2(1, Half2.fromFloats(2, 3));
        assertThat(array.toShortArray()).containsExactly(0, 0x4000, 0x4200, 0);
        assertThat(Half2.highFloat(array.getHalf2(1))).isEqualTo(3);
        for (int index : new int[] {-1, 3, 4, Integer.MAX_VALUE}) {
            assertThatThrownBy(() -> array.getHalf2(index)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> array.setHalf2(index, new Half2())).isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 2, 6})
    void halvesAmongBytes(int place) {
        ByteArray array = new ByteArray(8);
        array.setHalfFloat(place, new HalfFloat(1.5f));
        assertThat(array.get(place + 1)).isEqualTo((byte) 0x3e);
        assertThat(array.getHalfFloat(place).getFloat32()).isEqualTo(1.5f);
        assertThatThrownBy(() -> array.getHalfFloat(place + 1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> array.getHalfFloat(8)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> array.setHalfFloat(-2, new HalfFloat(1f)))
                .isInstanceOf(IndexOutOfBoundsException.class);
    }
}
