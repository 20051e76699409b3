package io.sage4j.backend;

import io.sage4j.DType;
import io.sage4j.Tensor;
import io.sage4j.cuda.CudaStream;
import java.util.List;

/**
 * A backend that also takes tensors in the memory of its GPU, on which nothing is copied, and works on a caller's stream.
 * In {@link #attend} the tensors are either all on the host or all on the GPU.
 */
public interface DeviceBackend extends AttentionBackend {
    /** Number of the GPU among the driver's. */
    int gpu();

    /** A new tensor in the GPU's memory, not zeroed; the backend's until {@link #free} or {@link #close}. */
    Tensor allocate(DType dtype, long... shape);

    /**
     * Gives back what {@link #allocate} gave. Waits for the GPU.
     *
     * @throws io.sage4j.SageException if the tensor is none of that
     */
    void free(Tensor tensor);

    /** Copies between two contiguous tensors of one shape and type, host or GPU, and waits for it. */
    void copy(Tensor from, Tensor to);

    /** A new stream. */
    CudaStream newStream();

    /** A caller's stream. */
    CudaStream wrapStream(long handle);

    /**
     * Starts a call on a stream and returns: it may be captured, once a call of its kind has run. Scratch memory is taken
     * and given back in the order of the stream.
     *
     * @param request its tensors on the GPU
     * @throws io.sage4j.SageException if the backend cannot run it, with the reason, before anything was started
     */
    void enqueue(AttentionRequest request, CudaStream stream);

    /**
     * Starts calls that do not depend on each other, side by side where the GPU has room, and returns; what the stream gets later
     * waits for all of them. On a stream that is being captured they come one behind the other.
     *
     * @param requests their tensors on the GPU
     * @throws io.sage4j.SageException if the backend cannot run one of them, with the reason, before anything was started
     */
    void enqueue(List<AttentionRequest> requests, CudaStream stream);

    /**
     * Starts sequences that lie behind each other with one launch of each kernel for all of them, and returns, if there are kernels for that.
     *
     * @return whether it did; else nothing was started, and they are calls of their own
     * @throws io.sage4j.SageException if the backend cannot run it, with the reason, before anything was started
     */
    boolean enqueue(PackedRequest request, CudaStream stream);

    /**
     * Lays a call out to be started again and again.
     *
     * @param request its tensors on the GPU
     * @param graph whether a start replays a CUDA graph
     * @throws io.sage4j.SageException if the backend cannot run it, with the reason
     */
    Prepared prepare(AttentionRequest request, CudaStream stream, boolean graph);

    /** A call that is laid out: checked, compiled, with scratch memory of its own. */
    interface Prepared extends AutoCloseable {
        /** Starts it on its stream and returns. */
        void enqueue();

        /**
         * Starts it some times, one run behind the other, and waits.
         *
         * @return time that the GPU took for each run, in nanoseconds
         */
        long[] time(int runs);

        /**
         * How many channels of V the last run found too heavy-tailed for FP16 sums, after waiting for its stream: 0 before
         * the first run, -1 if it does not look.
         */
        long heavyVChannels();

        /** Scratch memory that it holds, in bytes. */
        long scratchBytes();

        /** Gives its memory back, in the order of its stream. Closing twice is harmless. */
        @Override
        void close();
    }
}
