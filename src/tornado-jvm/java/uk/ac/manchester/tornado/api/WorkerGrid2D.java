package uk.ac.manchester.tornado.api;

/** A grid of 2 dimensions. */
public class WorkerGrid2D extends AbstractWorkerGrid {
    /** Number of dimensions. */
    public static final int DIM = 2;

    /**
     * Makes a grid.
     *
     * @param x work-items along x
     * @param y work-items along y
     */
    public WorkerGrid2D(int x, int y) {
        super(x, y, 1);
    }

    @Override
    public int dimension() {
        return DIM;
    }
}
