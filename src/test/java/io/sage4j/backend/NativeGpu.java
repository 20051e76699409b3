package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sage4j.Sage;

/** What the tests of the native kernels on a GPU need. */
final class NativeGpu {
    /** Environment variable with which a missing GPU is a failure. */
    private static final String REQUIRE = "SAGE4J_REQUIRE_CUDA";

    private NativeGpu() {}

    /** Skips the tests where there is no GPU, or fails them if the environment asks for one. */
    static void orSkip() {
        boolean available = Sage.backends().stream().anyMatch(b -> b.name().equals(Backends.CUDA) && b.available());
        if (System.getenv(REQUIRE) != null) {
            assertThat(available)
                    .as("a GPU, as %s asks: %s", REQUIRE, Sage.backends())
                    .isTrue();
        }
        assumeTrue(available, "no GPU");
    }
}
