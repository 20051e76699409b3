package io.sage4j.tornadojvm;

import java.util.Arrays;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.exceptions.TornadoRuntimeException;

/** Geometry of one launch: work-items, items per group, groups, each in three dimensions. */
final class Grid {
    /** Items of a group when the worker grid leaves that to the device; TornadoVM's CUDA backend takes 256 too. */
    private static final int DEFAULT_LOCAL = 256;

    /** The limit of CUDA, and of most OpenCL devices. */
    static final int MAX_GROUP = 1024;

    final Integer globalX;
    final Integer globalY;
    final Integer globalZ;
    final Integer localX;
    final Integer localY;
    final Integer localZ;
    final int groupsX;
    final int groupsY;
    final long groups;
    final int groupSize;

    private Grid(String task, long[] global, long[] local) {
        for (int d = 0; d < 3; d++) {
            if (global[d] < 1 || local[d] < 1 || global[d] > Integer.MAX_VALUE) {
                throw new TornadoRuntimeException("task " + task + ": global work " + Arrays.toString(global)
                        + " and local work " + Arrays.toString(local) + " must be 1 to 2147483647 in every dimension");
            }
            if (global[d] % local[d] != 0) {
                throw new TornadoRuntimeException("task " + task + ": global work " + Arrays.toString(global)
                        + " is no multiple of local work " + Arrays.toString(local));
            }
        }
        long items = local[0] * local[1] * local[2];
        if (local[0] > MAX_GROUP || local[1] > MAX_GROUP || local[2] > MAX_GROUP || items > MAX_GROUP) {
            throw new TornadoRuntimeException("task " + task + ": a work-group of " + Arrays.toString(local)
                    + " items is too large, at most " + MAX_GROUP);
        }
        globalX = (int) global[0];
        globalY = (int) global[1];
        globalZ = (int) global[2];
        localX = (int) local[0];
        localY = (int) local[1];
        localZ = (int) local[2];
        groupsX = (int) (global[0] / local[0]);
        groupsY = (int) (global[1] / local[1]);
        groups = Math.multiplyExact(Math.multiplyExact((long) groupsX, groupsY), global[2] / local[2]);
        groupSize = (int) items;
    }

    /** One work-item, as TornadoVM runs a kernel without a worker grid. */
    static Grid single(String task) {
        return new Grid(task, new long[] {1, 1, 1}, new long[] {1, 1, 1});
    }

    static Grid of(String task, WorkerGrid worker) {
        long[] offset = worker.getGlobalOffset();
        if (offset != null && (offset[0] != 0 || offset[1] != 0 || offset[2] != 0)) {
            throw new TornadoRuntimeException(
                    "task " + task + ": WorkerGrid.setGlobalOffset is not supported by tornado-jvm");
        }
        long[] global = worker.getGlobalWork();
        long[] local = worker.getLocalWork();
        if (local == null) {
            local = new long[] {largestDivisor(global[0]), 1, 1};
        }
        return new Grid(task, global, local);
    }

    private static long largestDivisor(long work) {
        long divisor = Math.clamp(work, 1, DEFAULT_LOCAL);
        while (work % divisor != 0) {
            divisor--;
        }
        return divisor;
    }

    @Override
    public String toString() {
        return "global " + triple(globalX, globalY, globalZ) + ", local " + triple(localX, localY, localZ) + ", groups "
                + groups;
    }

    static String triple(int x, int y, int z) {
        return "(" + x + ", " + y + ", " + z + ")";
    }
}
