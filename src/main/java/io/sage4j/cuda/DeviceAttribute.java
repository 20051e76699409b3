package io.sage4j.cuda;

/** What a GPU can be asked for; sizes in bytes. */
public enum DeviceAttribute {
    /** Number of SMs. */
    MULTIPROCESSORS(16),
    /** Size of the L2 cache. */
    L2_BYTES(38),
    /** Major part of the compute capability. */
    COMPUTE_MAJOR(75),
    /** Minor part of the compute capability. */
    COMPUTE_MINOR(76),
    /** Shared memory of a block that opted in. */
    SHARED_BYTES_PER_BLOCK(97),
    /** 1 if memory can be allocated in stream order. */
    MEMORY_POOLS(115);

    private final int code;

    DeviceAttribute(int code) {
        this.code = code;
    }

    int code() {
        return code;
    }
}
