package io.sage4j.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Page-locked host memory. */
public final class PinnedMemory extends Handle {
    private final Arena arena = Arena.ofShared();
    private final MemorySegment segment;

    @SuppressWarnings("restricted")
    PinnedMemory(CudaContext context, long address, long bytes) {
        super(context, "pinned memory of " + bytes + " bytes", address);
        this.segment = MemorySegment.ofAddress(address).reinterpret(bytes, arena, null);
    }

    /** The memory, for any thread; not accessible any more once this is closed. Copies that use it must be done by then. */
    public MemorySegment segment() {
        use();
        return segment;
    }

    @Override
    void free(long address) {
        arena.close();
        context().call(DriverFunction.MEM_FREE_HOST, "freeing " + this, MemorySegment.ofAddress(address));
    }
}
