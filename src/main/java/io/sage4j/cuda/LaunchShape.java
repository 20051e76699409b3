package io.sage4j.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.sage4j.SageException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * How a kernel is launched.
 *
 * @param grid number of blocks
 * @param block number of threads of a block
 * @param cluster number of blocks that form a cluster; 1, 1, 1 for none
 * @param sharedBytes dynamic shared memory of a block
 * @param overlapping whether it may start while the kernel before it ends (programmatic dependent launch)
 */
public record LaunchShape(Extent grid, Extent block, Extent cluster, int sharedBytes, boolean overlapping) {
    private static final int MOST_THREADS = 1024;
    private static final int MOST_BLOCKS_YZ = 65_535;

    // CUlaunchConfig: where its members lie, and CUlaunchAttribute, whose value is a union after 8 bytes.
    private static final long SHARED_AT = 24;
    private static final long STREAM_AT = 32;
    private static final long ATTRIBUTES_AT = 40;
    private static final long COUNT_AT = 48;
    private static final long CONFIG_BYTES = 56;
    private static final long ATTRIBUTE_BYTES = 72;
    private static final long VALUE_AT = 8;
    private static final int CLUSTER_DIMENSION = 4;
    private static final int PROGRAMMATIC_STREAM_SERIALIZATION = 6;

    /**
     * A number of things in three directions, each at least 1.
     *
     * @param x fastest
     * @param y next
     * @param z slowest
     */
    public record Extent(int x, int y, int z) {
        /** One of each. */
        public static final Extent ONE = new Extent(1, 1, 1);

        /** @throws SageException if one is less than 1 */
        public Extent {
            if (x < 1 || y < 1 || z < 1) {
                throw new SageException("extent is " + x + "x" + y + "x" + z + ", expected at least 1 each");
            }
        }

        /** Along x only. */
        public static Extent of(int x) {
            return new Extent(x, 1, 1);
        }

        private void write(MemorySegment to, long offset) {
            to.set(JAVA_INT, offset, x);
            to.set(JAVA_INT, offset + 4, y);
            to.set(JAVA_INT, offset + 8, z);
        }

        @Override
        public String toString() {
            return x + "x" + y + "x" + z;
        }
    }

    /** @throws SageException if CUDA has no such launch */
    public LaunchShape {
        Handle.given(grid, "grid");
        Handle.given(block, "block");
        Handle.given(cluster, "cluster");
        if (grid.y() > MOST_BLOCKS_YZ || grid.z() > MOST_BLOCKS_YZ) {
            throw new SageException("grid is " + grid + " blocks, expected at most " + MOST_BLOCKS_YZ + " in y and z");
        }
        if ((long) block.x() * block.y() > MOST_THREADS || (long) block.x() * block.y() * block.z() > MOST_THREADS) {
            throw new SageException("block is " + block + " threads, expected at most " + MOST_THREADS);
        }
        if (grid.x() % cluster.x() != 0 || grid.y() % cluster.y() != 0 || grid.z() % cluster.z() != 0) {
            throw new SageException("grid is " + grid + " blocks, expected a multiple of the cluster's " + cluster
                    + " in each direction");
        }
        if (sharedBytes < 0) {
            throw new SageException("dynamic shared memory is " + sharedBytes + " bytes, expected 0 or more");
        }
    }

    /** A launch without clusters and dynamic shared memory, after what came before it. */
    public static LaunchShape of(Extent grid, Extent block) {
        return new LaunchShape(grid, block, Extent.ONE, 0, false);
    }

    /** The same, with dynamic shared memory. */
    public LaunchShape withSharedBytes(int bytes) {
        return new LaunchShape(grid, block, cluster, bytes, overlapping);
    }

    /** The same, with clusters. */
    public LaunchShape withCluster(Extent blocks) {
        return new LaunchShape(grid, block, blocks, sharedBytes, overlapping);
    }

    /** The same, as a programmatic dependent launch: the kernel itself waits for the one before it. */
    public LaunchShape withOverlap() {
        return new LaunchShape(grid, block, cluster, sharedBytes, true);
    }

    static void setStream(MemorySegment config, long stream) {
        config.set(JAVA_LONG, STREAM_AT, stream);
    }

    /** The CUlaunchConfig for a stream. */
    MemorySegment config(long stream, Arena arena) {
        MemorySegment attributes = arena.allocate(2 * ATTRIBUTE_BYTES, 8);
        int count = 0;
        if (!cluster.equals(Extent.ONE)) {
            attributes.set(JAVA_INT, 0, CLUSTER_DIMENSION);
            cluster.write(attributes, VALUE_AT);
            count++;
        }
        if (overlapping) {
            attributes.set(JAVA_INT, count * ATTRIBUTE_BYTES, PROGRAMMATIC_STREAM_SERIALIZATION);
            attributes.set(JAVA_INT, count * ATTRIBUTE_BYTES + VALUE_AT, 1);
            count++;
        }
        MemorySegment config = arena.allocate(CONFIG_BYTES, 8);
        grid.write(config, 0);
        block.write(config, 12);
        config.set(JAVA_INT, SHARED_AT, sharedBytes);
        config.set(JAVA_LONG, STREAM_AT, stream);
        config.set(ADDRESS, ATTRIBUTES_AT, count == 0 ? MemorySegment.NULL : attributes);
        config.set(JAVA_INT, COUNT_AT, count);
        return config;
    }
}
