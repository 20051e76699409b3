package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** Messages as TornadoVM 5.2.0 throws them. */
class FailureLineTest {
    private static final String RED = "\u001b[31m";
    private static final String END = "\u001b[0m";

    @Test
    void bailout() {
        String thrown = RED + "Bailout is disabled. \nReason: " + RED
                + "Unable to compile task sage4j.smooth-k - mean\nThe internal error is: " + RED
                + "Error during code compilation with the OpenCL driver" + END
                + "\nStacktrace: [tornado.drivers.opencl@5.2.0/x.y(Z.java:613), a.b(C.java:1)]" + END + END;
        assertThat(FailureLine.of(new RuntimeException(thrown)))
                .isEqualTo("Unable to compile task sage4j.smooth-k - mean: "
                        + "Error during code compilation with the OpenCL driver");
    }

    @Test
    void plainMessagesStay() {
        assertThat(FailureLine.of(new RuntimeException("no device"))).isEqualTo("no device");
    }

    @Test
    void noMessage() {
        assertThat(FailureLine.of(new IllegalStateException())).isEqualTo("IllegalStateException");
        assertThat(FailureLine.of(new IllegalStateException(RED + END))).isEqualTo("IllegalStateException");
    }

    @Test
    void causeOnce() {
        assertThat(FailureLine.of(new RuntimeException("plan failed", new IllegalStateException("out of\nregisters"))))
                .isEqualTo("plan failed: out of registers");
        assertThat(FailureLine.of(new RuntimeException(new IllegalStateException("deep"))))
                .isEqualTo("java.lang.IllegalStateException: deep");
    }
}
