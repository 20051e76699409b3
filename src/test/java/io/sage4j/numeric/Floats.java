package io.sage4j.numeric;

import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.RandomDistribution;

/** Floats for property tests: all bits random, unlike jqwik's own, which have two decimals. */
final class Floats {
    private Floats() {}

    /** Finite floats, every exponent alike. */
    static Arbitrary<Float> finite() {
        return bits().map(Float::intBitsToFloat).filter(Float::isFinite);
    }

    /** Floats of either sign with a magnitude from {@code 2^low} up to {@code 2^high}, every exponent alike. */
    static Arbitrary<Float> ofMagnitude(int low, int high) {
        return bits().map(bits -> {
            int exponent = low + Math.floorMod(bits >>> 23 & 0xFF, high - low);
            return Float.intBitsToFloat(bits & 0x807FFFFF | 127 + exponent << 23);
        });
    }

    /** Evenly spread between two positive numbers. */
    static Arbitrary<Float> between(float low, float high) {
        return bits().map(bits -> low + (high - low) * ((bits >>> 8) / (float) (1 << 24)));
    }

    private static Arbitrary<Integer> bits() {
        return Arbitraries.integers().withDistribution(RandomDistribution.uniform());
    }
}
