package uk.ac.manchester.tornado.api.enums;

/** Tile shapes of the warp matrix operations. */
public enum MMAShape {
    /** 16 x 8 x 16, for halves and bfloat16. */
    M16N8K16,
    /** 16 x 8 x 32, for 8-bit integers and floats. */
    M16N8K32;

    /**
     * The name in a PTX instruction.
     *
     * @return for example {@code m16n8k16}
     */
    public String getPtxName() {
        return name().toLowerCase(java.util.Locale.ROOT);
    }
}
