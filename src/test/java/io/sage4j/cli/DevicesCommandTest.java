package io.sage4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sage4j.Sage;
import io.sage4j.cuda.DriverSearch;
import io.sage4j.cuda.FakeDriver;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What the devices command says of GPUs and of the cuda backend, with and without a driver. */
class DevicesCommandTest {
    @Test
    void gpusOfADriver() {
        try (FakeDriver fake = new FakeDriver()) {
            DevicesCommand.Gpus gpus = DevicesCommand.Gpus.of(fake.search());
            assertThat(gpus.driver()).contains("13.1");
            assertThat(gpus.gpus()).hasSize(2);
            assertThat(gpus.problem()).isEmpty();
            assertThat(printed(gpus).lines().map(line -> line.strip().replaceAll(" {2,}", "|")))
                    .containsExactly(
                            "",
                            "backend|name|compute|SMs|memory GiB|L2 MiB|shared KiB a block|CUDA",
                            "cuda:0|Fake GPU 0|9.0|132|80.0|50.0|227|13.1",
                            "cuda:1|Fake GPU 1|9.0|132|80.0|50.0|227|13.1");
        }
    }

    @Test
    void driverThatDoesNotStart() {
        try (FakeDriver fake = new FakeDriver()) {
            fake.fail("cuInit", 100);
            DevicesCommand.Gpus gpus = DevicesCommand.Gpus.of(fake.search());
            assertThat(gpus.driver()).contains("13.1");
            assertThat(gpus.gpus()).isEmpty();
            assertThat(printed(gpus))
                    .contains("no GPU: initialising the driver failed: cuInit: CUDA_ERROR_NO_DEVICE (100)");
        }
    }

    @Test
    void noDriverIsSaidOnce() {
        DriverSearch none = new DriverSearch(Optional.empty(), Optional.of("no CUDA driver (libcuda.so.1 not found)"));
        DevicesCommand.Gpus gpus = DevicesCommand.Gpus.of(none);
        assertThat(gpus.problem()).isEqualTo(none.reason());
        assertThat(printed(gpus)).as("the backends' table says it").isEmpty();
    }

    @Test
    void saysWhichBackendsOfTornadoVmLackOperations() {
        assertThat(CliRun.of("devices").succeeds().out())
                .contains("tornado:opencl has no operations for mma-fp16, mma-fp8")
                .contains("tornado:ptx has no operations for mma-fp8")
                .doesNotContain("tornado:cuda has no");
    }

    @Test
    void saysWhatAutoTakes() {
        Sage.Backend cuda = new Sage.Backend("cuda", true, "a GPU");
        Sage.Backend tornado = new Sage.Backend("tornado", false, "TORNADOVM_HOME is not set");
        Sage.Backend jvm = new Sage.Backend("jvm", true, "2 cores");
        assertThat(DevicesCommand.auto(List.of(cuda, tornado, jvm)))
                .isEqualTo(
                        "auto: a call runs on the first of cuda, jvm that takes it; its result says on which, and why"
                                + " not on one before");
        assertThat(DevicesCommand.auto(List.of(tornado, jvm))).isEqualTo("auto: every call runs on jvm");
        assertThat(DevicesCommand.auto(List.of(tornado))).isEqualTo("auto: nothing can run here");
        assertThat(CliRun.of("devices").succeeds().out()).contains(DevicesCommand.auto(Sage.backends()));
    }

    @Test
    void cudaBackendSaysWhyNot() {
        // Where there is a driver the GPU decides, which this test does not know.
        String expected = DriverSearch.here().reason().orElse("");
        assumeTrue(!expected.isEmpty(), "there is a CUDA driver");
        assertThat(Sage.backends())
                .filteredOn(b -> b.name().equals("cuda"))
                .singleElement()
                .satisfies(b -> {
                    assertThat(b.available()).isFalse();
                    assertThat(b.detail()).contains(expected);
                });
    }

    private static String printed(DevicesCommand.Gpus gpus) {
        StringWriter text = new StringWriter();
        gpus.print(new PrintWriter(text, true));
        return text.toString();
    }
}
