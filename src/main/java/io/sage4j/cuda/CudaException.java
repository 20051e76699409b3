package io.sage4j.cuda;

/** What the CUDA driver answered: the cause of the {@link io.sage4j.SageException} that a failed call becomes. */
public final class CudaException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final String call;
    private final int code;
    private final String errorName;
    private final String log;

    CudaException(String call, int code, String errorName, String text, String log) {
        super(call + ": " + errorName + " (" + code + "), " + text);
        this.call = call;
        this.code = code;
        this.errorName = errorName;
        this.log = log;
    }

    /** The function that failed, {@code cuMemAlloc_v2} for example. */
    public String call() {
        return call;
    }

    /** The CUresult. */
    public int code() {
        return code;
    }

    /** The CUresult's name, {@code CUDA_ERROR_OUT_OF_MEMORY} for example. */
    public String errorName() {
        return errorName;
    }

    /** The JIT compiler's error log, all lines; empty if the call has none. */
    public String log() {
        return log;
    }
}
