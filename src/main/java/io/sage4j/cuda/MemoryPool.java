package io.sage4j.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * What a context's stream-ordered memory comes from. A pool of its own, so that it can keep memory between calls without
 * changing how the GPU's default pool serves the rest of the process.
 */
final class MemoryPool extends Handle {
    /** Bytes that stay when the GPU has been waited for: about what a call of 64 heads of 32K tokens needs. */
    private static final long KEPT_BYTES = 2L << 30;

    // CUmemPoolProps: where its members lie, and their values.
    private static final long PROPERTIES_BYTES = 88;
    private static final long LOCATION_TYPE_AT = 8;
    private static final long LOCATION_ID_AT = 12;
    private static final int ALLOCATION_PINNED = 1;
    private static final int LOCATION_DEVICE = 1;
    private static final int RELEASE_THRESHOLD = 4;

    private MemoryPool(CudaContext context, long raw) {
        super(context, "a memory pool", raw);
    }

    static MemoryPool of(CudaContext context, int ordinal) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment properties = arena.allocate(PROPERTIES_BYTES, 8);
            properties.set(JAVA_INT, 0, ALLOCATION_PINNED);
            properties.set(JAVA_INT, LOCATION_TYPE_AT, LOCATION_DEVICE);
            properties.set(JAVA_INT, LOCATION_ID_AT, ordinal);
            MemoryPool pool = new MemoryPool(
                    context, context.create(DriverFunction.MEM_POOL_CREATE, "making a memory pool", properties));
            MemorySegment kept = arena.allocateFrom(JAVA_LONG, KEPT_BYTES);
            context.call(
                    DriverFunction.MEM_POOL_SET_ATTRIBUTE,
                    "setting what a memory pool keeps",
                    pool.use(),
                    RELEASE_THRESHOLD,
                    kept);
            return pool;
        }
    }

    @Override
    void free(long handle) {
        context().call(DriverFunction.MEM_POOL_DESTROY, "closing a memory pool", handle);
    }
}
