package io.sage4j.plan;

import io.sage4j.SageException;
import io.sage4j.kernel.Convert;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Rung;
import java.util.Collections;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.enums.ProfilerMode;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * Attention as one TornadoVM task graph. Building a plan allocates every array; {@link #run} allocates none, reads the input
 * arrays as they are and writes the output arrays. One thread at a time.
 */
public final class AttentionPlan implements AutoCloseable {
    /** A first run compiles; drivers' compilers (PoCL's cache, say) do not all bear several of them side by side. */
    private static final Object COMPILING = new Object();

    /** Runs with step times: TornadoVM keeps the profile of each for as long as the plan lives, and gives all of them at once. */
    static final int TIMED_RUNS = 256;

    /** Runs that one TornadoVM plan object is asked for: it keeps what came of each. */
    private static final int RUNS_OF_A_VIEW = 256;

    /** Longest sequence. */
    private static final int MAX_LENGTH = 1 << 30;

    private static final Pattern TASK =
            Pattern.compile("\"" + StepGraph.NAME + "\\.([a-z0-9-]+)\"\\s*:\\s*\\{([^{}]*)\\}");
    private static final Pattern FIELD = Pattern.compile("\"([A-Z_]+)\"\\s*:\\s*\"([^\"]*)\"");

    /**
     * What TornadoVM's profiler says of one step of the last run.
     *
     * @param name step, such as {@code quantize-k}
     * @param nanos time on the device
     * @param backend backend that ran it, such as {@code OPENCL}
     * @param device device that ran it, as its driver names it
     */
    public record Step(String name, long nanos, String backend, String device) {}

    private final AttentionProblem problem;
    private final HostMemory memory;
    private final PlanArrays arrays;
    private final PlanIo io;
    private final AttentionSteps family;
    private final List<String> stepNames;
    private final TornadoExecutionPlan execution;
    private boolean timed;
    private TornadoExecutionPlan view;
    private TornadoExecutionResult result;
    private int runs;

    private AttentionPlan(
            AttentionProblem problem,
            ArrayBindings bindings,
            KernelConfig config,
            TornadoDevice device,
            DeviceSettings settings,
            HostMemory memory) {
        this.problem = problem;
        this.memory = memory;
        arrays = new PlanArrays(memory);
        io = PlanIo.of(problem, bindings, arrays);
        timed = config.stepTimes();
        if (isEmpty(problem.shape())) {
            family = null;
            stepNames = List.of();
            execution = null;
            return;
        }
        family = problem.rung().isQuantized()
                ? new QuantizedSteps(problem, config, io, arrays)
                : new PlainSteps(problem, config, io, arrays);
        io.carry(family.counted());
        StepGraph steps = new StepGraph();
        steps.graph
                .transferToDevice(DataTransferMode.FIRST_EXECUTION, arrays.standIns())
                .transferToDevice(DataTransferMode.FIRST_EXECUTION, io.views().toArray())
                .transferToDevice(
                        DataTransferMode.FIRST_EXECUTION, family.constants().toArray())
                .transferToDevice(DataTransferMode.EVERY_EXECUTION, io.inputs().toArray());
        if (!io.out().full()) {
            keepGaps(steps);
        }
        family.addTo(steps);
        if (io.narrows()) {
            narrow(steps);
        }
        steps.graph.transferToHost(DataTransferMode.EVERY_EXECUTION, io.out().array());
        if (!io.carries()) {
            steps.graph.transferToHost(DataTransferMode.EVERY_EXECUTION, family.counted());
        }
        if (problem.lse()) {
            steps.graph.transferToHost(DataTransferMode.EVERY_EXECUTION, io.lse());
        }
        steps.graph.transferToHost(DataTransferMode.UNDER_DEMAND, betweenSteps());
        stepNames = steps.steps();
        // Each call changes the one plan and also gives an object that describes all calls before it, which TornadoVM
        // writes out at every run.
        execution = new TornadoExecutionPlan(steps.graph.snapshot());
        execution.withGridScheduler(steps.grids);
        execution.withDevice(device);
        // TornadoVM 5.2.0 has flags for OpenCL's compiler alone.
        if (device.getTornadoVMBackend() == TornadoVMBackendType.OPENCL) {
            execution.withCompilerFlags(TornadoVMBackendType.OPENCL, settings.compilerFlags());
        }
        if (timed) {
            execution.withProfiler(ProfilerMode.SILENT);
        }
        if (settings.cudaGraph()) {
            execution.withCUDAGraph();
        }
    }

    /** A plan with its own arrays, for TornadoVM's default device and with its settings. */
    public static AttentionPlan of(AttentionProblem problem) {
        TornadoDevice device = TornadoExecutionPlan.getDevice(0, 0);
        return of(problem, ArrayBindings.NONE, device, DeviceSettings.of(device));
    }

    /** A plan for TornadoVM's default device, with the flags of its backend. */
    public static AttentionPlan of(AttentionProblem problem, ArrayBindings bindings, KernelConfig config) {
        TornadoDevice device = TornadoExecutionPlan.getDevice(0, 0);
        return of(problem, bindings, config, device, DeviceSettings.of(device));
    }

    /**
     * A plan.
     *
     * @param problem what to compute
     * @param bindings arrays of the caller to use
     * @param device where to run
     * @param settings how to run there
     * @throws SageException if an array would be too large, or a bound array does not fit
     */
    public static AttentionPlan of(
            AttentionProblem problem, ArrayBindings bindings, TornadoDevice device, DeviceSettings settings) {
        return of(problem, bindings, settings.kernels(), device, settings);
    }

    private static AttentionPlan of(
            AttentionProblem problem,
            ArrayBindings bindings,
            KernelConfig config,
            TornadoDevice device,
            DeviceSettings settings) {
        check(problem, device);
        HostMemory memory = HostMemory.of(device);
        try {
            return new AttentionPlan(problem, bindings, config, device, settings, memory);
        } catch (RuntimeException | Error e) {
            memory.close();
            throw e;
        }
    }

    /**
     * Checks what a device can do and an array can hold, for the most part: what a plan would refuse when its arrays are made is
     * not all of it.
     *
     * @throws SageException if there can be no plan
     */
    public static void check(AttentionProblem problem, TornadoDevice device) {
        try {
            problem.rung().requireFits(problem.scheme());
        } catch (IllegalArgumentException e) {
            throw new SageException(e.getMessage(), e);
        }
        requireOperations(problem.rung(), device);
        requireLengths(problem.shape());
        if (!isEmpty(problem.shape())) {
            if (problem.rung().isQuantized()) {
                QuantizedSteps.check(problem);
            } else {
                PlainSteps.check(problem);
            }
        }
    }

    /** Says what a backend of TornadoVM lacks before it is asked to compile it; tornado-jvm lacks nothing. */
    private static void requireOperations(Rung rung, TornadoDevice device) {
        if (TornadoApi.isReal()) {
            requireOperations(rung, device.getTornadoVMBackend().name().toLowerCase(Locale.ROOT));
        }
    }

    static void requireOperations(Rung rung, String backend) {
        if (!rung.tornadoBackends().contains(backend)) {
            throw new SageException("rung " + rung + " needs operations of tensor cores that TornadoVM has on "
                    + String.join(" and ", rung.tornadoBackends()) + ", not on " + backend
                    + "; use --backend tornado:" + rung.tornadoBackends().get(0) + " or another variant");
        }
    }

    /** Keeps the sums and products of sizes, here and in the kernels, inside an int. */
    private static void requireLengths(AttentionShape shape) {
        if (Math.max(shape.qoLen(), shape.kvLen()) > MAX_LENGTH) {
            throw new SageException(
                    "qo_len is " + shape.qoLen() + ", kv_len " + shape.kvLen() + ", expected at most " + MAX_LENGTH);
        }
        long heads = (long) shape.batch() * shape.qHeads();
        PlanArrays.requireFits("heads", heads);
        PlanArrays.requireFits("rows of q", heads * shape.qoLen());
        PlanArrays.requireFits("rows of k", (long) shape.batch() * shape.kvHeads() * shape.kvLen());
    }

    private static boolean isEmpty(AttentionShape shape) {
        return shape.qoLen() == 0 || shape.kvLen() == 0;
    }

    private void keepGaps(StepGraph steps) {
        PlanArrays.Operand out = io.out();
        steps.graph.task(
                steps.groups("keep-gaps", 1, 1),
                Convert::touch,
                steps.context,
                out.view(),
                out.floats(),
                out.halves(),
                out.bfloats(),
                out.type());
    }

    private void narrow(StepGraph steps) {
        PlanArrays.Operand out = io.out();
        AttentionShape shape = problem.shape();
        long heads = (long) shape.batch() * shape.qHeads();
        steps.graph.task(
                steps.groups("narrow", Convert.groups(heads, shape.qoLen()), Convert.ITEMS),
                Convert::narrow,
                steps.context,
                out.view(),
                io.wide(),
                out.floats(),
                out.halves(),
                out.bfloats(),
                family.counted(),
                out.type());
    }

    /** Memory of its own arrays, on the host; on a device they take as much again. */
    public long bytes() {
        return arrays.bytes();
    }

    /** Computes the output from what the input arrays hold now. */
    public void run() {
        if (execution == null) {
            writeEmpty();
            return;
        }
        if (timed && runs >= TIMED_RUNS && TornadoApi.isReal()) {
            execution.withoutProfiler();
            timed = false;
        }
        if (runs++ % RUNS_OF_A_VIEW == 0) {
            view = execution.withAllGraphs();
        }
        if (result == null && TornadoApi.isReal()) {
            synchronized (COMPILING) {
                result = view.execute();
            }
        } else {
            result = view.execute();
        }
    }

    /** No key: every row is zero, and its log-sum-exp minus infinity. */
    private void writeEmpty() {
        AttentionShape shape = problem.shape();
        for (int head = 0; head < shape.batch() * shape.qHeads(); head++) {
            for (int row = 0; row < shape.qoLen(); row++) {
                io.writeZeroRow(head, row);
                if (problem.lse()) {
                    io.lse().set(head * shape.qoLen() + row, Float.NEGATIVE_INFINITY);
                }
            }
        }
    }

    /** Array of Q: FloatArray, HalfFloatArray, or ShortArray for bfloat16. */
    public TornadoNativeArray q() {
        return io.q().tensor();
    }

    /** Array of K. */
    public TornadoNativeArray k() {
        return io.k().tensor();
    }

    /** Array of V. */
    public TornadoNativeArray v() {
        return io.v().tensor();
    }

    /** Array of the mask, ByteArray or FloatArray, if there is a mask. */
    public Optional<TornadoNativeArray> mask() {
        return problem.mask().kind() == MaskView.Kind.NONE ? Optional.empty() : Optional.of(io.mask());
    }

    /** Array of the output. */
    public TornadoNativeArray out() {
        return io.out().tensor();
    }

    /** Log-sum-exp of each row, [batch, qHeads, qoLen], if the problem asks for it. */
    public Optional<FloatArray> lse() {
        return problem.lse() ? Optional.of(io.lse()) : Optional.empty();
    }

    /** Names of the steps, in order; none if there is nothing to compute. */
    public List<String> stepNames() {
        return stepNames;
    }

    /**
     * Steps of the last run with their times; none before the first run, if the configuration asks for no times, and on TornadoVM after the
     * first {@link #TIMED_RUNS} runs.
     */
    public List<Step> steps() {
        if (result == null || !timed) {
            return List.of();
        }
        String log = result.getProfilerResult().getProfileLog();
        Map<String, Step> found = new HashMap<>();
        Matcher task = TASK.matcher(log == null ? "" : lastRun(log));
        while (task.find()) {
            Map<String, String> fields = new HashMap<>();
            for (Matcher field = FIELD.matcher(task.group(2)); field.find(); ) {
                fields.put(field.group(1), field.group(2));
            }
            String nanos = fields.get("TASK_KERNEL_TIME");
            if (nanos != null) {
                String name = task.group(1);
                found.put(name, new Step(name, Long.parseLong(nanos), fields.get("BACKEND"), fields.get("DEVICE")));
            }
        }
        return stepNames.stream().filter(found::containsKey).map(found::get).toList();
    }

    /** TornadoVM's log of a plan has all its runs, one after the other, and what was copied since, without steps. */
    private static String lastRun(String log) {
        int step = log.lastIndexOf('"' + StepGraph.NAME + '.');
        return log.substring(Math.max(0, log.lastIndexOf('"' + StepGraph.NAME + '"', step)));
    }

    /** What the kernels counted in the last run. */
    public Counts counts() {
        if (family == null || result == null) {
            return new Counts(0, 0, 0, Counts.elementsOfV(problem.shape()));
        }
        io.readCarried(family.counted());
        return family.counts();
    }

    /** The quantized operands of the last run, brought to the host; empty if nothing is quantized or nothing has run. */
    public Optional<OperandArrays> operands() {
        if (family == null || family.operands() == null || result == null) {
            return Optional.empty();
        }
        result.transferToHost(operandArrays());
        return Optional.of(family.operands());
    }

    private Object[] operandArrays() {
        return family.operands().arrays(List.of(arrays.standIns()));
    }

    /**
     * The arrays that one step writes for another. When a plan is closed TornadoVM frees what a graph moves to or from the device
     * and nothing else, so these are declared as moved, when asked for.
     */
    private Object[] betweenSteps() {
        Set<Object> moved = Collections.newSetFromMap(new IdentityHashMap<>());
        moved.addAll(List.of(arrays.standIns()));
        moved.addAll(io.views());
        moved.addAll(io.inputs());
        moved.addAll(family.constants());
        if (!io.carries()) {
            moved.add(family.counted());
        }
        moved.add(io.out().array());
        if (problem.lse()) {
            moved.add(io.lse());
        }
        return arrays.allocated().stream().filter(a -> !moved.contains(a)).toArray();
    }

    /** Arrays that this plan has allocated so far. */
    public int allocations() {
        return arrays.allocated().size();
    }

    /** Frees what the plan holds on the device. */
    @Override
    public void close() {
        if (execution != null) {
            try {
                execution.close();
            } catch (TornadoExecutionPlanException e) {
                throw new SageException("cannot free the device memory of a plan: " + e.getMessage(), e);
            }
        }
        memory.close();
    }
}
