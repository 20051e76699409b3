package io.sage4j.jmh;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.AttentionSpec;
import java.util.Collection;
import org.junit.jupiter.api.Test;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.VerboseMode;

/** Every benchmark runs, once and in this JVM; its figures mean nothing here. */
class BenchmarksTest {
    @Test
    void attendRunsAndItsOutputHolds() throws RunnerException {
        Collection<RunResult> results = run(once(AttendBenchmark.class)
                .param("variant", "flash", "int8-fp8-f16acc")
                .param("tokens", "70")
                .param("causal", "NONE", "BOTTOM_RIGHT"));
        assertThat(results).hasSize(4);
    }

    @Test
    void aBackendThatIsNotThereFailsTheTrial() {
        assertThatThrownBy(() -> run(once(AttendBenchmark.class)
                        .param("variant", "flash")
                        .param("tokens", "70")
                        .param("backend", "abacus")))
                .isInstanceOf(RunnerException.class)
                .hasStackTraceContaining("unknown backend 'abacus'");
    }

    @Test
    void anOutputThatIsWrongFailsTheTrial() {
        AttendBenchmark benchmark = new AttendBenchmark();
        benchmark.backend = "auto";
        benchmark.variant = "flash";
        benchmark.heads = 1;
        benchmark.tokens = 8;
        benchmark.headDim = 16;
        benchmark.causal = AttentionSpec.Causal.NONE;
        benchmark.open();
        assertThatThrownBy(benchmark::closeAndCheck)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("is wrong");
    }

    @Test
    void everyKernelIsEmitted() throws RunnerException {
        Collection<RunResult> results = run(once(EmitBenchmark.class));
        assertThat(results)
                .hasSize(4)
                .allSatisfy(r -> assertThat(r.getPrimaryResult().getScore()).isPositive());
    }

    private static ChainedOptionsBuilder once(Class<?> benchmark) {
        return new OptionsBuilder()
                .include(benchmark.getName() + "\\.")
                .mode(Mode.SingleShotTime)
                .forks(0)
                .warmupIterations(0)
                .measurementIterations(1)
                .shouldFailOnError(true)
                .verbosity(VerboseMode.SILENT);
    }

    private static Collection<RunResult> run(ChainedOptionsBuilder options) throws RunnerException {
        return new Runner(options.build()).run();
    }
}
