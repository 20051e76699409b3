package io.sage4j.backend;

import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaEvent;
import io.sage4j.cuda.CudaStream;
import io.sage4j.cuda.DeviceMemory;
import io.sage4j.cuda.PinnedMemory;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.function.Consumer;

/**
 * Pinned host memory from which the GPU copies when its stream gets there, while the host goes on. A piece is used again once the GPU has
 * copied it.
 */
final class CudaUploads implements AutoCloseable {
    private static final long UNIT = 64 << 10;

    /** A piece, and the moment at which it has been copied. */
    private record Piece(PinnedMemory memory, CudaEvent copied) {
        void close() {
            memory.close();
            copied.close();
        }
    }

    private final CudaContext context;
    /** In the order of their use. */
    private final ArrayDeque<Piece> pieces = new ArrayDeque<>();

    CudaUploads(CudaContext context) {
        this.context = context;
    }

    /**
     * Has a stream copy what {@code content} writes, and returns.
     *
     * @param offset where in {@code to}
     * @param content gets host memory of so many bytes
     */
    void upload(long bytes, Consumer<MemorySegment> content, CudaStream stream, DeviceMemory to, long offset) {
        Piece piece = take(bytes);
        try {
            MemorySegment from = piece.memory.segment().asSlice(0, bytes);
            content.accept(from);
            stream.upload(from, to, offset);
            piece.copied.record(stream);
        } catch (RuntimeException | Error e) {
            // Whether the GPU will copy is not known.
            AfterFailure.run(e, stream::synchronize, piece::close);
            throw e;
        }
        synchronized (pieces) {
            pieces.addLast(piece);
        }
    }

    private Piece take(long bytes) {
        Piece free = null;
        synchronized (pieces) {
            if (!pieces.isEmpty() && pieces.getFirst().copied.isDone()) {
                free = pieces.removeFirst();
            }
        }
        if (free != null && free.memory.segment().byteSize() >= bytes) {
            return free;
        }
        if (free != null) {
            free.close();
        }
        return new Piece(context.allocatePinned(Math.ceilDiv(bytes, UNIT) * UNIT), context.newEvent());
    }

    /** Nothing must be copied any more. */
    @Override
    public void close() {
        synchronized (pieces) {
            pieces.forEach(Piece::close);
            pieces.clear();
        }
    }
}
