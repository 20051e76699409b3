package io.sage4j.tornadojvm;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * One work-group. Its items run one after another in the thread of the group until an item has to wait; that item keeps
 * the thread of the group, and all later items get a virtual thread each.
 *
 * <p>Every item has a state. An item that waits sets its state, counts itself out of the running ones and parks until
 * somebody sets its state back. Whoever counts the last running item out looks at all states: all at the barrier means
 * go on, anything else can never go on and is an error.
 */
class WorkGroup {
    static final byte RUNNING = 0;
    static final byte AT_BARRIER = 1;
    static final byte IN_WARP_OPERATION = 2;
    static final byte FINISHED = 3;

    private static final VarHandle STATE = MethodHandles.arrayElementVarHandle(byte[].class);

    final Launch launch;
    final long number;
    final int size;
    final int groupX;
    final int groupY;
    final int groupZ;
    final byte[] states;

    private final AtomicInteger running = new AtomicInteger();
    private final AtomicInteger unfinished = new AtomicInteger();
    private final List<LocalArray> locals = new ArrayList<>();

    /** Threads of the items, null for those that finished before the first wait; null as long as there was none. */
    volatile Thread[] threads;

    private Thread main;

    /** Number of barriers passed. Written while no item runs. */
    int epoch;

    private Warp[] warps;

    WorkGroup(Launch launch, long number) {
        this.launch = launch;
        this.number = number;
        Grid grid = launch.grid;
        size = grid.groupSize;
        groupX = (int) (number % grid.groupsX);
        groupY = (int) (number / grid.groupsX % grid.groupsY);
        groupZ = (int) (number / grid.groupsX / grid.groupsY);
        states = new byte[size];
    }

    /** Runs all items; returns when none is left. */
    void run() {
        main = Thread.currentThread();
        for (int id = 0; id < size && threads == null && !launch.isCancelled(number); id++) {
            runItem(id);
        }
        while (threads != null && unfinished.get() > 0) {
            LockSupport.park(this);
        }
    }

    private void runItem(int id) {
        try {
            launch.runItem(new WorkItem(this, id));
        } finally {
            STATE.setRelease(states, id, FINISHED);
            if (threads != null) {
                leave(id);
            }
        }
    }

    /** Gives every item after this one, the first that waits, a thread. */
    private void startOthers(WorkItem first) {
        Thread[] all = new Thread[size];
        all[first.id] = Thread.currentThread();
        for (int id = first.id + 1; id < size; id++) {
            int other = id;
            all[id] = Thread.ofVirtual().unstarted(() -> runThreaded(other));
        }
        running.set(size - first.id);
        unfinished.set(size - first.id);
        begin(first.id);
        threads = all;
        int started = first.id + 1;
        try {
            for (; started < size; started++) {
                all[started].start();
            }
        } catch (Throwable e) { // out of memory: those that did not start must not be waited for
            launch.fail(number, new KernelException(e.toString(), launch.name(null), name(), "(all)", e));
            for (int id = started; id < size; id++) {
                STATE.setRelease(states, id, FINISHED);
                leave(id);
            }
        }
    }

    private void runThreaded(int id) {
        if (enter(id)) {
            runItem(id);
        } else {
            STATE.setRelease(states, id, FINISHED);
            leave(id);
        }
    }

    /** Waits until all items of the group are here. */
    final void barrier(WorkItem item) {
        launch.leaveIfCancelled(number);
        if (size == 1) {
            epoch++;
            return;
        }
        if (threads == null) {
            startOthers(item);
        }
        mark(item.id, AT_BARRIER);
        await(item.id);
    }

    /** Takes part in a warp operation; the last lane to come computes it. */
    final void warpOperation(WorkItem item, WarpOperation operation) {
        launch.leaveIfCancelled(number);
        if (threads == null && size > 1) {
            startOthers(item);
        }
        Warp warp = warp(item.id / Warp.LANES);
        mark(item.id, IN_WARP_OPERATION); // before arriving, for the last lane may come and go at once
        if (warp.arrive(item, operation)) {
            states[item.id] = RUNNING;
            release(warp, item);
        } else {
            await(item.id);
        }
    }

    private synchronized Warp warp(int index) {
        if (warps == null) {
            warps = new Warp[(size + Warp.LANES - 1) / Warp.LANES];
        }
        if (warps[index] == null) {
            warps[index] = new Warp(this, index);
        }
        return warps[index];
    }

    /** The array that every item of this group gets from its {@code order}-th allocation. */
    final synchronized Object local(WorkItem item, int order, LocalArray.Kind kind, int length) {
        if (order == locals.size()) {
            locals.add(new LocalArray(order, kind, length, item.id, launch.checked));
        }
        LocalArray local = locals.get(order);
        if (local.kind != kind || local.length != length) {
            throw error(
                    "local array " + order + " is " + kind.describe(length) + " here but " + local.describe()
                            + " for work-item " + new WorkItem(this, local.allocator).name(),
                    item);
        }
        return local.array;
    }

    /** The record of a local array, or null when it is none of this group. */
    final LocalArray find(Object array) {
        for (int i = 0; i < locals.size(); i++) {
            LocalArray local = locals.get(i);
            if (local.array == array) {
                return local;
            }
        }
        return null;
    }

    /* ---- waiting: overridden where items run one at a time ---- */

