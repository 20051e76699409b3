package io.sage4j;

import io.sage4j.backend.FakeCuda;
import io.sage4j.cuda.FakeDriver;

/** Sage on a driver without a GPU. */
public final class FakeSage {
    private FakeSage() {}

    /** Opens it; compiled kernels are not kept. */
    public static Sage open(FakeDriver driver) {
        return new Sage(FakeCuda.named(driver, null));
    }

    /** Backend auto of a machine with that driver. */
    static Sage auto(FakeDriver driver) {
        return new Sage(FakeCuda.auto(driver));
    }
}
