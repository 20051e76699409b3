package io.sage4j.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.SageException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class HostMemoryTest {
    private final List<MemorySegment> pinned = new ArrayList<>();
    private final List<MemorySegment> refused = new ArrayList<>();
    private int refusals;

    /** A driver for which some memory is pinned already. */
    private HostMemory memory() {
        return HostMemory.pinned(memory -> {
            if (refusals > 0) {
                refusals--;
                refused.add(memory);
                return Optional.empty();
            }
            pinned.add(memory);
            return Optional.of(() -> pinned.remove(memory));
        });
    }

    @Test
    void allOfAnArrayIsPinnedFromItsFirstByte() {
        try (HostMemory memory = memory()) {
            for (long bytes : new long[] {1, 20, 4096, 4097, 100_000}) {
                MemorySegment array = memory.allocate(bytes);
                assertThat(array.byteSize()).isEqualTo(bytes);
                MemorySegment last = pinned.get(pinned.size() - 1);
                assertThat(last.address()).isEqualTo(array.address());
                assertThat(last.byteSize()).isGreaterThanOrEqualTo(bytes);
                assertThat(array.toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
            }
        }
    }

    @Test
    void memoryThatSomebodyHasPinnedIsPassedOver() {
        refusals = 3;
        try (HostMemory memory = memory()) {
            MemorySegment array = memory.allocate(5000);
            assertThat(refused).hasSize(3);
            assertThat(pinned).singleElement().satisfies(p -> assertThat(p.address())
                    .isEqualTo(array.address()));
            for (MemorySegment other : refused) {
                assertThat(array.asOverlappingSlice(other)).isEmpty();
            }
        }
    }

    @Test
    void whatCannotBePinnedIsAnError() {
        refusals = Integer.MAX_VALUE;
        try (HostMemory memory = memory()) {
            assertThatThrownBy(() -> memory.allocate(10))
                    .isInstanceOf(SageException.class)
                    .hasMessage(
                            "the driver says 1000 times that new memory of 4096 bytes is pinned already: something in this"
                                    + " process frees memory that it has pinned");
        }
    }

    @Test
    void itIsUnpinnedBeforeItIsFreed() {
        List<Boolean> alive = new ArrayList<>();
        HostMemory memory = HostMemory.pinned(
                pages -> Optional.of(() -> alive.add(pages.scope().isAlive())));
        MemorySegment array = memory.allocate(10);
        memory.allocate(20);
        memory.close();
        memory.close();
        assertThat(alive).containsExactly(true, true);
        assertThat(array.scope().isAlive()).isFalse();
    }

    @Test
    void otherBackendsLeaveItToTheGarbageCollector() {
        MemorySegment array = HostMemory.plain().allocate(10);
        assertThat(array.byteSize()).isEqualTo(10);
        assertThat(array.address() % HostMemory.PAGE).isZero();
    }
}
