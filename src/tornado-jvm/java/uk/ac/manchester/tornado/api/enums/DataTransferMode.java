package uk.ac.manchester.tornado.api.enums;

/** When a transfer between host and device happens. */
public class DataTransferMode {
    /** At the first execution only; the data is read-only afterwards. */
    public static final int FIRST_EXECUTION = 0;

    /** At every execution. */
    public static final int EVERY_EXECUTION = 1;

    /** When the program asks for it. */
    public static final int UNDER_DEMAND = 2;

    /** Nothing to hold. */
    public DataTransferMode() {}
}
