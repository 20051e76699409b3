package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.SageException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The lines that go from a JVM with TornadoVM over the launcher to {@code sage4j devices}. */
class TornadoDevicesTest {
    @Test
    void whatThisJvmPrintsIsRead() {
        TornadoDevices.Found found = TornadoDevices.parse(String.join("\n", TornadoDevices.here()));
        assertThat(found.missing()).isEmpty();
        assertThat(found.devices()).isNotEmpty().allSatisfy(d -> {
            assertThat(d.backend()).matches("tornado:[a-z]+:\\d+");
            assertThat(d.name()).isNotBlank();
            assertThat(d.memoryBytes()).isPositive();
            assertThat(d.localBytes()).isPositive();
            assertThat(d.profile()).isNotBlank();
        });
    }

    @Test
    void missingOnes() {
        TornadoDevices.Found found = TornadoDevices.parse("none\tptx\tno driver\nnone\tcuda\ta\tb");
        assertThat(found.devices()).isEmpty();
        assertThat(found.missing())
                .containsExactly(
                        new TornadoDevices.Missing("tornado:ptx", "no driver"),
                        new TornadoDevices.Missing("tornado:cuda", "a b"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"x", "device\topencl\t0", "device\topencl\t0\tn\tCPU\tmuch\t1\tgeneric", "none\tptx"})
    void otherLines(String line) {
        assertThatThrownBy(() -> TornadoDevices.parse(line))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("SAGE4J_TORNADO_DEVICES");
    }
}
