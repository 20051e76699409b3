package uk.ac.manchester.tornado.api;

import io.sage4j.tornadojvm.Graph;
import io.sage4j.tornadojvm.Plan;
import io.sage4j.tornadojvm.Sizes;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.ProfilerMode;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.exceptions.TornadoRuntimeException;
import uk.ac.manchester.tornado.api.runtime.TornadoRuntimeProvider;

/**
 * Runs task graphs, as often as asked for, with the options set here. Every {@code with} method changes this plan and
 * returns it.
 *
 * <p>What would only change how a device works off the same computation has nothing to do here and does nothing, and
 * its description says so; what tornado-jvm cannot do throws {@link TornadoRuntimeException} with the name of the call.
 */
public class TornadoExecutionPlan implements AutoCloseable {
    /** The device that runs everything: this Java virtual machine. */
    public static TornadoDevice DEFAULT_DEVICE =
            TornadoRuntimeProvider.getTornadoRuntime().getDefaultDevice();

    private final Plan plan;
    private final int graphs;
    private final Set<String> trace = Collections.synchronizedSet(new LinkedHashSet<>());

    /**
     * Makes a plan.
     *
     * @param immutableTaskGraphs its graphs, in the order in which they run
     */
    public TornadoExecutionPlan(ImmutableTaskGraph... immutableTaskGraphs) {
        plan = new Plan(Arrays.stream(immutableTaskGraphs)
                .map(ImmutableTaskGraph::graph)
                .toList());
        graphs = immutableTaskGraphs.length;
    }

    private TornadoExecutionPlan note(String option) {
        trace.add(option);
        return this;
    }

    /**
     * The device of a backend.
     *
     * @param driverIndex 0, the only backend
     * @param deviceIndex 0, its only device
     * @return the device
     */
    public static TornadoDevice getDevice(int driverIndex, int deviceIndex) {
        return TornadoRuntimeProvider.getTornadoRuntime()
                .getBackend(driverIndex)
                .getDevice(deviceIndex);
    }

    /**
     * Plans made so far in this process.
     *
     * @return their number
     */
    public static int getTotalPlans() {
        return Plan.count();
    }

    /**
     * All devices.
     *
     * @return a map of one device
     */
    public static TornadoDeviceMap getTornadoDeviceMap() {
        return new TornadoDeviceMap();
    }

    /**
     * Runs the selected graphs, all if none is selected.
     *
     * @return the result
     */
    public TornadoExecutionResult execute() {
        return new TornadoExecutionResult(plan, plan.execute(), this::getTraceExecutionPlan);
    }

    /**
     * Selects one graph.
     *
     * @param graphIndex its place in this plan
     * @return this
     */
    public TornadoExecutionPlan withGraph(int graphIndex) {
        plan.select(graphIndex);
        return note("withGraph(" + graphIndex + ")");
    }

    /**
     * Selects all graphs again.
     *
     * @return this
     */
    public TornadoExecutionPlan withAllGraphs() {
        plan.select(-1);
        return note("withAllGraphs");
    }

    /**
     * Does nothing: kernels are compiled already, by javac.
     *
     * @return this
     */
    public TornadoExecutionPlan withPreCompilation() {
        return note("withPreCompilation");
    }

    /**
     * Checks that the device is the one there is.
     *
     * @param device {@link #DEFAULT_DEVICE}
     * @return this
     */
    public TornadoExecutionPlan withDevice(TornadoDevice device) {
        requireJvm(device);
        return note("withDevice");
    }

    /** Prints what {@link #getTraceExecutionPlan} returns. */
    public void printTraceExecutionPlan() {
        System.out.println(getTraceExecutionPlan());
    }

    /**
     * The options set so far, each once.
     *
     * @return their names, in order
     */
    public String getTraceExecutionPlan() {
        return "ExecutionPlan " + getId() + trace;
    }

    @Override
    public String toString() {
        return getTraceExecutionPlan();
    }

    /**
     * Checks that the task exists and the device is the one there is.
     *
     * @param taskName {@code graph.task}
     * @param device {@link #DEFAULT_DEVICE}
     * @return this
     */
    public TornadoExecutionPlan withDevice(String taskName, TornadoDevice device) {
        plan.requireTask(taskName);
        requireJvm(device);
        return note("withDevice(" + taskName + ")");
    }

