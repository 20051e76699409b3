package io.sage4j.numeric;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.sage4j.Variant;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class SchemeTest {
    private static final Scheme FP8 = Variant.INT8_FP8_F16ACC.scheme();
    private static final Scheme HOPPER = Variant.of("int8-fp8-sm90-f16acc").scheme();

    @ParameterizedTest
    @CsvSource({"448, 2.25", "224, 4.5", "112, 9", "448, 2.26"})
    void rangesWhoseWorstSumOver64KeysFitsAreAccepted(float pRange, float vRange) {
        assertThatCode(() -> FP8.withAccumulator(Accumulator.FP16_FP32, pRange, vRange))
                .doesNotThrowAnyException();
    }

    @ParameterizedTest
    @CsvSource({"448, 448", "448, 2.3", "224, 4.6", "112, 9.2", "448, 4.5", "224, 9"})
    void rangesWhoseWorstSumOver64KeysOverflowsAreRefused(float pRange, float vRange) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> FP8.withAccumulator(Accumulator.FP16_FP32, pRange, vRange))
                .withMessageContaining("65504")
                .withMessageContaining("64 keys");
    }

    @ParameterizedTest
    @EnumSource(
            value = Accumulator.class,
            names = {"FP32", "FP16", "FP16_FP32"})
    void fastCodesAreSummedInFp32TileByTile(Accumulator accumulator) {
        Scheme fast = Variant.of("int8-fp8-sm90-fast").scheme();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> fast.withAccumulator(accumulator, 448f, 1f))
                .withMessageContaining("must be FP32_FP32");
    }

    @Test
    void rangesThatTheFormatRoundsUpPastTheBoundAreRefused() {
        // 64 * 420 * 2.4 = 64512 fits, but E4M3 rounds 2.4 to 2.5, and 64 * 420 * 2.5 = 67200.
        assertThatIllegalArgumentException()
                .isThrownBy(() -> FP8.withAccumulator(Accumulator.FP16_FP32, 420f, 2.4f))
                .withMessageContaining("67200");
    }

    @Provide
    Arbitrary<Float> range() {
        return Floats.between(1f, 448f);
    }

    @Provide
    Arbitrary<Float> vRange() {
        return Floats.between(1f, 10f);
    }

    @Property
    void whatIsAcceptedCannotOverflowInTheCodesOfTheFormat(
            @ForAll("range") float pRange, @ForAll("vRange") float vRange) {
        boolean accepted = true;
        try {
            FP8.withAccumulator(Accumulator.FP16_FP32, pRange, vRange);
        } catch (IllegalArgumentException e) {
            accepted = false;
        }
        double worst = 64.0 * Fp8.E4M3.round(pRange) * Fp8.E4M3.round(vRange);
        assertThat(accepted && worst > 65504).as("worst %s", worst).isFalse();
        assertThat(accepted)
                .isEqualTo(worst <= 65504
                        && 64.0 * pRange * vRange <= 65504
                        && 64.0 * pRange * Fp8.E4M3.round(vRange) <= 65504
                        && 64.0 * Fp8.E4M3.round(pRange) * vRange <= 65504);
    }

    @Test
    void aTileOf128KeysNeedsHalfTheRange() {
        assertThat(HOPPER.tiles().blockK()).isEqualTo(128);
        assertThat(HOPPER.vRange()).isEqualTo(1.125f);
        assertThatCode(() -> HOPPER.withAccumulator(Accumulator.FP16_FP32, 224f, 2.25f))
                .doesNotThrowAnyException();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> HOPPER.withAccumulator(Accumulator.FP16_FP32, 448f, 2.25f));
        assertThatIllegalArgumentException().isThrownBy(() -> FP8.withTiles(TileShape.WGMMA));
        assertThatCode(() -> HOPPER.withAccumulator(Accumulator.FP32_FP32, 448f, 448f))
                .doesNotThrowAnyException();
    }

    @Test
    void theBoundSaysWhatWouldBeSafe() {
        assertThat(HalfSumBound.worstSum(64, 448, 2.25)).isEqualTo(64512);
        assertThatCode(() -> HalfSumBound.requireNoOverflow(64, 1023.5, 1)).doesNotThrowAnyException();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> HalfSumBound.requireNoOverflow(64, 448, 4.5))
                .withMessageContaining("129024")
                .withMessageContaining("V may be at most 2.284");
        assertThatIllegalArgumentException().isThrownBy(() -> HalfSumBound.requireNoOverflow(64, Double.NaN, 1));
    }

    @ParameterizedTest
    @CsvSource({"448, 8.807", "224, 7.807", "112, 6.807", "127, 6.988", "1, 0", "256, 8"})
    void offsetsOfTheRanges(float pRange, float offset) {
        Scheme scheme = FP8.withAccumulator(Accumulator.FP32_FP32, pRange, 1f);
        assertThat(scheme.pOffset()).isEqualTo(offset);
    }

    @Property
    void theOffsetStaysWithinTheRangeAndUsesAlmostAllOfIt(@ForAll("range") float pRange) {
        Scheme scheme = FP8.withAccumulator(Accumulator.FP32_FP32, pRange, 1f);
        assertThat(Math.pow(2, scheme.pOffset())).isBetween(pRange * 0.999, pRange * 1.000001);
    }

    @Test
    void partsThatDoNotFitAreRefused() {
        Scheme half = Variant.INT8_FP16.scheme();
        Scheme int8 = Variant.of("int8-int8").scheme();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> FP8.withAccumulator(Accumulator.FP16, 448f, 2.25f))
                .withMessageContaining("no bound");
        assertThatIllegalArgumentException().isThrownBy(() -> int8.withAccumulator(Accumulator.FP16_FP32, 127f, 4f));
        assertThatIllegalArgumentException().isThrownBy(() -> half.withAccumulator(Accumulator.FP32, 2f, 1f));
        assertThatIllegalArgumentException().isThrownBy(() -> FP8.withAccumulator(Accumulator.FP32, 449f, 1f));
        assertThatIllegalArgumentException().isThrownBy(() -> FP8.withAccumulator(Accumulator.FP32, 448f, 0f));
        assertThatIllegalArgumentException().isThrownBy(() -> FP8.withAccumulator(Accumulator.FP32, Float.NaN, 1f));
        assertThatIllegalArgumentException().isThrownBy(() -> Scheme.UNQUANTIZED.withSmoothK(true));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Scheme.UNQUANTIZED.withAccumulator(Accumulator.FP16_FP32, 1f, 1f));
        assertThatIllegalArgumentException().isThrownBy(() -> new TileShape(128, 48, 64, 64));
        assertThatIllegalArgumentException().isThrownBy(() -> new TileShape(128, 32, 48, 48));
        assertThatIllegalArgumentException().isThrownBy(() -> new TileShape(128, 12, 64, 64));
        assertThatIllegalArgumentException().isThrownBy(() -> new TileShape(0, 8, 64, 64));
    }

    @Test
    void shapesOutOfRangeAreRefusedByName() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new AttentionShape(1, 3, 2, 1, 1, 1))
                .withMessageContaining("num_heads is 3")
                .withMessageContaining("multiple of num_kv_heads 2");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new AttentionShape(1, 1, 1, 1, 1, 257))
                .withMessageContaining("head_dim is 257");
        assertThatIllegalArgumentException().isThrownBy(() -> new AttentionShape(0, 1, 1, 1, 1, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> new AttentionShape(1, 1, 1, -1, 1, 1));
        assertThat(new AttentionShape(1, 8, 2, 0, 0, 1).kvHead(5)).isEqualTo(1);
    }

    @Test
    void everyNamedVariantIsDistinct() {
        assertThat(Variant.all()).extracting(Variant::name).doesNotHaveDuplicates();
        assertThat(Variant.all().stream()
                        .filter(v -> v.rung() == Rung.QUANTIZED)
                        .map(Variant::scheme))
                .doesNotHaveDuplicates();
    }
}
