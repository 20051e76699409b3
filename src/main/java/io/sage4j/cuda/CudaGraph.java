package io.sage4j.cuda;

/**
 * Work that was captured from a stream, ready to be launched again and again. What it uses (memory, modules) must stay
 * open as long as it is launched.
 */
public final class CudaGraph extends Handle {
    CudaGraph(CudaContext context, long raw) {
        super(context, "a graph", raw);
    }

    /** Asks the stream to do the work once more. */
    public void launch(CudaStream stream) {
        long handle = use();
        context()
                .call(
                        DriverFunction.GRAPH_LAUNCH,
                        "launching a graph",
                        handle,
                        given(stream, "stream").useIn(context()));
    }

    @Override
    void free(long handle) {
        context().call(DriverFunction.GRAPH_EXEC_DESTROY, "closing a graph", handle);
    }
}
