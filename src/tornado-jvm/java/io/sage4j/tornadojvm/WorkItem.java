package io.sage4j.tornadojvm;

import uk.ac.manchester.tornado.api.enums.MMAShape;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.vectors.Half2;

/** One work-item: its ids, and what its kernel context asks of the machine. */
public final class WorkItem {
    final WorkGroup group;

    /** Place among the items of the group, x running fastest. */
    final int id;

    final int localX;
    final int localY;
    final int localZ;

    private int allocations;
    private MatrixTiles tiles;
    private boolean probed;
    private Object lastArray;
    private LocalArray lastLocal;

    WorkItem(WorkGroup group, int id) {
        this.group = group;
        this.id = id;
        Grid grid = group.launch.grid;
        int sizeX = grid.localX;
        int sizeY = grid.localY;
        localX = id % sizeX;
        localY = id / sizeX % sizeY;
        localZ = id / (sizeX * sizeY);
    }

    /**
     * Id in the group.
     *
     * @return x
     */
    public int localX() {
        return localX;
    }

    /**
     * Id in the group.
     *
     * @return y
     */
    public int localY() {
        return localY;
    }

    /**
     * Id in the group.
     *
     * @return z
     */
    public int localZ() {
        return localZ;
    }

    /**
     * Id of the group.
     *
     * @return x
     */
    public int groupX() {
        return group.groupX;
    }

    /**
     * Id of the group.
     *
     * @return y
     */
    public int groupY() {
        return group.groupY;
    }

    /**
     * Id of the group.
     *
     * @return z
     */
    public int groupZ() {
        return group.groupZ;
    }

    /**
     * Items of a group.
     *
     * @return along x
     */
    public Integer localSizeX() {
        return group.launch.grid.localX;
    }

    /**
     * Items of a group.
     *
     * @return along y
     */
    public Integer localSizeY() {
        return group.launch.grid.localY;
    }

    /**
     * Items of a group.
     *
     * @return along z
     */
    public Integer localSizeZ() {
        return group.launch.grid.localZ;
    }

    /**
     * Items of the launch.
     *
     * @return along x
     */
    public Integer globalSizeX() {
        return group.launch.grid.globalX;
    }

    /**
     * Items of the launch.
     *
     * @return along y
     */
    public Integer globalSizeY() {
        return group.launch.grid.globalY;
    }

    /**
     * Items of the launch.
     *
     * @return along z
     */
    public Integer globalSizeZ() {
        return group.launch.grid.globalZ;
    }

    /** Waits for all items of the group. */
    public void barrier() {
        group.barrier(this);
    }

    /**
     * Local array of the group.
     *
     * @param size number of elements
     * @return the same array for all items
     */
    public int[] intArray(int size) {
        return (int[]) local(LocalArray.Kind.INT, size);
    }

    /**
     * Local array of the group.
     *
     * @param size number of elements
     * @return the same array for all items
     */
    public long[] longArray(int size) {
        return (long[]) local(LocalArray.Kind.LONG, size);
    }

    /**
     * Local array of the group.
     *
     * @param size number of elements
     * @return the same array for all items
     */
    public float[] floatArray(int size) {
        return (float[]) local(LocalArray.Kind.FLOAT, size);
    }

    /**
     * Local array of the group.
     *
     * @param size number of elements
     * @return the same array for all items
     */
    public double[] doubleArray(int size) {
        return (double[]) local(LocalArray.Kind.DOUBLE, size);
    }

    /**
     * Local array of the group.
     *
     * @param size number of elements
     * @return the same array for all items
     */
    public byte[] byteArray(int size) {
        return (byte[]) local(LocalArray.Kind.BYTE, size);
    }

    /**
     * Local array of the group, filled with one immutable zero.
     *
     * @param size number of elements
     * @return the same array for all items
     */
    public HalfFloat[] halfArray(int size) {
        return (HalfFloat[]) local(LocalArray.Kind.HALF, size);
    }

    /**
     * Local array of the group, filled with pairs of zeros.
     *
     * @param size number of elements
     * @return the same array for all items
     */
    public Half2[] half2Array(int size) {
        return (Half2[]) local(LocalArray.Kind.HALF2, size);
    }

    private Object local(LocalArray.Kind kind, int size) {
        if (size < 0) {
            throw group.error("local array of " + size + " elements", this);
        }
        return group.local(this, allocations++, kind, size);
    }

    /* ---- warp operations ---- */

    /**
     * Sum over the warp.
     *
     * @param value own summand
     * @return the sum, the same in all lanes
     */
    public float sum(float value) {
        return exchange(WarpOperation.SUM, value, 0);
    }

    /**
     * Value of a higher lane.
     *
     * @param value own value
     * @param delta distance of the lane
     * @return the value of that lane, the own one if there is none
     */
    public float shuffleDown(float value, int delta) {
        return exchange(WarpOperation.SHUFFLE_DOWN, value, delta);
    }