    private static void requireJvm(TornadoDevice device) {
        if (device != TornadoRuntimeProvider.getTornadoRuntime().getDefaultDevice()) {
            throw new TornadoRuntimeException("withDevice: this device is not that of tornado-jvm: " + device);
        }
    }

    /**
     * Not supported.
     *
     * @return this
     */
    public TornadoExecutionPlan withConcurrentDevices() {
        throw Graph.unsupported("TornadoExecutionPlan.withConcurrentDevices");
    }

    /**
     * Does nothing: devices are never used at once.
     *
     * @return this
     */
    public TornadoExecutionPlan withoutConcurrentDevices() {
        return note("withoutConcurrentDevices");
    }

    /**
     * The device of a graph.
     *
     * @param immutableTaskGraphIndex place of the graph
     * @return the device
     */
    public TornadoDevice getDevice(int immutableTaskGraphIndex) {
        if (immutableTaskGraphIndex < 0 || immutableTaskGraphIndex >= graphs) {
            throw new TornadoRuntimeException(
                    "getDevice(" + immutableTaskGraphIndex + ") of a plan of " + graphs + " task graphs");
        }
        return TornadoRuntimeProvider.getTornadoRuntime().getDefaultDevice();
    }

    /**
     * Does nothing: arrays are never copied to a device.
     *
     * @return this
     */
    public TornadoExecutionPlan freeDeviceMemory() {
        return note("freeDeviceMemory");
    }

    /**
     * Sets the grids of the tasks. A grid for a task that its graph does not have is an error.
     *
     * @param gridScheduler the grids
     * @return this
     */
    public TornadoExecutionPlan withGridScheduler(GridScheduler gridScheduler) {
        plan.schedule(gridScheduler);
        return note("withGridScheduler");
    }

    /**
     * Forgets the grids; tasks with a kernel context then run one work-item.
     *
     * @return this
     */
    public TornadoExecutionPlan withDefaultScheduler() {
        plan.schedule(null);
        return note("withDefaultScheduler");
    }

    /**
     * Not supported.
     *
     * @param batchSize bytes
     * @return this
     */
    public TornadoExecutionPlan withBatch(String batchSize) {
        throw Graph.unsupported("TornadoExecutionPlan.withBatch");
    }

    /**
     * Turns the profiler on; without it all times of a result are 0.
     *
     * @param profilerMode whether it also prints
     * @return this
     */
    public TornadoExecutionPlan withProfiler(ProfilerMode profilerMode) {
        plan.profile(profilerMode);
        return note("withProfiler(" + profilerMode + ")");
    }

    /**
     * Turns the profiler off.
     *
     * @return this
     */
    public TornadoExecutionPlan withoutProfiler() {
        plan.profile((ProfilerMode) null);
        return note("withoutProfiler");
    }

    /**
     * Limits the bytes of all off-heap arrays; an execution above the limit is an error.
     *
     * @param memoryLimit for example {@code 512MB} or {@code 1GB}
     * @return this
     */
    public TornadoExecutionPlan withMemoryLimit(String memoryLimit) {
        plan.limitMemory(Sizes.parse(memoryLimit));
        return note("withMemoryLimit(" + memoryLimit + ")");
    }

    /**
     * Removes the limit.
     *
     * @return this
     */
    public TornadoExecutionPlan withoutMemoryLimit() {
        plan.limitMemory(Long.MAX_VALUE);
        return note("withoutMemoryLimit");
    }

    /**
     * Does nothing: there is no state of a device.
     *
     * @return this
     */
    public TornadoExecutionPlan resetDevice() {
        return note("resetDevice");
    }

    /**
     * Number of this plan.
     *
     * @return from 0 in order of creation
     */
    public long getId() {
        return plan.number();
    }

    /**
     * Plans made so far in this process.
     *
     * @return their number
     */
    public long getGlobalExecutionPlansCounter() {
        return Plan.count();
    }

    /**
     * Forgets the results of earlier executions.
     *
     * @return this
     */
    public TornadoExecutionPlan clearProfiles() {
        plan.clearProfiles();
        return note("clearProfiles");
    }

    /**
     * Prints the geometry of every task when it runs.
     *
     * @return this
     */
    public TornadoExecutionPlan withThreadInfo() {
        plan.printThreads(true);
        return note("withThreadInfo");
    }

