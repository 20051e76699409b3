package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.DType;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Rung;
import io.sage4j.numeric.Scheme;
import io.sage4j.plan.AttentionPlan;
import io.sage4j.plan.AttentionProblem;
import io.sage4j.plan.MaskView;
import io.sage4j.plan.TensorView;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

class PlanPoolTest {
    private final AtomicInteger built = new AtomicInteger();
    private final PlanPool<Integer> pool = new PlanPool<>();

    private final Supplier<AttentionPlan> builder = () -> plan(2);
    /** A bit more than a ninth of what small plans may have: K and V of FP32 once as given and once contiguous, of 4 channels. */
    private final Supplier<AttentionPlan> large =
            () -> plan((int) (PlanPool.SMALL_BYTES / 9 / (4 * 4 * Float.BYTES)) + 1);

    private AttentionPlan plan(int keys) {
        built.incrementAndGet();
        TensorView q = TensorView.contiguous(DType.FLOAT32, 1, 2, 4);
        TensorView k = TensorView.contiguous(DType.FLOAT32, 1, keys, 4);
        return AttentionPlan.of(new AttentionProblem(
                new AttentionShape(1, 1, 1, 2, keys, 4),
                Rung.TILED,
                Scheme.UNQUANTIZED,
                AttentionProblem.NOT_CAUSAL,
                1f,
                false,
                q,
                k,
                k,
                q,
                MaskView.NONE));
    }

    @Test
    void an_idle_plan_is_used_again_and_a_busy_one_is_not() {
        AttentionPlan first = pool.acquire(1, builder);
        AttentionPlan second = pool.acquire(1, builder);
        assertThat(second).isNotSameAs(first);
        pool.release(1, first);
        assertThat(pool.acquire(1, builder)).isSameAs(first);
        assertThat(pool.acquire(2, builder)).isNotSameAs(first);
        assertThat(built).hasValue(3);
    }

    @Test
    void the_least_recently_used_plan_goes_first() {
        for (int key = 0; key <= PlanPool.SMALL_CAPACITY; key++) {
            pool.release(key, pool.acquire(key, builder));
            pool.release(0, pool.acquire(0, builder));
        }
        built.set(0);
        pool.acquire(0, builder);
        assertThat(built).hasValue(0);
        pool.acquire(2, builder);
        assertThat(built).as("key 2 is kept").hasValue(0);
        pool.acquire(1, builder);
        assertThat(built).as("key 1 was evicted").hasValue(1);
    }

    @Test
    void of_plans_with_much_memory_fewer_are_kept() {
        assertThat(9 * pool.acquire(-1, large).bytes()).isBetween(PlanPool.SMALL_BYTES, PlanPool.SMALL_BYTES * 11 / 10);
        for (int key = 0; key < PlanPool.CAPACITY + 2; key++) {
            pool.release(key, pool.acquire(key, large));
        }
        built.set(0);
        pool.release(1, pool.acquire(1, large));
        assertThat(built).as("1 was evicted by 9").hasValue(1);
        built.set(0);
        pool.release(9, pool.acquire(9, large));
        assertThat(built).hasValue(0);
        pool.release(100, pool.acquire(100, builder));
        built.set(0);
        pool.acquire(100, builder);
        assertThat(built).as("a small one takes the place of a large one").hasValue(0);
    }

    @Test
    void cleared_and_closed_pools_keep_nothing() {
        pool.release(1, pool.acquire(1, builder));
        assertThat(pool.clear()).isTrue();
        assertThat(pool.clear()).isFalse();
        AttentionPlan late = pool.acquire(1, builder);
        assertThat(built).hasValue(2);
        pool.close();
        pool.release(1, late);
        assertThat(pool.clear()).isFalse();
    }
}
