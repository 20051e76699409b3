package io.sage4j.numeric;

/** Where the sums of P V live (SageAttention2, section 3.4; SageAttention2++, section 3). */
public enum Accumulator {
    /** One running FP32 accumulator. */
    FP32(false, false),
    /** FP32 inside a tile of keys, then added to a running FP32 output. */
    FP32_FP32(false, true),
    /** One running FP16 accumulator. */
    FP16(true, false),
    /** FP16 inside a tile of keys, then added to a running FP32 output: the SageAttention2++ scheme for FP8. */
    FP16_FP32(true, true);

    private final boolean half;
    private final boolean twoLevel;

    Accumulator(boolean half, boolean twoLevel) {
        this.half = half;
        this.twoLevel = twoLevel;
    }

    /** Whether the inner accumulator rounds to FP16 after each MMA. */
    public boolean isHalf() {
        return half;
    }

    /** Whether each tile of keys starts its own accumulator, which is then added to an FP32 output. */
    public boolean isTwoLevel() {
        return twoLevel;
    }
}
