package io.sage4j.tornadojvm;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.stream.IntStream;
import uk.ac.manchester.tornado.api.KernelContext;

/**
 * One kernel over one grid. The groups are handed out in order to as many virtual threads as there are cores. The first
 * error cancels everything else: waiting items wake up and leave, running ones leave at their next wait, and
 * {@link #run} returns when all are gone.
 */
final class Launch {
    /** Thrown in the items that an error of another item cancels; never seen outside. */
    static final class Cancelled extends RuntimeException {
        private static final long serialVersionUID = 1L;

        private Cancelled() {
            super(null, null, false, false);
        }
    }

    private static final Cancelled CANCELLED = new Cancelled();

    final String task;
    final Grid grid;
    final KernelCall call;
    final boolean checked;

    private final Object[] arguments;
    private final int[] contextPlaces;
    private final Function<WorkItem, KernelContext> contexts;
    private final AtomicLong next = new AtomicLong();
    private final Set<WorkGroup> active = ConcurrentHashMap.newKeySet();
    private final String kernelName;

    private KernelException failure;

    /** Groups from this number on do not go on. */
    private volatile long cancelledFrom = Long.MAX_VALUE;

    /**
     * Prepares a launch.
     *
     * @param task full name of the task
     * @param kernelName class and method of the kernel, or null when not known
     * @param grid geometry
     * @param call the kernel
     * @param arguments its arguments; every {@link KernelContext} among them is replaced by that of the work-item
     * @param contexts makes the context of a work-item
     * @param checked whether local memory is checked
     */
    Launch(
            String task,
            String kernelName,
            Grid grid,
            KernelCall call,
            Object[] arguments,
            Function<WorkItem, KernelContext> contexts,
            boolean checked) {
        this.task = task;
        this.kernelName = kernelName;
        this.grid = grid;
        this.call = call;
        this.arguments = arguments;
        this.contexts = contexts;
        this.checked = checked;
        contextPlaces = IntStream.range(0, arguments.length)
                .filter(i -> arguments[i] instanceof KernelContext)
                .toArray();
    }

    /** Runs the launch to its end; throws the first error. */
    void run() {
        int runners = (int) Math.min(Runtime.getRuntime().availableProcessors(), grid.groups);
        Thread[] threads = new Thread[runners];
        for (int i = 0; i < runners; i++) {
            threads[i] = Thread.ofVirtual().unstarted(this::runGroups);
        }
        for (Thread thread : threads) {
            thread.start();
        }
        boolean interrupted = false;
        for (Thread thread : threads) {
            while (true) {
                try {
                    thread.join();
                    break;
                } catch (InterruptedException e) {
                    interrupted = true;
                    fail(0, new KernelException("execution interrupted", name(null), "(all)", "(all)", e));
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (failure != null) {
            throw failure;
        }
    }

    private void runGroups() {
        for (long g = next.getAndIncrement(); g < grid.groups && !isCancelled(g); g = next.getAndIncrement()) {
            try {
                runGroup(g);
            } catch (Throwable e) { // items report their own errors; this is the machine's, such as no memory
                fail(g, new KernelException(e.toString(), name(null), "number " + g, "(all)", e));
            }
        }
    }

    private void runGroup(long number) {
        WorkGroup group = checked ? new SerialWorkGroup(this, number) : new WorkGroup(this, number);
        active.add(group);
        try {
            group.run();
        } finally {
            active.remove(group);
        }
    }

    /** Runs one item to its end on this thread; errors end up in {@link #fail}. */
    void runItem(WorkItem item) {
        if (checked) {
            RaceCheck.enter(item);
        }
        try {
            Object[] own = arguments.clone();
            KernelContext context = contexts.apply(item);
            for (int place : contextPlaces) {
                own[place] = context;
            }
            call.invoke(own);
        } catch (Cancelled e) {
            // another item has failed, and that error is the one to report
        } catch (KernelException e) {
            fail(item.group.number, e);
        } catch (Throwable e) {
            fail(
                    item.group.number,
                    new KernelException(KernelFrames.describe(e), name(e), item.group.name(), item.name(), e));
        } finally {
            if (checked) {
                RaceCheck.leave();
            }
        }
    }

    /**
     * Takes an error and cancels. A checked launch lets the groups before the failing one end first, and reports the
     * error of the first group that has one, so that its reports repeat.
     */
    synchronized void fail(long group, KernelException error) {
        long from = checked ? group : 0;
        if (failure == null || from < cancelledFrom) {
            failure = error;
            cancelledFrom = from;
        }
        for (WorkGroup other : active) {
            other.wakeAll();
        }
    }

    boolean isCancelled(long group) {
        return group >= cancelledFrom;
    }

    void leaveIfCancelled(long group) {
        if (isCancelled(group)) {
            throw CANCELLED;
        }
    }

    /** The kernel in words; class and method are read off the stack of an error in it where not known otherwise. */
    String name(Throwable error) {
        String method = kernelName != null || error == null ? kernelName : KernelFrames.kernel(error.getStackTrace());
        return method == null ? "of task " + task : method + " of task " + task;
    }
}
