package io.sage4j;

import io.sage4j.cuda.CudaStream;

/**
 * A stream of a GPU: what is queued on it is done in order, and calls that queue return at once. Made by
 * {@link Sage#newStream} or, for a caller's own stream, {@link Sage#stream}; belongs to that Sage.
 */
public final class GpuStream implements AutoCloseable {
    private final Sage owner;
    private final CudaStream stream;

    GpuStream(Sage owner, CudaStream stream) {
        this.owner = owner;
        this.stream = stream;
    }

    /** The CUstream. */
    public long handle() {
        return stream.handle();
    }

    /**
     * Waits until all that was queued is done.
     *
     * @throws SageException if something went wrong meanwhile
     */
    public void synchronize() {
        stream.synchronize();
    }

    /** Closes a stream of {@link Sage#newStream}; a caller's stream is left alone. Closing twice is harmless. */
    @Override
    public void close() {
        stream.close();
    }

    CudaStream of(Sage sage) {
        if (sage != owner) {
            throw new SageException("the stream belongs to another Sage; make one with newStream() or stream()");
        }
        return stream;
    }
}
