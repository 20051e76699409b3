package io.sage4j.tornadojvm;

import java.util.ArrayDeque;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.enums.ProfilerMode;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.exceptions.TornadoMemoryException;
import uk.ac.manchester.tornado.api.exceptions.TornadoRuntimeException;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * Graphs that run one after another, as often as asked for. Different plans may run at once on different threads; calls
 * of one plan wait for each other.
 */
public final class Plan {
    private static final AtomicInteger COUNT = new AtomicInteger();

    /** Profiles that a plan keeps; older ones are forgotten. */
    private static final int KEPT_PROFILES = 1024;

    private final int number = COUNT.getAndIncrement();
    private final List<Graph> graphs;
    private final ReentrantLock lock = new ReentrantLock();
    private final ArrayDeque<Profile> profiles = new ArrayDeque<>();
    private final boolean[] executedBefore;
    private final CheckedKernels checkedKernels = new CheckedKernels();

    private final long memory;

    private int executions;
    private int selected = -1;
    private GridScheduler scheduler;
    private ProfilerMode profiler;
    private long memoryLimit = Long.MAX_VALUE;
    private boolean threadInfo;
    private boolean closed;

    /**
     * Makes a plan.
     *
     * @param graphs its graphs, in order
     */
    public Plan(List<Graph> graphs) {
        this.graphs = List.copyOf(graphs);
        executedBefore = new boolean[graphs.size()];
        memory = memory(this.graphs);
        for (Graph graph : graphs) {
            for (Graph.Consumed use : graph.consumed()) {
                checkPersisted(graph, use);
            }
        }
    }

    private void checkPersisted(Graph graph, Graph.Consumed use) {
        for (Graph other : graphs) {
            if (other != graph
                    && (use.graph() == null || use.graph().equals(other.name()))
                    && other.persists(use.object())) {
                return;
            }
        }
        throw new TornadoRuntimeException("task graph " + graph.name() + " consumes a "
                + use.object().getClass().getSimpleName() + " from the device that "
                + (use.graph() == null ? "no other task graph" : "task graph " + use.graph())
                + " of this plan persists there");
    }

    /**
     * Number of this plan.
     *
     * @return from 0 in order of creation
     */
    public int number() {
        return number;
    }

    /**
     * Plans made so far.
     *
     * @return their number
     */
    public static int count() {
        return COUNT.get();
    }

    /**
     * Selects one graph, or all.
     *
     * @param index place of the graph, or -1
     */
    public void select(int index) {
        if (index < -1 || index >= graphs.size()) {
            throw new TornadoRuntimeException(
                    "withGraph(" + index + ") of a plan of " + graphs.size() + " task graphs");
        }
        selected = index;
    }

    /**
     * Sets the grids.
     *
     * @param grids by task, or null for none
     */
    public void schedule(GridScheduler grids) {
        if (grids != null && !grids.keySet().isEmpty()) {
            boolean used = false;
            for (String name : grids.keySet()) {
                used |= isTask(name);
            }
            if (!used) {
                throw new TornadoRuntimeException(
                        "worker grids for " + grids.keySet() + ", but this plan has no such task");
            }
        }
        scheduler = grids;
    }

    /* A scheduler may serve several plans, so an unknown graph is no error; an unknown task of a known graph is. */
    private boolean isTask(String name) {
        for (Graph graph : graphs) {
            if (name.startsWith(graph.name() + ".")) {
                if (graph.task(name.substring(graph.name().length() + 1)) == null) {
                    throw new TornadoRuntimeException(
                            "worker grid for " + name + ": task graph " + graph.name() + " has no such task");
                }
                return true;
            }
        }
        return false;
    }

    /**
     * Checks that a task exists.
     *
     * @param name {@code graph.task}
     */
    public void requireTask(String name) {
        for (Graph graph : graphs) {
            if (name.startsWith(graph.name() + ".")
                    && graph.task(name.substring(graph.name().length() + 1)) != null) {
                return;
            }
        }
        throw new TornadoRuntimeException("no task " + name + " in this plan");
    }

    /**
     * Turns the profiler on or off.
     *
     * @param mode how, or null for off
     */
    public void profile(ProfilerMode mode) {
        profiler = mode;
    }

    /**
     * Limits the bytes of all arrays.
     *
     * @param bytes the limit
     */
    public void limitMemory(long bytes) {
        memoryLimit = bytes;
    }

    /**
     * Turns printing of the geometry of each task on or off.
     *
     * @param on true for on
     */
    public void printThreads(boolean on) {
        threadInfo = on;
    }

