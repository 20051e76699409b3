package io.sage4j.cuda;

/** What a kernel can be asked for. */
public enum FunctionAttribute {
    /** Most threads of a block. */
    MAX_THREADS(0),
    /** Bytes of shared memory that the kernel declares. */
    STATIC_SHARED_BYTES(1),
    /** Bytes of local memory of a thread: more than 0 where registers are spilled. */
    LOCAL_BYTES(3),
    /** Registers of a thread. */
    REGISTERS(4),
    /** Bytes of dynamic shared memory that a launch may ask for. */
    MAX_DYNAMIC_SHARED_BYTES(8);

    private final int code;

    FunctionAttribute(int code) {
        this.code = code;
    }

    int code() {
        return code;
    }
}
