package io.sage4j.backend;

import io.sage4j.plan.AttentionPlan;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Idle plans, kept for calls of the same kind. A plan serves one call at a time; calls side by side get plans of their own. A TornadoVM compiles the
 * kernels of every plan anew, for seconds, so small plans are kept in numbers: lengths of packed sequences and of a cache that grows come again.
 *
 * @param <K> what plans are found by
 */
final class PlanPool<K> implements AutoCloseable {
    /** Idle plans kept, whatever their memory; the least recently used goes first. */
    static final int CAPACITY = 8;

    /** Idle plans kept as long as all together have no more than {@link #SMALL_BYTES}. */
    static final int SMALL_CAPACITY = 64;

    static final long SMALL_BYTES = 256L << 20;

    private final Map<K, Deque<AttentionPlan>> idle = new LinkedHashMap<>(16, 0.75f, true);
    private int size;
    private long bytes;
    private boolean closed;

    /** An idle plan of this key, or a new one. */
    AttentionPlan acquire(K key, Supplier<AttentionPlan> builder) {
        synchronized (this) {
            Deque<AttentionPlan> plans = idle.get(key);
            if (plans != null) {
                AttentionPlan plan = plans.pop();
                left(plan);
                if (plans.isEmpty()) {
                    idle.remove(key);
                }
                return plan;
            }
        }
        return builder.get();
    }

    /** Takes a plan back after a successful call. */
    void release(K key, AttentionPlan plan) {
        List<AttentionPlan> evicted = new ArrayList<>();
        synchronized (this) {
            if (closed) {
                evicted.add(plan);
            } else {
                idle.computeIfAbsent(key, k -> new ArrayDeque<>()).push(plan);
                size++;
                bytes += plan.bytes();
                while (size > SMALL_CAPACITY || size > CAPACITY && bytes > SMALL_BYTES) {
                    evicted.add(removeEldest());
                }
            }
        }
        evicted.forEach(AttentionPlan::close);
    }

    private void left(AttentionPlan plan) {
        size--;
        bytes -= plan.bytes();
    }

    private AttentionPlan removeEldest() {
        Iterator<Deque<AttentionPlan>> keys = idle.values().iterator();
        Deque<AttentionPlan> eldest = keys.next();
        AttentionPlan plan = eldest.removeLast();
        left(plan);
        if (eldest.isEmpty()) {
            keys.remove();
        }
        return plan;
    }

    /** Frees the idle plans; returns whether there were any. */
    boolean clear() {
        Map<K, Deque<AttentionPlan>> all;
        synchronized (this) {
            all = new LinkedHashMap<>(idle);
            idle.clear();
            size = 0;
            bytes = 0;
        }
        all.values().forEach(plans -> plans.forEach(AttentionPlan::close));
        return !all.isEmpty();
    }

    @Override
    public void close() {
        synchronized (this) {
            closed = true;
        }
        clear();
    }
}
