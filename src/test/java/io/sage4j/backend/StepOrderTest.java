package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Which steps must follow which. */
class StepOrderTest {
    @Test
    void stepsThatShareABufferFollowEachOtherAndNoneIsNamedTwice() {
        // K mean; K codes; Q codes; V scale; V codes; correction from K's mean; attention.
        StepOrder order = new StepOrder(List.of(
                Set.of(1L),
                Set.of(1L, 2L),
                Set.of(3L),
                Set.of(4L, 5L),
                Set.of(5L, 6L),
                Set.of(1L, 7L),
                Set.of(2L, 3L, 4L, 6L, 7L)));
        assertThat(order.after(0)).isEmpty();
        assertThat(order.after(1)).containsExactly(0);
        assertThat(order.after(2)).isEmpty();
        assertThat(order.after(3)).isEmpty();
        assertThat(order.after(4)).containsExactly(3);
        assertThat(order.after(5))
                .as("the mean may be written by step 1 as well")
                .containsExactly(1);
        assertThat(order.lanes()).containsExactly(0, 0, 1, 2, 2, 0, 0);
        assertThat(order.after(6)).as("step 3 comes before 4, step 1 before 5").containsExactly(5, 4, 2);
    }

    @Test
    void chainIsAChain() {
        StepOrder order = new StepOrder(List.of(Set.of(1L), Set.of(1L), Set.of(1L)));
        assertThat(order.after(2)).containsExactly(1);
        assertThat(order.lanes()).containsExactly(0, 0, 0);
    }

    @Test
    void stepThatTwoFollowIsFollowedInItsLaneByOne() {
        StepOrder order = new StepOrder(List.of(Set.of(1L, 2L), Set.of(1L), Set.of(2L)));
        assertThat(order.after(2)).containsExactly(0);
        assertThat(order.lanes()).containsExactly(0, 0, 1);
    }
}
