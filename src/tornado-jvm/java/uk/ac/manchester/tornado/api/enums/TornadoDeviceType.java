package uk.ac.manchester.tornado.api.enums;

/** Kind of device. */
public enum TornadoDeviceType {
    /** Not known. */
    UNKNOWN,
    /** The default device. */
    DEFAULT,
    /** A CPU. */
    CPU,
    /** A GPU. */
    GPU,
    /** An FPGA. */
    FPGA,
    /** Another accelerator. */
    ACCELERATOR,
    /** A custom device. */
    CUSTOM,
    /** Any kind. */
    ALL
}
