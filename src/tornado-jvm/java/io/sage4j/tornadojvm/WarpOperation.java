package io.sage4j.tornadojvm;

/** What one lane hands into an operation of its warp, and what it gets out. */
abstract class WarpOperation {
    final String name;
    final boolean wholeWarp;

    WarpOperation(String name, boolean wholeWarp) {
        this.name = name;
        this.wholeWarp = wholeWarp;
    }

    /** Sets the result of every lane; runs on one thread while all lanes wait. */
    abstract void compute(WarpOperation[] lanes);

    /**
     * Exchange of floats. A lane that a partial warp lacks adds nothing to a sum, and a shuffle that would read it, or
     * a lane beyond 31, returns the reader's own value.
     */
    static final class Exchange extends WarpOperation {
        private final float value;
        private final int delta;
        float result;

        Exchange(String name, float value, int delta) {
            super(name, false);
            this.value = value;
            this.delta = delta;
        }

        @Override
        void compute(WarpOperation[] lanes) {
            float shared = name.equals(SUM) ? treeSum(lanes) : ((Exchange) lanes[0]).value;
            for (int lane = 0; lane < lanes.length; lane++) {
                Exchange own = (Exchange) lanes[lane];
                if (name.equals(SHUFFLE_DOWN)) {
                    int source = lane + own.delta;
                    own.result = source >= 0 && source < lanes.length ? ((Exchange) lanes[source]).value : own.value;
                } else {
                    own.result = shared;
                }
            }
        }

        /* The order of additions of a reduction by shuffles down 16, 8, 4, 2, 1. */
        private static float treeSum(WarpOperation[] lanes) {
            float[] sums = new float[Warp.LANES];
            for (int lane = 0; lane < lanes.length; lane++) {
                sums[lane] = ((Exchange) lanes[lane]).value;
            }
            for (int distance = Warp.LANES / 2; distance > 0; distance /= 2) {
                for (int lane = 0; lane < distance; lane++) {
                    sums[lane] += sums[lane + distance];
                }
            }
            return sums[0];
        }
    }

    /** Something that one lane does for all. */
    static final class Action extends WarpOperation {
        private final Runnable action;

        Action(String name, Runnable action) {
            super(name, true);
            this.action = action;
        }

        @Override
        void compute(WarpOperation[] lanes) {
            action.run();
        }
    }

    static final String SUM = "simdSum";
    static final String SHUFFLE_DOWN = "simdShuffleDown";
    static final String BROADCAST_FIRST = "simdBroadcastFirst";
}
