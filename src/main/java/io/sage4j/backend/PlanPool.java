package io.sage4j.backend;

import io.sage4j.plan.AttentionPlan;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Idle plans, kept for calls of the same kind. A plan serves one call at a time; calls side by side get plans of their own.
 *
 * @param <K> what plans are found by
 */
final class PlanPool<K> implements AutoCloseable {
    /** Idle plans kept; the least recently used goes first. */
    static final int CAPACITY = 8;

    private final Map<K, Deque<AttentionPlan>> idle = new LinkedHashMap<>(16, 0.75f, true);
    private int size;
    private boolean closed;

    /** An idle plan of this key, or a new one. */
    AttentionPlan acquire(K key, Supplier<AttentionPlan> builder) {
        synchronized (this) {
            Deque<AttentionPlan> plans = idle.get(key);
            if (plans != null) {
                AttentionPlan plan = plans.pop();
                size--;
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
        AttentionPlan evicted = null;
        synchronized (this) {
            if (closed) {
                evicted = plan;
            } else {
                idle.computeIfAbsent(key, k -> new ArrayDeque<>()).push(plan);
                if (++size > CAPACITY) {
                    evicted = removeEldest();
                }
            }
        }
        if (evicted != null) {
            evicted.close();
        }
    }

    private AttentionPlan removeEldest() {
        Iterator<Deque<AttentionPlan>> keys = idle.values().iterator();
        Deque<AttentionPlan> eldest = keys.next();
        AttentionPlan plan = eldest.removeLast();
        size--;
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
