package io.sage4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.Variant;
import io.sage4j.plan.TornadoApi;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIfEnvironmentVariable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** On a plain JVM; TornadoProcessTest has it on a TornadoVM SDK. */
@DisabledIfEnvironmentVariable(named = "TORNADOVM_HOME", matches = ".+", disabledReason = "backend jvm is not there")
class ExplainCommandTest {
    @Test
    void javaOfAKernel() {
        String out = CliRun.of("explain", "smooth-k").succeeds().out();
        assertThat(out)
                .startsWith("// Java, src/main/java/io/sage4j/kernel/TokenMeans.java")
                .contains(
                        "\n/**\n * Kernel: means.\n",
                        "\npublic static void mean(\n",
                        "    float[] tree = new float[LANES];\n")
                .contains("\n}\n\n// Backend jvm runs the class file")
                .doesNotContain("private TokenMeans");
    }

    /** docs/one-kernel.md shows the kernel as it is. */
    @Test
    void thePageOfOneKernelShowsItsJava() throws IOException {
        String out = CliRun.of("explain", "delta-s", "--variant", "int4-fp8")
                .succeeds()
                .out();
        String java = out.substring(out.indexOf("public static void deltaS("), out.indexOf("\n}\n") + 2);
        assertThat(Files.readString(Path.of("docs/one-kernel.md"))).contains("```java\n" + java + "\n```");
    }

    @Test
    void everyStepOfEveryVariantHasASource() {
        for (Variant variant : Variant.all()) {
            List<String> lines = CliRun.of("explain", "--variant", variant.name())
                    .succeeds()
                    .out()
                    .lines()
                    .toList();
            assertThat(lines).hasSizeGreaterThan(3);
            for (String line : lines.subList(1, lines.size())) {
                String step = line.split(" ")[0];
                String method = line.replaceAll(".*\\.(\\w+) +src/.*", "$1");
                assertThat(CliRun.of("explain", step, "--variant", variant.name())
                                .succeeds()
                                .out())
                        .as("%s %s", variant.name(), step)
                        .contains("public static void " + method + "(");
            }
        }
    }

    @Test
    void theNativeKernelIsExplainedByWhatBoundsIt() {
        String predicted = CliRun.of("throughput", "--pipes").succeeds().out();
        assertThat(predicted).contains("RTX 4090", "cycles of a tile");
        assertThat(CliRun.of("explain", "mma-attention").succeeds().out()).isEqualTo(predicted);
        CliRun.of("explain", "mma-attention", "--head-dim", "64").refuses("--head-dim does not go with mma-attention");
    }

    @Test
    void unknownKernel() {
        CliRun.of("explain", "foo").refuses("has no kernel 'foo', expected one of smooth-k, v-scale");
    }

    @ParameterizedTest
    @ValueSource(strings = {"tornado", "tornado:ptx"})
    void tornadoNeedsItsModules(String backend) {
        assertThat(TornadoApi.isReal()).isFalse();
        CliRun.of("explain", "smooth-k", "--backend", backend)
                .refuses("expected jvm, or with TORNADOVM_HOME and ./sage4j");
    }

    @Test
    void otherBackends() {
        CliRun.of("explain", "smooth-k", "--backend", "tornad0").refuses("--backend is 'tornad0'");
        CliRun.of("explain", "smooth-k", "--backend", "cuda").refuses("--backend is 'cuda'");
    }
}