    /**
     * Value of the first lane.
     *
     * @param value own value
     * @return the value of lane 0
     */
    public float broadcastFirst(float value) {
        return exchange(WarpOperation.BROADCAST_FIRST, value, 0);
    }

    private float exchange(String operation, float value, int delta) {
        WarpOperation.Exchange part = new WarpOperation.Exchange(operation, value, delta);
        group.warpOperation(this, part);
        return part.result;
    }

    /**
     * Matrix product of floating-point fragments; see {@link MatrixOperation}.
     *
     * @param call name of the operation
     * @param shape its shape
     * @param a own part of A
     * @param b own part of B
     * @param c own part of the accumulator, which stays as it is
     * @return own part of the result
     */
    public float[] multiply(String call, MMAShape shape, float[] a, float[] b, float[] c) {
        boolean halves = !call.startsWith("mmaFP8");
        checkFragments(call, shape, halves ? MMAShape.M16N8K16 : MMAShape.M16N8K32, a.length, b.length, c.length);
        MatrixOperation.Floats part = new MatrixOperation.Floats(call, a, b, c.clone(), halves ? 2 : 4);
        group.warpOperation(this, part);
        return part.result;
    }

    /**
     * Matrix product of integer fragments; see {@link MatrixOperation}.
     *
     * @param call name of the operation
     * @param shape its shape
     * @param a own part of A
     * @param b own part of B
     * @param c own part of the accumulator, which stays as it is
     * @return own part of the result
     */
    public int[] multiply(String call, MMAShape shape, byte[] a, byte[] b, int[] c) {
        checkFragments(call, shape, MMAShape.M16N8K32, a.length, b.length, c.length);
        MatrixOperation.Integers part = new MatrixOperation.Integers(call, a, b, c.clone());
        group.warpOperation(this, part);
        return part.result;
    }

    private void checkFragments(String call, MMAShape shape, MMAShape expected, int a, int b, int c) {
        if (shape != expected) {
            throw group.error(call + " of shape " + shape + ", expected " + expected, this);
        }
        int words = expected == MMAShape.M16N8K16 ? 2 : 4;
        if (a != 4 * words || b != 2 * words || c != MatrixOperation.ACCUMULATORS) {
            throw group.error(
                    call + ": fragments of " + a + ", " + b + " and " + c + " elements, expected " + 4 * words + ", "
                            + 2 * words + " and " + MatrixOperation.ACCUMULATORS,
                    this);
        }
    }

    /**
     * Row of one element of the accumulator.
     *
     * @param i element, 0 to 3
     * @return 0 to 15
     */
    public int accumulatorRow(int i) {
        return MatrixOperation.accumulatorRow(id % Warp.LANES, i);
    }

    /**
     * Column of one element of the accumulator.
     *
     * @param i element, 0 to 3
     * @return 0 to 7
     */
    public int accumulatorColumn(int i) {
        return MatrixOperation.accumulatorColumn(id % Warp.LANES, i);
    }

    /* ---- tiles ---- */

    /**
     * Matrix tiles in local memory.
     *
     * @return the tiles as this item sees them
     */
    public MatrixTiles tiles() {
        if (tiles == null) {
            tiles = new MatrixTiles(this);
        }
        return tiles;
    }

    /**
     * Runs something once for the warp, when all lanes have asked for it.
     *
     * @param call name of the operation
     * @param action what to run, the last lane's one
     */
    public void together(String call, Runnable action) {
        group.warpOperation(this, new WarpOperation.Action(call, action));
    }

    /* ---- race check ---- */

    /**
     * Begins a call of the kernel context.
     *
     * @return this item
     */
    public WorkItem enter() {
        if (probed) {
            throw new CheckedKernels.Found();
        }
        return this;
    }

    /** From now on the first call of the kernel context ends the kernel. */
    void probe() {
        probed = true;
    }

    /** Records that this item uses a cell, if checking is on and the array is one of the local ones. */
    void note(Object array, int index, boolean write) {
        if (group.launch.checked) {
            access(array, index, write);
        }
    }

    /** Records the use of a cell of a local array; any other array is left to the access that follows. */
    void access(Object array, int index, boolean write) {
        if (array != lastArray) {
            lastArray = array;
            lastLocal = group.find(array);
        }
        if (lastLocal != null) {
            if (index < 0 || index >= lastLocal.length) {
                throw KernelFrames.withHiddenFrames(new ArrayIndexOutOfBoundsException("index " + index
                        + " outside local array " + lastLocal.order + " (" + lastLocal.describe() + ")"));
            }
            RaceCheck.record(this, lastLocal, index, write);
        }
    }

    String name() {
        return Grid.triple(localX, localY, localZ);
    }
}
