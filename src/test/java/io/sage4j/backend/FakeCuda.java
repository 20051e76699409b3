package io.sage4j.backend;

import io.sage4j.cuda.FakeDriver;
import java.nio.file.Path;
import java.util.Optional;

/** Backend cuda on a driver without a GPU: kernels are generated, "compiled" and launched, but nothing is computed. */
public final class FakeCuda {
    private FakeCuda() {}

    /** The backend, as if it had been asked for by name; compiled kernels go to a folder, or nowhere if it is null. */
    public static Backends.Choice choice(FakeDriver driver, Path folder) {
        return new Backends.Choice(
                new CudaBackend(
                        driver.search().driver().orElseThrow(), 0, new KernelStore(Optional.ofNullable(folder))),
                "asked for by name");
    }
}