    /** Forgets all profiles. */
    public void clearProfiles() {
        lock.lock();
        try {
            profiles.clear();
            executions = 0;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Profile of an earlier execution.
     *
     * @param index from 0 in order of execution
     * @return the profile
     */
    public Profile profile(int index) {
        lock.lock();
        try {
            int place = index - (executions - profiles.size());
            if (index < 0 || place >= profiles.size()) {
                throw new TornadoRuntimeException("getPlanResult(" + index + ") after " + executions + " executions");
            }
            if (place < 0) {
                throw new TornadoRuntimeException("getPlanResult(" + index + "): only the last " + KEPT_PROFILES
                        + " of " + executions + " results are kept");
            }
            return profiles.stream().skip(place).findFirst().orElseThrow();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Bytes of all arrays of the graphs.
     *
     * @return number of bytes
     */
    public long memory() {
        return memory;
    }

    private static long memory(List<Graph> graphs) {
        Set<Object> data = Graph.identitySet();
        graphs.forEach(graph -> data.addAll(graph.data()));
        long bytes = 0;
        for (Object object : data) {
            if (object instanceof TornadoNativeArray array) {
                bytes += array.getNumBytesOfSegmentWithHeader();
            }
        }
        return bytes;
    }

    /**
     * Whether an object is an argument, or travels with a graph.
     *
     * @param object the object
     * @return true if so
     */
    public boolean knows(Object object) {
        for (Graph graph : graphs) {
            if (graph.data().contains(object)) {
                return true;
            }
        }
        return false;
    }

    /**
     * Runs the selected graphs.
     *
     * @return what happened
     */
    public Profile execute() {
        lock.lock();
        try {
            if (closed) {
                throw new TornadoRuntimeException("execute() on a closed execution plan");
            }
            if (memory > memoryLimit) {
                throw new TornadoMemoryException(
                        "the arrays of this plan take " + memory + " bytes, the limit is " + memoryLimit);
            }
            Profile profile = new Profile(profiler != null, memory);
            for (int i = 0; i < graphs.size(); i++) {
                if (selected < 0 || selected == i) {
                    execute(i, profile);
                }
            }
            profile.end();
            executions++;
            profiles.add(profile);
            if (profiles.size() > KEPT_PROFILES) {
                profiles.remove();
            }
            if (profiler == ProfilerMode.CONSOLE) {
                System.out.println(profile.json());
            }
            return profile;
        } finally {
            lock.unlock();
        }
    }

    private void execute(int index, Profile profile) {
        Graph graph = graphs.get(index);
        profile.beginGraph(graph.name());
        for (Graph.Transfer transfer : graph.toDevice()) {
            if (transfer.mode() == DataTransferMode.EVERY_EXECUTION || !executedBefore[index]) {
                profile.copyIn(transfer.object());
            }
        }
        for (Graph.Task task : graph.tasks()) {
            run(graph, task, profile);
        }
        for (Graph.Transfer transfer : graph.toHost()) {
            if (transfer.mode() == DataTransferMode.EVERY_EXECUTION) {
                profile.copyOut(transfer.object());
            }
        }
        executedBefore[index] = true;
    }

    private void run(Graph graph, Graph.Task task, Profile profile) {
        String name = graph.name() + "." + task.id();
        if (!task.hasContext()) {
            if (threadInfo) {
                System.out.println("task " + name + " on " + TornadoJvm.NAME + ": plain Java, one thread");
            }
            long start = System.nanoTime();
            runPlain(name, task);
            profile.task(task.id(), start);
            return;
        }
        WorkerGrid worker = scheduler == null ? null : scheduler.get(name);
        Grid grid = worker == null ? Grid.single(name) : Grid.of(name, worker);
        if (threadInfo) {
            System.out.println("task " + name + " on " + TornadoJvm.NAME + ": " + grid);
        }
        boolean checked = TornadoJvm.isChecking();
        KernelCall call = task.call();
        String kernel = null;
        if (checked) {
            CheckedKernels.Kernel copy = checkedKernels.of(name, task, grid, graph.contexts());
            call = copy.call();
            kernel = copy.name();
        }
        Launch launch = new Launch(name, kernel, grid, call, task.arguments(), graph.contexts(), checked);
        long start = System.nanoTime();
        launch.run();
        profile.task(task.id(), start);
    }

    private static void runPlain(String name, Graph.Task task) {
        try {
            task.call().invoke(task.arguments());
        } catch (Throwable e) {
            String method = KernelFrames.kernel(e.getStackTrace());
            String kernel = method == null ? "of task " + name : method + " of task " + name;
            throw new KernelException(KernelFrames.describe(e), kernel, "(none)", "(none)", e);
        }
    }

    /**
     * Ends the plan.
     *
     * @throws TornadoExecutionPlanException if an execution is running on another thread
     */
    public void close() throws TornadoExecutionPlanException {
        if (!lock.tryLock()) {
            throw new TornadoExecutionPlanException("the execution plan is running");
        }
        try {
            closed = true;
        } finally {
            lock.unlock();
        }
    }
}
