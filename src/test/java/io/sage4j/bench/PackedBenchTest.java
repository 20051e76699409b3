package io.sage4j.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.AttentionSpec;
import io.sage4j.SageException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the benchmark of packed sequences is told; it runs on a GPU only (scripts/packed-time.py). */
class PackedBenchTest {
    @Test
    void aCallHasLengthsOfQueriesAndKeys() {
        PackedBench.Call call = PackedBench.Call.of("32/8/128/bottom-right/20/512x2,1:4096,7:9x2");
        assertThat(call.heads()).isEqualTo(32);
        assertThat(call.kvHeads()).isEqualTo(8);
        assertThat(call.dim()).isEqualTo(128);
        assertThat(call.causal()).isEqualTo(AttentionSpec.Causal.BOTTOM_RIGHT);
        assertThat(call.runs()).isEqualTo(20);
        assertThat(call.q()).containsExactly(512, 512, 1, 7, 7);
        assertThat(call.k()).containsExactly(512, 512, 4096, 9, 9);
        assertThat(call.isUniform()).isFalse();
        assertThat(PackedBench.Call.of("1/1/64/none/20/1:30x3").isUniform()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "1/1/64/none/20",
                "1/1/64/left/20/5",
                "1/1/64/none/20/5y",
                "1/1/64/none/20/5,",
                "a/1/64/none/20/5"
            })
    void whatIsNoCallIsRefused(String text) {
        assertThatThrownBy(() -> PackedBench.Call.of(text))
                .isInstanceOf(SageException.class)
                .hasMessageContaining(text)
                .hasMessageContaining("expected HEADS/KV_HEADS");
    }

    @Test
    void aVariantAndACallAreWanted() {
        assertThatThrownBy(() -> PackedBench.run(new String[] {"int8-fp8-sm90"}, System.out))
                .hasMessageContaining("expected VARIANT CALL");
    }
}
