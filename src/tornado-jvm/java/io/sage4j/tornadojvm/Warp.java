package io.sage4j.tornadojvm;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * 32 work-items with consecutive ids, x running fastest; the last warp of a group may have fewer lanes. In a warp
 * operation every lane hands in its part and waits; the last one computes for all.
 */
final class Warp {
    static final int LANES = 32;

    private final WorkGroup group;
    private final int first;
    private final WarpOperation[] parts;
    private final AtomicInteger arrived = new AtomicInteger();

    Warp(WorkGroup group, int index) {
        this.group = group;
        first = index * LANES;
        parts = new WarpOperation[Math.min(LANES, group.size - first)];
    }

    /** Id of the first lane in the group. */
    int first() {
        return first;
    }

    int lanes() {
        return parts.length;
    }

    /** Hands in one lane's part; true for the last lane, after the results of all are there. */
    boolean arrive(WorkItem item, WarpOperation part) {
        parts[item.id - first] = part;
        if (arrived.incrementAndGet() < parts.length) {
            return false;
        }
        arrived.set(0);
        for (int lane = 0; lane < parts.length; lane++) {
            if (!parts[lane].name.equals(part.name)) {
                throw group.error(
                        "lanes of one warp are in different operations: lane " + lane + " in " + parts[lane].name
                                + ", lane " + (item.id - first) + " in " + part.name,
                        item);
            }
        }
        if (part.wholeWarp && parts.length < LANES) {
            throw group.error(part.name + " in a warp of only " + parts.length + " work-items", item);
        }
        part.compute(parts);
        return true;
    }
}
