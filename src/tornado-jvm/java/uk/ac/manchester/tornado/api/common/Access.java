package uk.ac.manchester.tornado.api.common;

/** How a kernel uses an argument. */
public enum Access {
    /** Not at all. */
    NONE(0b00),
    /** Reads it. */
    READ_ONLY(0b01),
    /** Writes it. */
    WRITE_ONLY(0b10),
    /** Reads and writes it. */
    READ_WRITE(0b11);

    /** Bit 0: reads; bit 1: writes. */
    public final byte position;

    Access(int position) {
        this.position = (byte) position;
    }

    /**
     * All values.
     *
     * @return a new array
     */
    public static Access[] asArray() {
        return values();
    }
}
