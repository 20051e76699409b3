package io.sage4j.tornadojvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.AttentionSpec;
import io.sage4j.AttentionSpec.Causal;
import io.sage4j.Sage;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The kernels of sage4j under the race check: no race, no unwritten local memory read, and the same numbers. */
class CheckedKernelsTest {
    private static final int Q_ROWS = 70;
    private static final int KEYS = 90;
    private static final int DIM = 40;

    static Iterable<Variant> variants() {
        return Variant.all();
    }

    @AfterEach
    void switchOff() {
        TornadoJvm.setChecking(false);
    }

    @ParameterizedTest
    @MethodSource("variants")
    void kernelsPassTheRaceCheck(Variant variant) {
        long seed = new Random().nextLong();
        Random random = new Random(seed);
        Tensor q = Tensor.of(normal(random, 2 * Q_ROWS * DIM), 1, 2, Q_ROWS, DIM);
        Tensor k = Tensor.of(normal(random, KEYS * DIM), 1, 1, KEYS, DIM);
        Tensor v = Tensor.of(normal(random, KEYS * DIM), 1, 1, KEYS, DIM);
        AttentionSpec spec = AttentionSpec.builder()
                .variant(variant)
                .causal(Causal.BOTTOM_RIGHT)
                .lse(true)
                .build();
        float[] plain = attend(q, k, v, spec);
        TornadoJvm.setChecking(true);
        assertThat(attend(q, k, v, spec)).as("%s seed %d", variant.name(), seed).containsExactly(plain);
    }

    private static float[] attend(Tensor q, Tensor k, Tensor v, AttentionSpec spec) {
        try (Sage sage = Sage.open("jvm")) {
            return sage.attend(q, k, v, spec).output().toFloatArray();
        }
    }

    private static float[] normal(Random random, int length) {
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    @Test
    void thePropertyIsTrueOrFalse() {
        assertThat(TornadoJvm.isTrue("true")).isTrue();
        assertThat(TornadoJvm.isTrue("false")).isFalse();
        for (String other : new String[] {"maybe", "", "TRUE"}) {
            assertThatThrownBy(() -> TornadoJvm.isTrue(other))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("-Dsage4j.tornadojvm.check is '" + other + "', expected true or false");
        }
    }
}
