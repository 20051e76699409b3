package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.DType;
import io.sage4j.Layout;
import io.sage4j.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Copies of tensors that are large enough for several threads, and not in whole shares. */
class StagingTest {
    private static final int HEADS = 3;
    private static final int TOKENS = 1301;
    private static final int DIM = 129;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

    @ParameterizedTest
    @CsvSource({
        "0, HND, false",
        "0, NHD, false",
        "5, HND, false",
        "5, NHD, false",
        "0, HND, true",
        "5, NHD, true",
    })
    void allElementsGoInAndComeBack(int gap, Layout layout, boolean confined) {
        boolean inside = layout == Layout.NHD;
        long row = DIM + gap;
        long[] shape = inside ? new long[] {1, TOKENS, HEADS, DIM} : new long[] {1, HEADS, TOKENS, DIM};
        long[] strides = {0, row * shape[2], row, 1};
        long elements = row * HEADS * TOKENS;
        try (Arena arena = confined ? Arena.ofConfined() : Arena.ofShared()) {
            MemorySegment data = arena.allocate(2 * elements + 1).asSlice(1);
            MemorySegment results = arena.allocate(2 * elements);
            for (long n = 0; n < elements; n++) {
                data.set(SHORT, 2 * n, (short) (n * 7 + n / 65536));
            }
            results.fill((byte) 0x5A);
            Tensor in = Tensor.of(data, DType.FLOAT16, shape, strides);
            Tensor out = Tensor.of(results, DType.FLOAT16, shape, strides);
            MemorySegment array = Arena.ofAuto().allocate(Staging.stagedBytes(in));
            Staging.copyIn(in, layout, array);
            Staging.copyOut(array, out, layout);
            long[] staged = Staging.stagedStrides(in, layout);
            for (long n = 0; n < elements; n++) {
                long r = n / row;
                boolean isGap = n % row >= DIM;
                assertThat(results.get(SHORT, 2 * n))
                        .as("element %d", n)
                        .isEqualTo(isGap ? (short) 0x5A5A : data.get(SHORT, 2 * n));
                if (!isGap) {
                    long head = inside ? r % HEADS : r / TOKENS;
                    long token = inside ? r / HEADS : r % TOKENS;
                    long at = head * staged[1] + token * staged[2] + n % row;
                    assertThat(array.get(SHORT, 2 * at)).isEqualTo(data.get(SHORT, 2 * n));
                }
            }
        }
    }
}
