package io.sage4j.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A moment in a stream: to be waited for, and to measure from. */
public final class CudaEvent extends Handle {
    private static final int NOT_READY = 600;

    CudaEvent(CudaContext context, long raw) {
        super(context, "an event", raw);
    }

    /** Marks the moment at which the stream has done what it was asked for so far. */
    public void record(CudaStream stream) {
        long handle = use();
        context()
                .call(
                        DriverFunction.EVENT_RECORD,
                        "recording an event",
                        handle,
                        given(stream, "stream").useIn(context()));
    }

    /** Whether that moment has come; of an event that was not recorded it has. */
    public boolean isDone() {
        int code = context().tryCall(DriverFunction.EVENT_QUERY, use());
        if (code != 0 && code != NOT_READY) {
            throw context().driver().failure(DriverFunction.EVENT_QUERY, "asking for an event", code, "");
        }
        return code == 0;
    }

    /** Waits until that moment. */
    public void synchronize() {
        context().call(DriverFunction.EVENT_SYNCHRONIZE, "waiting for an event", use());
    }

    /**
     * Time between two recorded events that have been waited for.
     *
     * @param start the earlier one
     * @return milliseconds, to about half a microsecond
     */
    public float millisSince(CudaEvent start) {
        long end = use();
        long begin = given(start, "start").useIn(context());
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_FLOAT);
            context().call(DriverFunction.EVENT_ELAPSED_TIME, "measuring between two events", out, begin, end);
            return out.get(JAVA_FLOAT, 0);
        }
    }

    @Override
    void free(long handle) {
        context().call(DriverFunction.EVENT_DESTROY, "closing an event", handle);
    }
}
