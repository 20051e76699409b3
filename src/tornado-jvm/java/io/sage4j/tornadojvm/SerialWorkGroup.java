package io.sage4j.tornadojvm;

import java.util.Objects;
import java.util.concurrent.locks.LockSupport;

/**
 * A work-group whose items run one at a time, in the order of their ids between two waits, so that what they do to
 * local memory can be recorded without locks and reports repeat. The item whose turn it is hands the turn to the next
 * one that can run when it waits or ends.
 */
final class SerialWorkGroup extends WorkGroup {
    private volatile int turn;

    /** Source line where each item waits. */
    private final String[] places = new String[size];

    SerialWorkGroup(Launch launch, long number) {
        super(launch, number);
    }

    @Override
    void begin(int first) {
        turn = first;
    }

    @Override
    boolean enter(int id) {
        awaitTurn(id);
        return !launch.isCancelled(number);
    }

    @Override
    void mark(int id, byte state) {
        places[id] = KernelFrames.checkedLine();
        states[id] = state;
    }

    @Override
    void await(int id) {
        passTurn(id);
        awaitTurn(id);
        launch.leaveIfCancelled(number);
    }

    @Override
    void release(Warp warp, WorkItem last) {
        for (int id = warp.first(); id < warp.first() + warp.lanes(); id++) {
            states[id] = RUNNING;
        }
    }

    @Override
    void leave(int id) {
        if (!launch.isCancelled(number)) {
            passTurn(id);
        }
        finishOne();
    }

    private void awaitTurn(int id) {
        while (turn != id && !launch.isCancelled(number)) {
            LockSupport.park(this);
        }
    }

    private void passTurn(int id) {
        int next = nextRunning(id);
        if (next < 0 && allAtBarrier()) {
            if (!atOnePlace()) {
                return;
            }
            passBarrier();
            next = 0;
        }
        if (next >= 0) {
            turn = next;
            if (next != id) {
                LockSupport.unpark(threads[next]);
            }
        } else if (!allFinished()) {
            diverged();
        }
    }

    /* Barriers on different source lines pass for one on some devices and hang others. */
    private boolean atOnePlace() {
        for (int id = 1; id < size; id++) {
            if (!Objects.equals(places[id], places[0])) {
                launch.fail(
                        number,
                        error(
                                "work-items wait at different barriers: " + new WorkItem(this, 0).name() + " at "
                                        + places[0] + ", " + new WorkItem(this, id).name() + " at " + places[id],
                                new WorkItem(this, id)));
                return false;
            }
        }
        return true;
    }

    @Override
    String place(int id) {
        return places[id];
    }

    private int nextRunning(int id) {
        for (int i = 1; i < size; i++) {
            int other = (id + i) % size;
            if (states[other] == RUNNING) {
                return other;
            }
        }
        return -1;
    }
}
