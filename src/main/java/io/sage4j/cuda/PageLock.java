package io.sage4j.cuda;

import java.lang.foreign.MemorySegment;

/** Host memory of the caller's that the driver holds in place. It must not be freed before this is closed. */
public final class PageLock extends Handle {
    PageLock(CudaContext context, MemorySegment memory) {
        super(context, "pinned memory of the caller's, " + memory.byteSize() + " bytes", memory.address());
    }

    @Override
    void free(long address) {
        context().call(DriverFunction.MEM_HOST_UNREGISTER, "freeing " + this, MemorySegment.ofAddress(address));
    }
}
