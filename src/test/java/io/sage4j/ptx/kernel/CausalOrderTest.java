package io.sage4j.ptx.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CausalOrderTest {
    private static final long CACHE = 32L << 20;

    /** By hand: lengths 2, 1 of each head; two CTAs. One head at a time, a CTA gets all long tiles; two, they take turns. */
    @Test
    void balanceOfASmallCase() {
        CausalOrder order = new CausalOrder(2, 128, 256, 256, 0, 2);
        assertThat(order.balance(1)).isCloseTo((2.7 + 1.7) / (2 * 2.7), within(1e-12));
        assertThat(order.balance(2)).isCloseTo(1, within(1e-12));
        assertThat(order.headGroup(1, 2)).isEqualTo(2);
        assertThat(order.headGroup(1, 1)).isEqualTo(1);
    }

    /** The dips that an H100 showed (docs/hopper-kernel.md): groups of 8 and 16 heads at 1K, of 8 at 2K. */
    @ParameterizedTest
    @CsvSource({"1024, 8, 0.72", "1024, 16, 0.65", "2048, 8, 0.70"})
    void badGroupsAreSeenAsBad(int length, int group, double most) {
        CausalOrder order = new CausalOrder(128, 128, length, length, 0, 132);
        assertThat(order.balance(group)).isLessThan(most);
        assertThat(order.balance(order.headGroup(2L * length * 128, CACHE))).isGreaterThan(0.96);
    }

    @ParameterizedTest
    @CsvSource({"1, 1, 1, 0", "128, 1000, 1000, 0", "7, 5000, 300, -4700", "3, 1, 40000, 39999", "33, 300, 300, -400"})
    void theGroupIsOneThatThereIs(int heads, int qoLen, int kvLen, int diagonal) {
        CausalOrder order = new CausalOrder(heads, 192, qoLen, kvLen, diagonal, 132);
        int group = order.headGroup(128L * kvLen, CACHE);
        assertThat(group).isBetween(1, heads);
        assertThat(order.balance(group)).isBetween(0.0, 1.0);
    }

    @Test
    void aHeadPastTheCacheStillGoes() {
        assertThat(new CausalOrder(4, 128, 1 << 20, 1 << 20, 0, 132).headGroup(1L << 40, CACHE))
                .isEqualTo(1);
    }

    @Test
    void sizesOfZeroAreRefused() {
        assertThatThrownBy(() -> new CausalOrder(1, 128, 0, 1, 0, 132)).hasMessageContaining("qo_len 0");
    }
}
