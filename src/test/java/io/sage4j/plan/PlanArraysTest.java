package io.sage4j.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

class PlanArraysTest {
    @Test
    void noTwoArraysShareAPage() {
        PlanArrays arrays = new PlanArrays(HostMemory.plain());
        List<TornadoNativeArray> all = List.of(
                arrays.floats("a", 3L),
                arrays.bytes("b", 1),
                arrays.halves("c", 5000),
                arrays.ints("d", 1, 2, 3),
                arrays.floats("e", 1f),
                arrays.noFloats,
                arrays.noBytes);
        Set<Long> pages = new HashSet<>();
        for (TornadoNativeArray array : all) {
            MemorySegment segment = array.getSegmentWithHeader();
            assertThat(segment.address() % 4096).isZero();
            for (long at = 0; at < segment.byteSize(); at += 4096) {
                assertThat(pages.add((segment.address() + at) / 4096)).isTrue();
            }
        }
        assertThat(all.stream().map(TornadoNativeArray::getSize)).containsExactly(3, 1, 5000, 3, 1, 1, 1);
    }
}