    /**
     * Stops printing the geometry.
     *
     * @return this
     */
    public TornadoExecutionPlan withoutThreadInfo() {
        plan.printThreads(false);
        return note("withoutThreadInfo");
    }

    /**
     * Not supported: no kernel code is generated.
     *
     * @return this
     */
    public TornadoExecutionPlan withPrintKernel() {
        throw Graph.unsupported("TornadoExecutionPlan.withPrintKernel");
    }

    /**
     * Does nothing: no kernel code is ever printed.
     *
     * @return this
     */
    public TornadoExecutionPlan withoutPrintKernel() {
        return note("withoutPrintKernel");
    }

    /**
     * Flags of a backend that is not running have no effect, as in TornadoVM; those of the JVM are not supported, since no
     * kernel code is compiled.
     *
     * @param backend the backend that the flags are for
     * @param compilerFlags its flags
     * @return this
     */
    public TornadoExecutionPlan withCompilerFlags(TornadoVMBackendType backend, String compilerFlags) {
        if (backend == TornadoVMBackendType.JAVA) {
            throw Graph.unsupported("TornadoExecutionPlan.withCompilerFlags");
        }
        return note("withCompilerFlags");
    }

    /**
     * Ends this plan; it cannot be executed any more.
     *
     * @throws TornadoExecutionPlanException if it is being executed by another thread
     */
    @Override
    public void close() throws TornadoExecutionPlanException {
        plan.close();
    }

    /**
     * Bytes of the off-heap arrays of this plan, which take the place of device memory.
     *
     * @return number of bytes
     */
    public long getCurrentDeviceMemoryUsage() {
        return plan.memory();
    }

    /**
     * Result of an earlier execution.
     *
     * @param index from 0 in order of execution
     * @return the result
     */
    public TornadoExecutionResult getPlanResult(int index) {
        return new TornadoExecutionResult(plan, plan.profile(index), this::getTraceExecutionPlan);
    }

    /**
     * Not supported.
     *
     * @param destTornadoArray an array
     * @param srcTornadoArray another
     * @param offset first element
     * @param fromGraphIndex a graph
     * @param toGraphIndex another
     */
    public void mapOnDeviceMemoryRegion(
            Object destTornadoArray, Object srcTornadoArray, long offset, int fromGraphIndex, int toGraphIndex) {
        throw Graph.unsupported("TornadoExecutionPlan.mapOnDeviceMemoryRegion");
    }

    /**
     * Executes the plan again and again for a time, at least once.
     *
     * @param milliseconds how long
     * @return this
     * @throws InterruptedException if the thread is interrupted
     */
    public TornadoExecutionPlan withWarmUpTime(long milliseconds) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(milliseconds);
        do {
            if (Thread.interrupted()) {
                throw new InterruptedException("withWarmUpTime");
            }
            plan.execute();
        } while (System.nanoTime() < end);
        return note("withWarmUpTime(" + milliseconds + ")");
    }

    /**
     * Executes the plan several times.
     *
     * @param iterations how often
     * @return this
     */
    public TornadoExecutionPlan withWarmUpIterations(int iterations) {
        for (int i = 0; i < iterations; i++) {
            plan.execute();
        }
        return note("withWarmUpIterations(" + iterations + ")");
    }

    /**
     * Not supported: there is no CUDA.
     *
     * @return this
     */
    public TornadoExecutionPlan withCUDAGraph() {
        throw Graph.unsupported("TornadoExecutionPlan.withCUDAGraph");
    }

    /**
     * Does nothing, as on every backend without streams: it allows tasks to overlap, and they never do here.
     *
     * @return this
     */
    public TornadoExecutionPlan withIntraPlanConcurrency() {
        return note("withIntraPlanConcurrency");
    }

    /**
     * Does nothing: tasks never overlap.
     *
     * @return this
     */
    public TornadoExecutionPlan withoutIntraPlanConcurrency() {
        return note("withoutIntraPlanConcurrency");
    }

    /**
     * Does nothing, as on every backend without streams: there are no transfers to stage.
     *
     * @return this
     */
    public TornadoExecutionPlan withStagedTransfers() {
        return note("withStagedTransfers");
    }

    /**
     * Does nothing: there are no transfers to stage.
     *
     * @return this
     */
    public TornadoExecutionPlan withoutStagedTransfers() {
        return note("withoutStagedTransfers");
    }
}
