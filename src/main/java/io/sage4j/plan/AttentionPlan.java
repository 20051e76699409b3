package io.sage4j.plan;

import io.sage4j.SageException;
import io.sage4j.kernel.Convert;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Rung;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
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
    /**
     * OpenCL compiles with relaxed arithmetic by default, under which the rounding of the kernels is optimized away and NaN
     * has no meaning; other backends ignore this.
     */
    private static final String OPENCL_FLAGS = "-w";

    /** Longest sequence. */
    private static final int MAX_LENGTH = 1 << 30;

    private static final Pattern KERNEL_TIME = Pattern.compile(
            "\"" + StepGraph.NAME + "\\.([a-z-]+)\"\\s*:\\s*\\{[^{}]*\"TASK_KERNEL_TIME\"\\s*:\\s*\"(\\d+)\"");

    /**
     * Time of one step of the last run.
     *
     * @param name step, such as {@code quantize-k}
     * @param nanos time on the device
     */
    public record Step(String name, long nanos) {}

    private final AttentionProblem problem;
    private final PlanArrays arrays = new PlanArrays();
    private final PlanIo io;
    private final AttentionSteps family;
    private final List<String> stepNames;
    private final TornadoExecutionPlan execution;
    private final boolean timed;
    private TornadoExecutionResult result;

    private AttentionPlan(AttentionProblem problem, ArrayBindings bindings, KernelConfig config) {
        this.problem = problem;
        io = PlanIo.of(problem, bindings, arrays);
        timed = config.stepTimes();
        if (isEmpty(problem.shape())) {
            family = null;
            stepNames = List.of();
            execution = null;
            return;
        }
        family = problem.rung() == Rung.QUANTIZED
                ? new QuantizedSteps(problem, config, io, arrays)
                : new PlainSteps(problem, config, io, arrays);
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
        steps.graph
                .transferToHost(DataTransferMode.EVERY_EXECUTION, io.out().array())
                .transferToHost(
                        DataTransferMode.EVERY_EXECUTION, family.results().toArray());
        if (problem.lse()) {
            steps.graph.transferToHost(DataTransferMode.EVERY_EXECUTION, io.lse());
        }
        if (family.operands() != null) {
            steps.graph.transferToHost(DataTransferMode.UNDER_DEMAND, operandArrays());
        }
        stepNames = steps.steps();
        execution = new TornadoExecutionPlan(steps.graph.snapshot())
                .withGridScheduler(steps.grids)
                .withCompilerFlags(TornadoVMBackendType.OPENCL, OPENCL_FLAGS);
        if (timed) {
            execution.withProfiler(ProfilerMode.SILENT);
        }
    }

    /** A plan with its own arrays. */
    public static AttentionPlan of(AttentionProblem problem) {
        return of(problem, ArrayBindings.NONE, KernelConfig.DEFAULT);
    }

    /**
     * A plan.
     *
     * @param problem what to compute
     * @param bindings arrays of the caller to use
     * @param config sizes of work-groups
     * @throws SageException if an array would be too large, or a bound array does not fit
     */
    public static AttentionPlan of(AttentionProblem problem, ArrayBindings bindings, KernelConfig config) {
        if ((problem.rung() == Rung.QUANTIZED) != problem.scheme().isQuantized()) {
            throw new SageException("rung " + problem.rung() + " does not fit a scheme with Q K^T in "
                    + problem.scheme().qk());
        }
        requireLengths(problem.shape());
        if (!isEmpty(problem.shape())) {
            if (problem.rung() == Rung.QUANTIZED) {
                QuantizedSteps.check(problem);
            } else {
                PlainSteps.check(problem);
            }
        }
        return new AttentionPlan(problem, bindings, config);
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
        steps.graph.task(
                steps.groups("narrow", Math.ceilDiv(io.wide().getSize(), Convert.CHUNK), Convert.ITEMS),
                Convert::narrow,
                steps.context,
                out.view(),
                io.wide(),
                out.floats(),
                out.halves(),
                out.bfloats(),
                out.type());
    }

    /** Computes the output from what the input arrays hold now. */
    public void run() {
        if (execution == null) {
            writeEmpty();
            return;
        }
        result = execution.execute();
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
        return io.q().array();
    }

    /** Array of K. */
    public TornadoNativeArray k() {
        return io.k().array();
    }

    /** Array of V. */
    public TornadoNativeArray v() {
        return io.v().array();
    }

    /** Array of the mask, ByteArray or FloatArray, if there is a mask. */
    public Optional<TornadoNativeArray> mask() {
        return problem.mask().kind() == MaskView.Kind.NONE ? Optional.empty() : Optional.of(io.mask());
    }

    /** Array of the output. */
    public TornadoNativeArray out() {
        return io.out().array();
    }

    /** Log-sum-exp of each row, [batch, qHeads, qoLen], if the problem asks for it. */
    public Optional<FloatArray> lse() {
        return problem.lse() ? Optional.of(io.lse()) : Optional.empty();
    }

    /** Names of the steps, in order; none if there is nothing to compute. */
    public List<String> stepNames() {
        return stepNames;
    }

    /** Steps of the last run with their times; none before the first run, or if the configuration asks for no times. */
    public List<Step> steps() {
        if (result == null || !timed) {
            return List.of();
        }
        String log = result.getProfilerResult().getProfileLog();
        Matcher matcher = KERNEL_TIME.matcher(log == null ? "" : log);
        Map<String, Long> nanos = new HashMap<>();
        while (matcher.find()) {
            nanos.put(matcher.group(1), Long.parseLong(matcher.group(2)));
        }
        return stepNames.stream()
                .filter(nanos::containsKey)
                .map(name -> new Step(name, nanos.get(name)))
                .toList();
    }

    /** What the kernels counted in the last run. */
    public Counts counts() {
        return family == null || result == null
                ? new Counts(0, 0, 0, Counts.elementsOfV(problem.shape()))
                : family.counts();
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

    /** Arrays that this plan has allocated so far. */
    public int allocations() {
        return arrays.allocations();
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
    }
}
