package io.sage4j.ptx.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sage4j.ptx.kernel.CausalOrder.Choice;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CausalOrderTest {
    private static final long CACHE = 32L << 20;

    private static CausalOrder order(
            int heads, int warpgroups, int qoLen, int kvLen, int diagonal, int ctas, long codeBytes, long cacheBytes) {
        WorkPlan.Call call =
                new WorkPlan.Call(heads, qoLen, kvLen, true, diagonal, warpgroups, ctas, codeBytes, cacheBytes, false);
        return new CausalOrder(call, Math.ceilDiv(qoLen, call.rows()));
    }

    /** By hand: lengths 2, 1 of each head; two CTAs. One head at a time, a CTA gets all long tiles; two, or in turns, each gets both. */
    @Test
    void balanceOfASmallCase() {
        CausalOrder order = order(2, 2, 256, 256, 0, 2, 1, 2);
        assertThat(order.balance(new Choice(1, false))).isCloseTo((2.7 + 1.7) / (2 * 2.7), within(1e-12));
        assertThat(order.balance(new Choice(2, false))).isCloseTo(1, within(1e-12));
        assertThat(order.balance(new Choice(1, true))).isCloseTo(1, within(1e-12));
        assertThat(order.choose()).isEqualTo(new Choice(2, false));
        assertThat(order(2, 2, 256, 256, 0, 2, 1, 1).choose()).isEqualTo(new Choice(1, true));
    }

    /** The dips that an H100 showed (docs/hopper-kernel.md): groups of 8 and 16 heads at 1K, of 8 at 2K. */
    @ParameterizedTest
    @CsvSource({"1024, 8, 0.72", "1024, 16, 0.65", "2048, 8, 0.70"})
    void badGroupsAreSeenAsBad(int length, int group, double most) {
        CausalOrder order = order(128, 2, length, length, 0, 132, 2L * length * 128, CACHE);
        assertThat(order.balance(new Choice(group, false))).isLessThan(most);
        assertThat(order.balance(order.choose())).isGreaterThan(0.96);
    }

    /** Heads that go into the CTAs badly, and whose work tiles are few: without turns some CTAs get the longer ones in each round. */
    @ParameterizedTest
    @CsvSource({"8, 4096, 0.68", "32, 4096, 0.90", "32, 2048, 0.84"})
    void turnsEvenOut(int heads, int length, double without) {
        CausalOrder order = order(heads, 2, length, length, 0, 132, 2L * length * 128, CACHE);
        Choice choice = order.choose();
        assertThat(choice.turns()).isTrue();
        assertThat(order.balance(choice)).isGreaterThan(0.96);
        for (int group = 1; group <= heads; group *= 2) {
            assertThat(order.balance(new Choice(group, false))).isLessThan(without);
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 1, 1, 0", "128, 1000, 1000, 0", "7, 5000, 300, -4700", "3, 1, 40000, 39999", "33, 300, 300, -400"})
    void theGroupIsOneThatThereIs(int heads, int qoLen, int kvLen, int diagonal) {
        CausalOrder order = order(heads, 3, qoLen, kvLen, diagonal, 132, 128L * kvLen, CACHE);
        Choice choice = order.choose();
        assertThat(choice.headGroup()).isBetween(1, heads);
        assertThat(order.balance(choice)).isBetween(0.0, 1.0);
    }

    @Test
    void aHeadPastTheCacheStillGoes() {
        assertThat(order(4, 2, 1 << 20, 1 << 20, 0, 132, 1L << 40, CACHE)
                        .choose()
                        .headGroup())
                .isEqualTo(1);
    }
}
