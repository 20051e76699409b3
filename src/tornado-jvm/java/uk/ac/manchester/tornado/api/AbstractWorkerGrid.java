package uk.ac.manchester.tornado.api;

/** What all worker grids share. */
public abstract class AbstractWorkerGrid implements WorkerGrid {
    /** Work-items. */
    protected long[] globalWork;

    /** Work-items of a group, or null. */
    protected long[] localWork;

    /** Groups, or null. */
    protected long[] numOfWorkgroups;

    /** First global ids. */
    protected long[] globalOffset;

    /**
     * Makes a grid.
     *
     * @param x work-items along x
     * @param y work-items along y
     * @param z work-items along z
     */
    protected AbstractWorkerGrid(long x, long y, long z) {
        globalWork = new long[] {x, y, z};
        globalOffset = new long[3];
    }

    @Override
    public long[] getGlobalWork() {
        return globalWork;
    }

    @Override
    public long[] getLocalWork() {
        return localWork;
    }

    @Override
    public long[] getNumberOfWorkgroups() {
        return numOfWorkgroups;
    }

    @Override
    public long[] getGlobalOffset() {
        return globalOffset;
    }

    @Override
    public void setGlobalWork(long x, long y, long z) {
        globalWork = new long[] {x, y, z};
        countGroups();
    }

    @Override
    public void setLocalWork(long x, long y, long z) {
        if (x < 1 || y < 1 || z < 1) {
            throw new IllegalArgumentException("local work (" + x + ", " + y + ", " + z + ") must be positive");
        }
        localWork = new long[] {x, y, z};
        countGroups();
    }

    @Override
    public void setGlobalOffset(long x, long y, long z) {
        globalOffset = new long[] {x, y, z};
    }

    @Override
    public void setLocalWorkToNull() {
        localWork = null;
    }

    @Override
    public void setNumberOfWorkgroupsToNull() {
        numOfWorkgroups = null;
    }

    private void countGroups() {
        if (localWork != null) {
            numOfWorkgroups = new long[3];
            for (int i = 0; i < 3; i++) {
                numOfWorkgroups[i] = globalWork[i] / localWork[i];
            }
        }
    }
}
