package io.sage4j.tornado;

import io.sage4j.SageException;
import io.sage4j.cuda.DriverSearch;
import java.util.ArrayList;
import java.util.List;
import uk.ac.manchester.tornado.api.common.LibraryTaskDescriptor;
import uk.ac.manchester.tornado.runtime.common.TornadoXPUDevice;
import uk.ac.manchester.tornado.runtime.library.spi.LibraryContext;
import uk.ac.manchester.tornado.runtime.library.spi.LibraryInvocation;
import uk.ac.manchester.tornado.runtime.library.spi.TornadoLibraryProvider;
import uk.ac.manchester.tornado.runtime.library.spi.TornadoNativeStreamSupport;

/**
 * Runs {@link NativeTask}s for TornadoVM: in its context, on the stream of the execution plan, with the addresses of its
 * buffers, so that Java-compiled and native kernels of one task graph follow each other without a copy. Kernels are compiled
 * before the first launch, hence before a capture as a CUDA graph. TornadoVM finds it through META-INF/services.
 */
public final class NativeLibraryProvider implements TornadoLibraryProvider {
    @Override
    public String libraryName() {
        return NativeTask.LIBRARY;
    }

    @Override
    public boolean canHandle(TornadoXPUDevice device) {
        return device instanceof TornadoNativeStreamSupport;
    }

    @Override
    public LibraryContext createContext(TornadoXPUDevice device, long executionPlanId) {
        TornadoNativeStreamSupport raw = (TornadoNativeStreamSupport) device;
        DriverSearch search = DriverSearch.here();
        return new NativeTaskContext(
                search.driver()
                        .orElseThrow(() -> new SageException(
                                "native tasks cannot run: " + search.reason().orElse("no CUDA driver")))
                        .device(device.getDeviceContext().getDeviceIndex()),
                raw.getNativeContext(executionPlanId),
                raw.getNativeStream(executionPlanId));
    }

    @Override
    public void prepare(LibraryTaskDescriptor descriptor, LibraryContext context) {
        ((NativeTaskContext) context).prepare((NativeTask) descriptor.getTuning());
    }

    @Override
    public void dispatch(String functionName, LibraryInvocation call) {
        List<Object> arguments = new ArrayList<>();
        for (int n = 0; n < call.getNumArgs(); n++) {
            arguments.add(call.isReference(n) ? (Object) call.getDevicePointer(n) : call.getArg(n));
        }
        ((NativeTaskContext) call.getContext()).launch((NativeTask) call.getTuning(), arguments);
    }

    @Override
    public void destroyContext(LibraryContext context) {
        ((NativeTaskContext) context).close();
    }
}
