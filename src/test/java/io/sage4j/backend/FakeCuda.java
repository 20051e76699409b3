package io.sage4j.backend;

import io.sage4j.cuda.FakeDriver;
import java.nio.file.Path;
import java.util.Optional;

/** Backend cuda on a driver without a GPU: kernels are generated, "compiled" and launched, but nothing is computed. */
public final class FakeCuda {
    private FakeCuda() {}

    /** The backend, as if it had been asked for by name; compiled kernels go to a folder, or nowhere if it is null. */
    public static Backends.Choice choice(FakeDriver driver, Path folder) {
        return choice(driver, 0, folder);
    }

    /** The same on another of the driver's GPUs. */
    public static Backends.Choice choice(FakeDriver driver, int gpu, Path folder) {
        return new Backends.Choice(
                new CudaBackend(
                        driver.search().driver().orElseThrow(), gpu, new KernelStore(Optional.ofNullable(folder))),
                "asked for by name");
    }
}
