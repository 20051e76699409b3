package io.sage4j.tornadojvm;

/**
 * Finds two work-items of a group that use one cell of local memory between two barriers, at least one of them writing.
 *
 * <p>Every cell has a word: the barrier epoch of its last use (28 bits), and, within that epoch, the last writer and two
 * different readers (12 bits each, id plus one). Two readers are enough: whoever writes differs from one of them.
 */
public final class RaceCheck {
    private static final ThreadLocal<WorkItem> CURRENT = new ThreadLocal<>();
    private static final int ID_BITS = 12;
    private static final long ID_MASK = (1 << ID_BITS) - 1;
    private static final int EPOCH_SHIFT = 3 * ID_BITS;

    private RaceCheck() {}

    static void enter(WorkItem item) {
        CURRENT.set(item);
    }

    static void leave() {
        CURRENT.remove();
    }

    /**
     * The work-item of this thread; called by instrumented code.
     *
     * @return the item, or null outside a checked launch
     */
    public static WorkItem current() {
        return CURRENT.get();
    }

    /**
     * Called by instrumented code before an element is loaded.
     *
     * @param array any Java array
     * @param index the element
     * @param item the work-item
     */
    public static void read(Object array, int index, WorkItem item) {
        item.access(array, index, false);
    }

    /**
     * Called by instrumented code before an element is stored.
     *
     * @param array any Java array
     * @param index the element
     * @param item the work-item
     */
    public static void write(Object array, int index, WorkItem item) {
        item.access(array, index, true);
    }

    static void record(WorkItem item, LocalArray local, int index, boolean write) {
        long epoch = (long) item.group.epoch << EPOCH_SHIFT;
        long word = local.shadow[index];
        if (word >>> EPOCH_SHIFT != epoch >>> EPOCH_SHIFT) {
            word = epoch;
        }
        long self = item.id + 1;
        long writer = word >> 2 * ID_BITS & ID_MASK;
        long reader = word >> ID_BITS & ID_MASK;
        long otherReader = word & ID_MASK;
        if (writer != 0 && writer != self) {
            throw race(item, local, index, write, writer, true);
        }
        if (write) {
            if (reader != 0 && reader != self) {
                throw race(item, local, index, true, reader, false);
            }
            if (otherReader != 0 && otherReader != self) {
                throw race(item, local, index, true, otherReader, false);
            }
            word |= self << 2 * ID_BITS;
        } else if (reader == 0) {
            word |= self << ID_BITS;
        } else if (reader != self && otherReader == 0) {
            word |= self;
        } else {
            return;
        }
        local.shadow[index] = word;
    }

    private static KernelException race(
            WorkItem item, LocalArray local, int index, boolean write, long other, boolean otherWrote) {
        WorkGroup group = item.group;
        String otherName = new WorkItem(group, (int) other - 1).name();
        String what =
                "race in local memory: work-item " + item.name() + (write ? " writes" : " reads") + " index " + index
                        + " of local array " + local.order + " (" + local.describe() + "), which work-item " + otherName
                        + (otherWrote ? " has written" : " has read") + " since the last barrier";
        return group.error(what, item);
    }
}
