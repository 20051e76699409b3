package io.sage4j.plan;

import io.sage4j.kernel.QuantizeQk;
import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.ScaleGroups;

/**
 * Sizes of work-groups and of local memory: what a device profile may change without changing a result.
 *
 * @param items work-items of a work-group of the kernels that use no local memory
 * @param flashRows rows of Q that a work-group of the flash rung attends
 * @param quantizeElements elements of Q or K that one work-item quantizes, about
 * @param stageBytes largest stage of K and V in local memory; at least 32 keys of 256 channels must fit, 32 KiB
 * @param stepTimes whether to time each step, which makes a GPU wait after each
 */
public record KernelConfig(int items, int flashRows, int quantizeElements, int stageBytes, boolean stepTimes) {
    /** For any device: work-groups of at most 256 work-items, 32 KiB of local memory. */
    public static final KernelConfig DEFAULT = new KernelConfig(64, 64, 32, 32 * 1024, true);

    static final int LEAST_STAGE = 32 * 256 * Float.BYTES;

    /** @throws IllegalArgumentException if a size cannot work */
    public KernelConfig {
        if (items < 1 || flashRows < 1 || quantizeElements < 1 || stageBytes < LEAST_STAGE) {
            throw new IllegalArgumentException("not a kernel configuration: items " + items + ", flashRows " + flashRows
                    + ", quantizeElements " + quantizeElements + ", stageBytes " + stageBytes);
        }
    }

    /** This configuration with or without step times. */
    public KernelConfig withStepTimes(boolean on) {
        return new KernelConfig(items, flashRows, quantizeElements, stageBytes, on);
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

    /** Work-items that quantize one set of scales: a power of two that the groups divide. */
    int quantizeItems(ScaleGroups groups, int dim) {
        int items = groups.groups();
        long elements = (long) groups.tile() * dim;
        while (items * 2 <= QuantizeQk.MAX_ITEMS && (long) items * quantizeElements < elements) {
            items *= 2;
        }
        return items;
    }
}
