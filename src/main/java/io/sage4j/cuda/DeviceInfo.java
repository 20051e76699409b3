package io.sage4j.cuda;

/**
 * A GPU, described.
 *
 * @param ordinal the driver's number of it
 * @param name for people
 * @param computeMajor compute capability, 9 of 9.0
 * @param computeMinor compute capability, 0 of 9.0
 * @param multiprocessors number of SMs
 * @param memoryBytes size of its memory
 * @param l2Bytes size of its L2 cache
 * @param sharedBytesPerBlock shared memory that a block can have if it opts in
 */
public record DeviceInfo(
        int ordinal,
        String name,
        int computeMajor,
        int computeMinor,
        int multiprocessors,
        long memoryBytes,
        int l2Bytes,
        int sharedBytesPerBlock) {}
