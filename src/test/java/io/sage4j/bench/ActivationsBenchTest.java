package io.sage4j.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.Sage;
import io.sage4j.Variant;
import io.sage4j.backend.Backends;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What sage4j promises on real activations. */
class ActivationsBenchTest {
    private static Sage sage;
    private static ActivationsBench bench;

    @BeforeAll
    static void open() {
        sage = Sage.open(Backends.javaKernels());
        bench = ActivationsBench.load();
    }

    @AfterAll
    static void close() {
        sage.close();
    }

    @Test
    void int8Fp8WithFp16SumsIsAccurateInEveryLayer() {
        AtomicInteger runs = new AtomicInteger();
        Measurement found = bench.run(sage, Variant.INT8_FP8_F16ACC, runs::incrementAndGet);
        assertThat(found.accuracy()).hasSize(6).hasSize(runs.get()).hasSize(bench.layers());
        assertThat(found.worstCosine()).isGreaterThanOrEqualTo(0.9996);
        assertThat(found.worstRelativeL1()).isLessThanOrEqualTo(0.023);
    }

    @Test
    void int8Fp16IsMoreAccurate() {
        Measurement found = bench.run(sage, Variant.INT8_FP16, () -> {});
        assertThat(found.worstCosine()).isGreaterThanOrEqualTo(0.9999);
        assertThat(found.worstRelativeL1()).isLessThanOrEqualTo(0.0105);
    }

    @Test
    void aLargeChannelBiasOfKHurtsOnlyWithoutSmoothing() {
        List<Measurement> found = bench.smoothK(sage, Variant.INT8_FP8_F16ACC, () -> {});
        assertThat(found).hasSize(4);
        double rough = found.get(2).worstRelativeL1();
        double smooth = found.get(3).worstRelativeL1();
        assertThat(found.get(2).scheme()).doesNotContain("smooth K");
        assertThat(found.get(3).scheme()).contains("smooth K");
        assertThat(rough).isGreaterThan(2.5 * smooth);
        assertThat(smooth).isLessThan(1.1 * found.get(1).worstRelativeL1());
    }
}
