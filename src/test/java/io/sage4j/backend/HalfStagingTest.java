package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.DType;
import io.sage4j.Layout;
import io.sage4j.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigDecimal;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** FP32 tensors on their way to FP16 and back, element by element against {@link Float#floatToFloat16} of one number. */
class HalfStagingTest {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private enum Place {
        HEAP,
        SHARED,
        CONFINED
    }

    /** Halves of a tensor in the order in which they are staged. */
    private static short[] staged(Tensor t, Layout layout, int exponent) {
        MemorySegment halves = Arena.ofAuto().allocate(Math.max(2, 2 * Staging.stagedElements(t)));
        assertThat(HalfStaging.copyIn(t, layout, halves)).isEqualTo(exponent);
        return halves.asSlice(0, 2 * Staging.stagedElements(t)).toArray(ValueLayout.JAVA_SHORT);
    }

    /** Holds what is staged, found by its strides, to each element, and what comes back to each half. */
    private static void check(Tensor t, Layout layout, int exponent) {
        short[] found = staged(t, layout, exponent);
        long[] strides = Staging.stagedStrides(t, layout);
        Tensor back = sameLayout(t);
        HalfStaging.copyOut(MemorySegment.ofArray(found), back, layout, -exponent);
        for (long b = 0; b < t.size(0); b++) {
            for (long h = 0; h < t.size(layout.headAxis()); h++) {
                for (long n = 0; n < t.size(layout.tokenAxis()); n++) {
                    for (long d = 0; d < t.size(3); d++) {
                        boolean inside = layout.headAxis() == 2;
                        float x = inside ? t.get(b, n, h, d) : t.get(b, h, n, d);
                        short half = found[(int) (b * strides[0] + h * strides[1] + n * strides[2] + d)];
                        float scaled = (float) (x * Math.scalb(1.0, exponent));
                        assertThat(half).as("%s at %d %d %d %d", x, b, h, n, d).isEqualTo(Float.floatToFloat16(scaled));
                        float y = inside ? back.get(b, n, h, d) : back.get(b, h, n, d);
                        double exact = Float.float16ToFloat(half) * Math.scalb(1.0, -exponent);
                        assertThat(Float.compare(y, (float) exact))
                                .as("%s back as %s", exact, y)
                                .isZero();
                    }
                }
            }
        }
    }

    private static Tensor sameLayout(Tensor t) {
        return Tensor.of(Arena.ofAuto().allocate(Math.max(4, 4 * t.span())), DType.FLOAT32, t.shape(), t.strides());
    }

    @ParameterizedTest
    @EnumSource(Place.class)
    void oddSizesStridesAndAlignments(Place place) {
        long seed = new Random().nextLong();
        System.out.println("HalfStagingTest " + place + " seed " + seed);
        Random random = new Random(seed);
        for (int n = 0; n < 60; n++) {
            long[] shape = {
                1 + random.nextInt(2),
                1 + random.nextInt(4),
                random.nextInt(random.nextBoolean() ? 40 : 3),
                1 + random.nextInt(random.nextBoolean() ? 140 : 3)
            };
            int gap = random.nextInt(3);
            long row = shape[3] + gap;
            long[] strides = {row * shape[1] * shape[2], row * shape[2], row, 1};
            if (random.nextInt(4) == 0) {
                // Heads of a group share their numbers.
                strides[1] = 0;
            }
            long elements = 1 + row * shape[0] * shape[1] * Math.max(1, shape[2]);
            int offset = random.nextInt(4);
            try (Arena arena = place == Place.CONFINED ? Arena.ofConfined() : Arena.ofShared()) {
                MemorySegment all = place == Place.HEAP
                        ? MemorySegment.ofArray(new byte[(int) (4 * elements + offset)])
                        : arena.allocate(4 * elements + offset);
                MemorySegment data = all.asSlice(offset);
                for (long i = 0; i < elements; i++) {
                    data.set(FLOAT, 4 * i, number(random));
                }
                data.set(FLOAT, 0, 1);
                Tensor t = Tensor.of(data, DType.FLOAT32, shape, strides);
                check(t, random.nextBoolean() ? Layout.HND : Layout.NHD, 0);
            }
        }
    }

    /** Any bits of which the largest finite number stays in the range that goes as it is. */
    private static float number(Random random) {
        float x = Float.intBitsToFloat(random.nextInt());
        return Float.isFinite(x) && Math.abs(x) > HalfStaging.MOST ? (float) random.nextGaussian() : x;
    }

    /** More than one thread takes, and not in whole blocks. */
    @ParameterizedTest
    @EnumSource(Place.class)
    void manyNumbersInShares(Place place) {
        int rows = 2 * 701;
        int dim = 509;
        for (int gap : new int[] {0, 3}) {
            try (Arena arena = place == Place.CONFINED ? Arena.ofConfined() : Arena.ofShared()) {
                long elements = (long) rows * (dim + gap);
                MemorySegment data = place == Place.HEAP
                        ? MemorySegment.ofArray(new float[(int) elements])
                        : arena.allocate(4 * elements);
                Random random = new Random(gap);
                for (long i = 0; i < elements; i++) {
                    data.set(FLOAT, 4 * i, (float) random.nextGaussian());
                }
                data.set(FLOAT, 4 * (elements - gap - 1), 123456f);
                long row = dim + gap;
                Tensor t = Tensor.of(
                        data, DType.FLOAT32, new long[] {1, 2, rows / 2, dim}, new long[] {0, row * rows / 2, row, 1});
                short[] found = staged(t, Layout.HND, -3);
                Tensor back = sameLayout(t);
                HalfStaging.copyOut(MemorySegment.ofArray(found), back, Layout.HND, 3);
                for (int r = 0; r < rows; r++) {
                    for (int d = 0; d < dim; d++) {
                        float x = data.get(FLOAT, 4 * (r * row + d));
                        short half = Float.floatToFloat16(x / 8);
                        assertThat(found[r * dim + d]).isEqualTo(half);
                        assertThat(back.data().get(FLOAT, 4 * (r * row + d))).isEqualTo(8 * Float.float16ToFloat(half));
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0",
        "1, 0",
        "9.765625e-4, 0",
        "9.76e-4, 24",
        "32768, 0",
        "32769, -2",
        "65504, -2",
        "65519.99, -2",
        "65536, -3",
        "1e10, -20",
        "3.4028235e38, -114",
        "1e-7, 37",
        "1e-20, 80",
        "1.4e-45, 162",
        "-1e-20, 80",
        "-70000, -3",
    })
    void numbersThatFp16DoesNotHoldAreMultipliedByAPowerOfTwo(float largest, int exponent) {
        float[] numbers = {0, largest / 3, largest, -largest / 1000, -0f};
        Tensor t = Tensor.of(numbers, 1, 1, 1, numbers.length);
        check(t, Layout.HND, exponent);
        short[] halves = staged(t, Layout.HND, exponent);
        for (int n = 0; n < numbers.length; n++) {
            // Half a step of FP16 at the number, and no less than its smallest step beside the largest number.
            double bound = Math.max(Math.abs(numbers[n]) * 0x1p-11, Math.abs(largest) * 0x1p-15);
            double back = Float.float16ToFloat(halves[n]) * Math.scalb(1.0, -exponent);
            assertThat(new BigDecimal(back)
                            .subtract(new BigDecimal(numbers[n]))
                            .abs()
                            .doubleValue())
                    .as("%s comes back as %s", numbers[n], back)
                    .isLessThanOrEqualTo(bound);
        }
    }

    /** What is no number stays it, and has no say in the power of two. */
    @ParameterizedTest
    @CsvSource({"1, 0", "1e6, -6", "1e-6, 33"})
    void nanAndInfinityStay(float finite, int exponent) {
        float[] numbers = new float[5000];
        numbers[17] = finite;
        numbers[4999] = Float.NaN;
        numbers[0] = Float.NEGATIVE_INFINITY;
        numbers[4100] = Float.POSITIVE_INFINITY;
        short[] found = staged(Tensor.of(numbers, 1, 1, 1000, 5), Layout.HND, exponent);
        assertThat(Float.float16ToFloat(found[4999])).isNaN();
        assertThat(Float.float16ToFloat(found[0])).isEqualTo(Float.NEGATIVE_INFINITY);
        assertThat(Float.float16ToFloat(found[4100])).isEqualTo(Float.POSITIVE_INFINITY);
        assertThat(found[17]).isEqualTo(Float.floatToFloat16((float) (finite * Math.scalb(1.0, exponent))));
        assertThat(staged(Tensor.of(new float[] {Float.NaN, Float.NEGATIVE_INFINITY}, 1, 1, 1, 2), Layout.HND, 0))
                .hasSize(2);
    }

    /** Heads that share their numbers, in rows with gaps: the gaps go along, but what is in them says nothing. */
    @Test
    void whatLiesInGapsHasNoSayInThePowerOfTwo() {
        for (float gap : new float[] {1e30f, 1e-30f, Float.NaN}) {
            float[] numbers = new float[7 * 12];
            for (int n = 0; n < numbers.length; n++) {
                numbers[n] = n % 12 < 9 ? 0.5f + n : gap;
            }
            MemorySegment data = MemorySegment.ofArray(numbers);
            check(Tensor.of(data, DType.FLOAT32, new long[] {1, 3, 7, 9}, new long[] {0, 0, 12, 1}), Layout.HND, 0);
            check(Tensor.of(data, DType.FLOAT32, new long[] {1, 7, 3, 9}, new long[] {0, 12, 0, 1}), Layout.NHD, 0);
            // And without sharing, where they stay behind.
            check(Tensor.of(data, DType.FLOAT32, new long[] {1, 1, 7, 9}, new long[] {0, 0, 12, 1}), Layout.HND, 0);
        }
        float[] small = {1e-6f, 7, 2e-6f, 7, 3e-6f};
        long[] shape = {1, 2, 3, 1};
        check(
                Tensor.of(MemorySegment.ofArray(small), DType.FLOAT32, shape, new long[] {0, 0, 2, 1}),
                Layout.HND,
                13 - Math.getExponent(3e-6f));
    }

    @Test
    void nothing() {
        assertThat(staged(Tensor.of(new float[0], 1, 1, 0, 8), Layout.HND, 0)).isEmpty();
    }
}
