package io.sage4j.plan;

import io.sage4j.kernel.QuantizeQk;
import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.ScaleGroups;

/**
 * Sizes of work-groups and of local memory: what a device profile may change without changing a result.
 *
 * @param items work-items of a work-group of the kernels that use no local memory
 * @param flashRows rows of Q that a work-group of the flash rung attends
 * @param quantizeItems work-items of a work-group of the quantizer of Q and K, at most; at least 32
 * @param quantizeElements elements of Q or K that one of them holds, about
 * @param stageBytes largest stage of K and V in local memory; at least 32 keys of 256 channels must fit, 32 KiB
 * @param shuffles whether work-items of a warp can hand each other numbers
 * @param halves whether kernels can load halves in pairs and see their bits
 * @param stepTimes whether to time each step, which makes a GPU wait after each
 */
public record KernelConfig(
        int items,
        int flashRows,
        int quantizeItems,
        int quantizeElements,
        int stageBytes,
        boolean shuffles,
        boolean halves,
        boolean stepTimes) {
    /** For any device: work-groups of at most 256 work-items, 32 KiB of local memory, no shuffles. */
    public static final KernelConfig DEFAULT = new KernelConfig(64, 64, 128, 32, 32 * 1024, false, false, true);

    static final int LEAST_STAGE = 32 * 256 * Float.BYTES;
    /** Elements of a group that a work-item has at least, if half a warp is enough for that. */
    private static final int LEAST_OF_GROUP = 16;
    /** How many times a work-item loads as much as it holds. */
    private static final int LOADS = 2;

    /** @throws IllegalArgumentException if a size cannot work */
    public KernelConfig {
        if (items < 1
                || flashRows < 1
                || quantizeItems < QuantizeQk.WARP
                || quantizeElements < 1
                || stageBytes < LEAST_STAGE) {
            throw new IllegalArgumentException("not a kernel configuration: items " + items + ", flashRows " + flashRows
                    + ", quantizeItems " + quantizeItems + ", quantizeElements " + quantizeElements + ", stageBytes "
                    + stageBytes);
        }
    }

    /** This configuration with or without step times. */
    public KernelConfig withStepTimes(boolean on) {
        return new KernelConfig(items, flashRows, quantizeItems, quantizeElements, stageBytes, shuffles, halves, on);
    }

    /** Keys staged in local memory at a time: as many 32s as fit and divide {@code blockK}. */
    int stageKeys(int blockK, int dim) {
        int keys = blockK;
        while (keys > OperandLayout.DIM_UNIT
                && (keys * dim * Float.BYTES > stageBytes
                        || keys % OperandLayout.DIM_UNIT != 0
                        || blockK % keys != 0)) {
            keys -= OperandLayout.DIM_UNIT;
        }
        return keys;
    }

    /**
     * Who quantizes Q or K.
     *
     * @param items work-items of a work-group
     * @param team work-items that share a row
     * @param teams teams that share the rows of a group of scales
     * @param rows rows that a work-item holds
     * @param turns how many times a work-group takes groups
     */
    record QuantizeGroup(int items, int team, int teams, int rows, int turns) {
        /** Whether a group has more rows than its teams hold. */
        boolean rereads(int members) {
            return members > teams * rows;
        }

        /** Whether every work-item has as many rows of as many groups. */
        boolean divides(int members, int scales) {
            return members == teams * rows && scales % atOnce() == 0;
        }

        /** Work-groups that take so many groups. */
        int workGroups(int scales) {
            return Math.ceilDiv(scales, atOnce());
        }

        private int atOnce() {
            return items / team / teams * turns;
        }
    }

    /**
     * As few teams for each group of scales as hold its rows, of half a warp where a whole one would have little of a group, since the
     * scale costs the same; and several turns, so that what a work-item does once weighs little.
     */
    QuantizeGroup quantizeGroup(ScaleGroups groups, int dim) {
        int members = groups.tile() / groups.groups();
        int team = members * dim / QuantizeQk.WARP < LEAST_OF_GROUP ? QuantizeQk.WARP / 2 : QuantizeQk.WARP;
        int held = Math.max(1, quantizeElements / (dim / team));
        int most = quantizeItems / QuantizeQk.WARP * QuantizeQk.WARP / team;
        int teams = 1;
        while (teams * held < members && 2 * teams <= most) {
            teams *= 2;
        }
        int rows = Math.min(held, Math.ceilDiv(members, teams));
        return new QuantizeGroup(most / teams * teams * team, team, teams, rows, LOADS * (held / rows));
    }
}