    /** Called before the threads of the other items start. */
    void begin(int first) {}

    /** Called first on the thread of an item; false when it shall not run any more. */
    boolean enter(int id) {
        return !launch.isCancelled(number);
    }

    /** Sets what an item is about to wait for. */
    void mark(int id, byte state) {
        STATE.setRelease(states, id, state);
    }

    /** Parks the item until its state is set back to running. */
    void await(int id) {
        if (running.decrementAndGet() == 0) {
            resolve(id);
        }
        while ((byte) STATE.getAcquire(states, id) != RUNNING) {
            launch.leaveIfCancelled(number);
            LockSupport.park(this);
        }
        launch.leaveIfCancelled(number);
    }

    /** Sends the waiting lanes of a warp on. */
    void release(Warp warp, WorkItem last) {
        running.addAndGet(warp.lanes() - 1);
        Thread[] all = threads;
        for (int id = warp.first(); id < warp.first() + warp.lanes(); id++) {
            if (id != last.id) {
                STATE.setRelease(states, id, RUNNING);
                LockSupport.unpark(all[id]);
            }
        }
    }

    /** Called when an item has finished, or shall not run any more. */
    void leave(int id) {
        if (running.decrementAndGet() == 0 && !launch.isCancelled(number) && !allFinished()) {
            diverged();
        }
        finishOne();
    }

    /** Counts a finished item; the last one wakes the thread of the group. */
    final void finishOne() {
        if (unfinished.decrementAndGet() == 0) {
            LockSupport.unpark(main);
        }
    }

    final boolean allAtBarrier() {
        for (byte state : states) {
            if (state != AT_BARRIER) {
                return false;
            }
        }
        return true;
    }

    /** Sets all items running again; for groups that run one item at a time. */
    final void passBarrier() {
        epoch++;
        Arrays.fill(states, RUNNING);
    }

    private void resolve(int self) {
        if (!allAtBarrier()) {
            if (!launch.isCancelled(number)) {
                diverged();
            }
            return;
        }
        epoch++;
        running.set(size);
        Thread[] all = threads;
        states[self] = RUNNING;
        for (int id = 0; id < size; id++) {
            if (id != self) {
                STATE.setRelease(states, id, RUNNING);
                LockSupport.unpark(all[id]);
            }
        }
    }

    /* ---- errors ---- */

    final void wakeAll() {
        Thread[] all = threads;
        if (all != null) {
            for (Thread thread : all) {
                LockSupport.unpark(thread);
            }
        }
    }

    final boolean allFinished() {
        for (byte state : states) {
            if (state != FINISHED) {
                return false;
            }
        }
        return true;
    }

    /** Reports that no item can go on although some wait. */
    final void diverged() {
        int waiting = indexOf(AT_BARRIER);
        boolean barrier = waiting >= 0;
        if (!barrier) {
            waiting = indexOf(IN_WARP_OPERATION);
        }
        Throwable place = new Throwable("a work-item waits here");
        if (threads[waiting] != Thread.currentThread()) {
            place.setStackTrace(threads[waiting].getStackTrace());
        }
        String line = place(waiting);
        if (line == null) {
            line = KernelFrames.line(place.getStackTrace());
        }
        StringBuilder what = new StringBuilder(barrier ? "barrier" : "warp operation");
        what.append(line == null ? "" : " at " + line).append(" not reached by all work-items:");
        append(what, AT_BARRIER, "waiting at a barrier");
        append(what, IN_WARP_OPERATION, "waiting in a warp operation");
        append(what, FINISHED, "finished");
        String absent = names(indexOf(FINISHED) >= 0 ? FINISHED : IN_WARP_OPERATION);
        launch.fail(number, new KernelException(what.toString(), launch.name(place), name(), absent, place));
    }

    /** Source line where an item waits, or null where that has to be read off its stack. */
    String place(int id) {
        return null;
    }

    private int indexOf(byte state) {
        for (int id = 0; id < size; id++) {
            if (states[id] == state) {
                return id;
            }
        }
        return -1;
    }

    private void append(StringBuilder what, byte state, String doing) {
        int count = 0;
        for (byte s : states) {
            count += s == state ? 1 : 0;
        }
        if (count > 0) {
            String separator = what.charAt(what.length() - 1) == ':' ? " " : "; ";
            what.append(separator)
                    .append(count)
                    .append(' ')
                    .append(doing)
                    .append(' ')
                    .append(names(state));
        }
    }

    /** Local ids of the items in a state, at most four of them. */
    private String names(byte state) {
        List<String> names = new ArrayList<>();
        for (int id = 0; id < size && names.size() < 5; id++) {
            if (states[id] == state) {
                names.add(names.size() < 4 ? new WorkItem(this, id).name() : "...");
            }
        }
        return String.join(" ", names);
    }

    final KernelException error(String what, WorkItem item) {
        Throwable place = KernelFrames.withHiddenFrames(new Throwable("here"));
        StackTraceElement[] stack = place.getStackTrace();
        String line = KernelFrames.line(stack);
        return new KernelException(
                line == null ? what : what + " at " + line, launch.name(place), name(), item.name(), place);
    }

    final String name() {
        return Grid.triple(groupX, groupY, groupZ);
    }

    @Override
    public String toString() {
        return "work-group " + name() + " of " + launch.task + " " + Arrays.toString(states);
    }
}
