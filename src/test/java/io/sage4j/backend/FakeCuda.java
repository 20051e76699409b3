package io.sage4j.backend;

import io.sage4j.cuda.DriverSearch;
import io.sage4j.cuda.FakeDriver;
import java.nio.file.Path;
import java.util.Optional;

/** Backend cuda on a driver without a GPU: kernels are generated, "compiled" and launched, but nothing is computed. */
public final class FakeCuda {
    private FakeCuda() {}

    /** The backend, asked for by name; compiled kernels go to a folder, or nowhere if it is null. */
    public static Selection named(FakeDriver driver, Path folder) {
        return named(driver, 0, folder);
    }

    /** The same on another of the driver's GPUs. */
    public static Selection named(FakeDriver driver, int gpu, Path folder) {
        return Selection.named(backend(driver, gpu, folder));
    }

    /** Backend auto of a machine with that driver. */
    public static Selection auto(FakeDriver driver) {
        return auto(driver.search());
    }

    /** The same with what the search for a driver gave. */
    public static Selection auto(DriverSearch search) {
        return Backends.auto(Backends.candidates(search, new KernelStore(Optional.empty())));
    }

    static CudaBackend backend(FakeDriver driver, int gpu, Path folder) {
        return new CudaBackend(
                driver.search().driver().orElseThrow(), gpu, new KernelStore(Optional.ofNullable(folder)));
    }
}
