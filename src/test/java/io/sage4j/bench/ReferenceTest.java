package io.sage4j.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.AttentionResult;
import io.sage4j.AttentionSpec;
import io.sage4j.AttentionSpec.Causal;
import io.sage4j.DType;
import io.sage4j.Layout;
import io.sage4j.Sage;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.backend.Backends;
import io.sage4j.oracle.Metrics;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** An unquantized kernel and the reference must agree whatever the spec says: else one of them reads it wrongly. */
class ReferenceTest {
    private static Sage sage;

    @BeforeAll
    static void open() {
        sage = Sage.open(Backends.javaKernels());
    }

    @AfterAll
    static void close() {
        sage.close();
    }

    private static Tensor random(long... shape) {
        Random random = new Random(shape[1] * 31 + shape[2]);
        float[] values = new float[(int) (shape[0] * shape[1] * shape[2] * shape[3])];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.of(values, shape);
    }

    static Stream<UnaryOperator<AttentionSpec.Builder>> specs() {
        byte[] bits = new byte[4 * 9 * 13];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = (byte) (i % 3 == 0 ? 0 : 1);
        }
        Tensor bool = Tensor.of(MemorySegment.ofArray(bits), DType.BOOL, 1, 4, 9, 13);
        return Stream.of(
                b -> b,
                b -> b.causal(Causal.TOP_LEFT),
                b -> b.causal(Causal.BOTTOM_RIGHT),
                b -> b.smScale(0.7),
                b -> b.mask(bool),
                b -> b.mask(random(2, 1, 9, 13)),
                b -> b.mask(random(1, 4, 1, 13)).causal(Causal.TOP_LEFT),
                b -> b.mask(random(1, 1, 9, 1)));
    }

    @ParameterizedTest
    @MethodSource("specs")
    void agreesWithAnUnquantizedKernel(UnaryOperator<AttentionSpec.Builder> choices) {
        Tensor q = random(2, 4, 9, 16);
        Tensor k = random(2, 2, 13, 16);
        Tensor v = random(2, 2, 13, 16);
        AttentionSpec hnd =
                choices.apply(AttentionSpec.builder().variant(Variant.FLASH)).build();
        assertNear(q, k, v, hnd);
        AttentionSpec nhd = choices.apply(
                        AttentionSpec.builder().variant(Variant.FLASH).layout(Layout.NHD))
                .build();
        assertNear(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), nhd);
    }

    private static void assertNear(Tensor q, Tensor k, Tensor v, AttentionSpec spec) {
        AttentionResult result = sage.attend(q, k, v, spec);
        Reference all = Reference.of(q, k, v, spec, Reference.DEFAULT_BUDGET);
        assertThat(all.isSampled()).isFalse();
        assertThat(all.rows()).isEqualTo(2 * 4 * 9);
        assertThat(all.measure(result.output()).isWithin(0.999999, 1e-5)).isTrue();
        Reference some = Reference.of(q, k, v, spec, 0);
        assertThat(some.isSampled()).isTrue();
        assertThat(some.rows()).isBetween(30L, 64L);
        assertThat(some.measure(result.output()).isWithin(0.999999, 1e-5)).isTrue();
    }

    @Test
    void aWrongOutputIsFarOff() {
        Tensor q = random(1, 2, 5, 8);
        Metrics metrics = Reference.of(q, q, q, AttentionSpec.defaults(), Reference.DEFAULT_BUDGET)
                .measure(q);
        assertThat(metrics.isWithin(0.999, 0.01)).isFalse();
    }
}
