package uk.ac.manchester.tornado.api;

/** A grid of 3 dimensions. */
public class WorkerGrid3D extends AbstractWorkerGrid {
    /** Number of dimensions. */
    public static final int DIM = 3;

    /**
     * Makes a grid.
     *
     * @param x work-items along x
     * @param y work-items along y
     * @param z work-items along z
     */
    public WorkerGrid3D(int x, int y, int z) {
        super(x, y, z);
    }

    @Override
    public int dimension() {
        return DIM;
    }
}
