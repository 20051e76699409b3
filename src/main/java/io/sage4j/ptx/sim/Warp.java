package io.sage4j.ptx.sim;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;

/** 32 lanes that run in lock-step; after a divergent branch the lanes that are furthest behind run first. */
final class Warp {
    static final int LANES = 32;
    static final int ALL = -1;

    /** A copy under way. */
    private record Copy(long to, byte[] bytes) {}

    final int id;
    final SharedMemory shared;
    final int[] cta;
    final int[] grid;
    /** Lane that is at work, for messages; -1 for all. */
    int lane = -1;
    /** Line that is at work. */
    int line;
    /** Whether the warp waits at a barrier. */
    boolean waiting;

    private final long[] registers;
    private final int[] written;
    private final int[] next = new int[LANES];
    private int alive = ALL;
    private boolean together = true;
    private final List<List<Copy>> open = new ArrayList<>();
    private final List<Deque<List<Copy>>> groups = new ArrayList<>();

    Warp(int id, int registerCount, SharedMemory shared, int[] cta, int[] grid) {
        this.id = id;
        this.shared = shared;
        this.cta = cta;
        this.grid = grid;
        this.registers = new long[registerCount * LANES];
        this.written = new int[registerCount];
        for (int n = 0; n < LANES; n++) {
            open.add(new ArrayList<>());
            groups.add(new ArrayDeque<>());
        }
    }

    long get(int register, int ofLane) {
        return registers[register * LANES + ofLane];
    }

    void set(int register, int ofLane, long value) {
        registers[register * LANES + ofLane] = value;
        written[register] |= 1 << ofLane;
    }

    /** Lanes that have written a register. */
    int written(int register) {
        return written[register];
    }

    /** Lanes where a predicate is true. */
    int predicate(int register) {
        int mask = 0;
        for (int n = 0; n < LANES; n++) {
            mask |= (int) (get(register, n) & 1) << n;
        }
        return mask;
    }

    boolean isDone() {
        return alive == 0;
    }

    int alive() {
        return alive;
    }

    /** Line of the lanes that run next. */
    int nextLine() {
        if (together) {
            return next[Integer.numberOfTrailingZeros(alive)];
        }
        int least = Integer.MAX_VALUE;
        for (int n = 0; n < LANES; n++) {
            if ((alive >>> n & 1) != 0) {
                least = Math.min(least, next[n]);
            }
        }
        return least;
    }

    /** Living lanes that stand at a line. */
    int lanesAt(int at) {
        if (together) {
            return alive;
        }
        int mask = 0;
        for (int n = 0; n < LANES; n++) {
            if ((alive >>> n & 1) != 0 && next[n] == at) {
                mask |= 1 << n;
            }
        }
        return mask;
    }

    /** Sends lanes to a line. */
    void jump(int mask, int target) {
        if (mask == alive) {
            Arrays.fill(next, target);
            together = true;
            return;
        }
        for (int n = 0; n < LANES; n++) {
            if ((mask >>> n & 1) != 0) {
                next[n] = target;
            }
        }
        together = mask == 0 && together || lanesTogether();
    }

    private boolean lanesTogether() {
        int at = next[Integer.numberOfTrailingZeros(alive)];
        for (int n = 0; n < LANES; n++) {
            if ((alive >>> n & 1) != 0 && next[n] != at) {
                return false;
            }
        }
        return true;
    }

    /** Ends lanes. */
    void end(int mask) {
        alive &= ~mask;
        together = alive != 0 && lanesTogether();
    }

    void startCopy(int ofLane, long to, byte[] bytes) {
        shared.startCopy(id, to, bytes.length);
        open.get(ofLane).add(new Copy(to, bytes));
    }

    void commit(int mask) {
        for (int n = 0; n < LANES; n++) {
            if ((mask >>> n & 1) != 0) {
                groups.get(n).add(open.get(n));
                open.set(n, new ArrayList<>());
            }
        }
    }

    void await(int mask, int pending) {
        for (int n = 0; n < LANES; n++) {
            while ((mask >>> n & 1) != 0 && groups.get(n).size() > pending) {
                lane = n;
                groups.get(n).remove().forEach(copy -> shared.deliver(id, copy.to(), copy.bytes()));
            }
        }
        lane = -1;
    }
}
