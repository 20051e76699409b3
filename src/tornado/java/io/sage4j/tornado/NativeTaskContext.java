package io.sage4j.tornado;

import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaDevice;
import io.sage4j.cuda.CudaFunction;
import io.sage4j.cuda.CudaStream;
import io.sage4j.cuda.JitOptions;
import io.sage4j.cuda.LaunchShape;
import io.sage4j.cuda.PreparedLaunch;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.PtxModule;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import uk.ac.manchester.tornado.runtime.library.spi.LibraryContext;

/** The native tasks of one execution plan: TornadoVM's context and stream, and the kernels compiled so far. */
final class NativeTaskContext implements LibraryContext, AutoCloseable {
    private final CudaContext context;
    private final CudaStream stream;
    /** By identity: a kernel is a long list of instructions. */
    private final Map<Kernel, CudaFunction> compiled = new IdentityHashMap<>();

    /**
     * @param handle TornadoVM's CUcontext
     * @param streamHandle TornadoVM's CUstream
     */
    NativeTaskContext(CudaDevice device, long handle, long streamHandle) {
        context = device.wrapContext(handle);
        stream = context.wrapStream(streamHandle);
    }

    /** Compiles the kernel of a task, if that has not been done. */
    void prepare(NativeTask task) {
        function(task);
    }

    private CudaFunction function(NativeTask task) {
        CudaFunction known = compiled.get(task.kernel());
        if (known != null) {
            return known;
        }
        Kernel kernel = task.kernel();
        CudaFunction made = context.load(PtxModule.of(task.arch(), kernel).text(), JitOptions.DEFAULT)
                .function(kernel.name());
        if (kernel.dynamicSharedBytes() > 0) {
            made.allowDynamicShared(kernel.dynamicSharedBytes());
        }
        compiled.put(kernel, made);
        return made;
    }

    /** @param arguments one Integer, Long or Float a parameter */
    void launch(NativeTask task, List<Object> arguments) {
        LaunchShape shape = LaunchShape.of(
                        new LaunchShape.Extent(task.gridX(), task.gridY(), task.gridZ()),
                        LaunchShape.Extent.of(task.kernel().maxThreads()))
                .withSharedBytes(task.kernel().dynamicSharedBytes());
        stream.launch(new PreparedLaunch(function(task), shape, arguments));
    }

    @Override
    public void close() {
        context.close();
    }
}
