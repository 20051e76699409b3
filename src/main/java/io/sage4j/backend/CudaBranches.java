package io.sage4j.backend;

import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaEvent;
import io.sage4j.cuda.CudaStream;
import io.sage4j.cuda.DeviceMemory;
import java.util.ArrayList;
import java.util.List;

/**
 * Streams beside a caller's, for calls that do not depend on each other: small ones leave multiprocessors free that others can use. What is
 * started between {@link #fork} and {@link #join} comes after all that the caller's stream had, and before all that it gets later. Calls of one branch
 * follow each other, so they share its scratch memory.
 */
final class CudaBranches implements AutoCloseable {
    /** Beside the caller's own. The host starts short calls no faster than two streams do them: more changed nothing. */
    private static final int SIDES = 1;

    private final List<CudaStream> sides = new ArrayList<>();
    private final List<CudaEvent> ends = new ArrayList<>();
    private final CudaEvent begin;

    private final CudaContext context;
    private final List<Branch> branches = new ArrayList<>();

    CudaBranches(CudaContext context) {
        this.context = context;
        begin = context.newEvent();
        for (int n = 0; n < SIDES; n++) {
            sides.add(context.newStream());
            ends.add(context.newEvent());
        }
    }

    /** A stream and what calls on it need. */
    static final class Branch {
        private final CudaStream stream;
        private final DeviceMemory scratch;
        private long work;

        private Branch(CudaStream stream, DeviceMemory scratch) {
            this.stream = stream;
            this.scratch = scratch;
        }

        CudaStream stream() {
            return stream;
        }

        long scratch() {
            return scratch.address();
        }
    }

    /**
     * @param stream one that is being captured has no sides: they would be part of the capture until its end
     * @param calls how many are coming, at least one
     * @param scratchBytes what the largest needs, at least 1
     */
    void fork(CudaStream stream, int calls, long scratchBytes) {
        int besides = stream.isCapturing() ? 0 : Math.min(calls - 1, SIDES);
        if (besides > 0) {
            begin.record(stream);
        }
        branches.add(new Branch(stream, context.allocate(scratchBytes, stream)));
        for (CudaStream side : sides.subList(0, besides)) {
            side.waitFor(begin);
            branches.add(new Branch(side, context.allocate(scratchBytes, side)));
        }
    }

    /** The branch that has least to do so far. */
    Branch next(long cost) {
        Branch least = branches.getFirst();
        for (Branch branch : branches) {
            least = branch.work < least.work ? branch : least;
        }
        least.work += cost;
        return least;
    }

    /** The caller's stream goes on when all branches are done. */
    void join() {
        branches.forEach(b -> b.scratch.close());
        for (int n = 1; n < branches.size(); n++) {
            CudaEvent end = ends.get(n - 1);
            end.record(branches.get(n).stream);
            branches.getFirst().stream.waitFor(end);
        }
        branches.clear();
    }

    /** Closes after a failure, which stays the one that is told. What was started goes on, and the caller's stream waits for it if that is possible. */
    void discard(Throwable why) {
        AfterFailure.run(why, this::join, this::close);
    }

    @Override
    public void close() {
        begin.close();
        ends.forEach(CudaEvent::close);
        sides.forEach(CudaStream::close);
    }
}
