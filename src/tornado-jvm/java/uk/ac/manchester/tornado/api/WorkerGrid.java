package uk.ac.manchester.tornado.api;

/** How many work-items a task runs, and how many make a group. */
public interface WorkerGrid {
    /**
     * Number of dimensions.
     *
     * @return 1 to 3
     */
    int dimension();

    /**
     * Work-items.
     *
     * @return three numbers, x first
     */
    long[] getGlobalWork();

    /**
     * Work-items of a group.
     *
     * @return three numbers, or null where the device is to choose
     */
    long[] getLocalWork();

    /**
     * Groups.
     *
     * @return three numbers, or null as long as no local work is set
     */
    long[] getNumberOfWorkgroups();

    /**
     * First global ids.
     *
     * @return three numbers
     */
    long[] getGlobalOffset();

    /**
     * Sets the work-items.
     *
     * @param x along x
     * @param y along y
     * @param z along z
     */
    void setGlobalWork(long x, long y, long z);

    /**
     * Sets the work-items of a group.
     *
     * @param x along x
     * @param y along y
     * @param z along z
     */
    void setLocalWork(long x, long y, long z);

    /** Forgets the number of groups. */
    void setNumberOfWorkgroupsToNull();

    /** Leaves the size of a group to the device. */
    void setLocalWorkToNull();

    /**
     * Sets the first global ids; tornado-jvm runs only with zeros.
     *
     * @param x along x
     * @param y along y
     * @param z along z
     */
    void setGlobalOffset(long x, long y, long z);
}
