package io.sage4j.backend;

import io.sage4j.SageException;
import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaGraph;
import io.sage4j.cuda.CudaStream;
import io.sage4j.cuda.DeviceMemory;
import io.sage4j.cuda.PinnedMemory;
import java.lang.foreign.ValueLayout;

/** A call of backend cuda with memory of its own. */
final class CudaPreparedCall implements DeviceBackend.Prepared {
    private final CudaContext context;
    private final DeviceMemory scratch;
    private final long heavyOffset;
    private final CudaGraph graph;
    private final Runnable start;
    private final CudaStream stream;
    private boolean closed;

    /** @param scratch null for none; @param heavyOffset -1 for none; @param graph null for none */
    CudaPreparedCall(
            CudaContext context,
            DeviceMemory scratch,
            long heavyOffset,
            CudaGraph graph,
            Runnable start,
            CudaStream stream) {
        this.context = context;
        this.scratch = scratch;
        this.heavyOffset = heavyOffset;
        this.graph = graph;
        this.start = start;
        this.stream = stream;
    }

    @Override
    public synchronized void enqueue() {
        requireOpen();
        if (graph != null) {
            graph.launch(stream);
        } else {
            start.run();
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new SageException("this call is closed; prepare a new one");
        }
    }

    @Override
    public synchronized long[] time(int runs) {
        return stream.time(runs, this::enqueue);
    }

    @Override
    public synchronized long heavyVChannels() {
        requireOpen();
        stream.synchronize();
        if (heavyOffset < 0) {
            return CudaBackend.NOT_WATCHED;
        }
        try (PinnedMemory word = context.allocatePinned(Integer.BYTES)) {
            stream.download(scratch, heavyOffset, word.segment());
            stream.synchronize();
            return word.segment().get(ValueLayout.JAVA_INT, 0);
        }
    }

    @Override
    public long scratchBytes() {
        return scratch == null ? 0 : scratch.bytes();
    }

    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        if (graph != null) {
            graph.close();
        }
        if (scratch != null) {
            // The driver waits for what runs with it.
            scratch.close();
        }
    }
}
