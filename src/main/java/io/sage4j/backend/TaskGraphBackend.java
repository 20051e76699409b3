package io.sage4j.backend;

import io.sage4j.AttentionResult.NumericReport;
import io.sage4j.AttentionResult.StepTime;
import io.sage4j.Layout;
import io.sage4j.SageException;
import io.sage4j.Tensor;
import io.sage4j.plan.ArrayBindings;
import io.sage4j.plan.AttentionPlan;
import io.sage4j.plan.AttentionProblem;
import io.sage4j.plan.Counts;
import io.sage4j.plan.DeviceSettings;
import io.sage4j.plan.Refusal;
import io.sage4j.plan.SourceOrder;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Supplier;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;
import uk.ac.manchester.tornado.api.exceptions.TornadoBailoutRuntimeException;
import uk.ac.manchester.tornado.api.exceptions.TornadoRuntimeException;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/** Runs the Java kernels as a task graph of whichever TornadoVM API is there: a real TornadoVM, or tornado-jvm. */
final class TaskGraphBackend implements AttentionBackend {
    private final String name;
    private final TornadoDevice device;
    private final DeviceSettings settings;
    /** Whether plans use the caller's TornadoVM arrays. The PTX backend may lose a copy of memory that sage4j did not pin. */
    private final boolean bindsArrays;

    private final PlanPool<Key> plans = new PlanPool<>();

    /**
     * Takes a device of the backend that this JVM was started with.
     *
     * @throws SageException if there is no such device, or the settings for it cannot work
     */
    TaskGraphBackend(String name, int deviceIndex) {
        this.name = name;
        SourceOrder.fix();
        try {
            device = TornadoDevices.device(name, deviceIndex);
            settings = DeviceSettings.of(device);
            bindsArrays = device.getTornadoVMBackend() != TornadoVMBackendType.PTX;
        } catch (SageException e) {
            throw e;
        } catch (RuntimeException | LinkageError e) {
            throw new SageException("backend " + name + " does not start: " + FailureLine.of(e), e);
        } catch (Error e) {
            throw refused(e);
        }
    }

    /** An error of TornadoVM's own, which are no exceptions there, or of Graal; an error of the JVM stays what it is. */
    private SageException refused(Error e) {
        if (e instanceof VirtualMachineError) {
            throw e;
        }
        return new SageException("backend " + name + " failed: " + FailureLine.of(e), e);
    }

    /** What a plan is found by: the problem, and the very arrays that it is bound to. */
    private record Key(AttentionProblem problem, ArrayBindings bindings) {
        @Override
        public boolean equals(Object other) {
            return other instanceof Key k
                    && problem.equals(k.problem)
                    && bindings.q() == k.bindings.q()
                    && bindings.k() == k.bindings.k()
                    && bindings.v() == k.bindings.v()
                    && bindings.mask() == k.bindings.mask()
                    && bindings.out() == k.bindings.out();
        }

        @Override
        public int hashCode() {
            return Objects.hash(problem, System.identityHashCode(bindings.q()), System.identityHashCode(bindings.k()));
        }
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public Optional<Refusal> refusal(AttentionRequest request) {
        if (request.q().isOnDevice()) {
            return Optional.of(new Refusal(
                    "backend " + name + " does not reach GPU memory", "copy the tensors, or open backend cuda"));
        }
        try {
            AttentionPlan.check(key(request).problem(), device);
            return Optional.empty();
        } catch (SageException e) {
            return Optional.of(new Refusal("backend " + name + ": " + e.getMessage(), "split the call"));
        }
    }

    @Override
    public Execution attend(AttentionRequest request) {
        AttentionRequest r = bindsArrays ? request : copied(request);
        Key key = key(r);
        try {
            AttentionPlan plan = acquire(key);
            Execution done;
            try {
                done = run(plan, r);
            } catch (Throwable t) {
                // What a failed run left on the device is not known: this plan is not used again.
                AfterFailure.run(t, plan::close);
                throw t;
            }
            plans.release(key, plan);
            return done;
        } catch (SageException e) {
            throw e;
        } catch (TornadoRuntimeException | TornadoBailoutRuntimeException e) {
            throw new SageException("backend " + name + " failed: " + FailureLine.of(e), e);
        } catch (OutOfMemoryError e) {
            throw new SageException(
                    "no memory for attention on q " + r.q() + ", k " + r.k() + " (" + FailureLine.of(e)
                            + "); give Java more (with ./sage4j: SAGE4J_JAVA_OPTS=-Xmx8g) or split the call",
                    e);
        } catch (RuntimeException e) {
            throw new SageException(
                    "backend " + name + " failed: " + e.getClass().getSimpleName() + ": " + FailureLine.of(e), e);
        } catch (Error e) {
            throw refused(e);
        }
    }

    private AttentionPlan acquire(Key key) {
        Supplier<AttentionPlan> build = () -> AttentionPlan.of(key.problem(), key.bindings(), device, settings);
        try {
            return plans.acquire(key, build);
        } catch (OutOfMemoryError e) {
            // Idle plans of other shapes must not keep a call from running.
            if (!plans.clear()) {
                throw e;
            }
            return plans.acquire(key, build);
        }
    }

    /** A call on the same memory, whose TornadoVM arrays are memory like any other. */
    static AttentionRequest copied(AttentionRequest r) {
        return new AttentionRequest(
                r.shape(),
                r.variant(),
                r.watchV(),
                r.layout(),
                r.diagonal(),
                r.smScale(),
                copied(r.q()),
                copied(r.k()),
                copied(r.v()),
                copied(r.mask()),
                copied(r.out()),
                r.lse());
    }

    private static Tensor copied(Tensor t) {
        return t == null || t.tornadoArray() == null ? t : Tensor.of(t.data(), t.dtype(), t.shape(), t.strides());
    }

    private static Key key(AttentionRequest r) {
        Layout layout = r.layout();
        AttentionProblem problem = new AttentionProblem(
                r.shape(),
                r.variant().rung(),
                r.variant().scheme(),
                r.diagonal(),
                r.smScale(),
                r.lse() != null,
                Staging.view(r.q(), layout),
                Staging.view(r.k(), layout),
                Staging.view(r.v(), layout),
                Staging.view(r.out(), layout),
                Staging.maskView(r.mask()));
        ArrayBindings bindings = new ArrayBindings(
                r.q().tornadoArray(),
                r.k().tornadoArray(),
                r.v().tornadoArray(),
                Staging.isMaskConverted(r.mask()) ? null : r.mask().tornadoArray(),
                r.out().tornadoArray());
        return new Key(problem, bindings);
    }

    private static Execution run(AttentionPlan plan, AttentionRequest r) {
        Layout layout = r.layout();
        copyIn(r.q(), layout, plan.q());
        copyIn(r.k(), layout, plan.k());
        copyIn(r.v(), layout, plan.v());
        boolean isMaskRead = r.shape().qoLen() > 0 && r.shape().kvLen() > 0;
        plan.mask()
                .filter(array -> isMaskRead && array != r.mask().tornadoArray())
                .ifPresent(array -> Staging.copyMaskIn(r.mask(), array.getSegment()));
        plan.run();
        if (r.out().tornadoArray() == null) {
            Staging.copyOut(plan.out().getSegment(), r.out(), layout);
        }
        plan.lse()
                .ifPresent(lse -> MemorySegment.copy(
                        lse.getSegment(), 0, r.lse().data(), 0, r.lse().size() * Float.BYTES));
        Counts counts = plan.counts();
        return new Execution(
                plan.steps().stream()
                        .map(s -> new StepTime(s.name(), s.nanos()))
                        .toList(),
                new NumericReport(counts.nonFinite(), counts.saturated(), counts.vFlushed(), counts.vTotal(), -1),
                "");
    }

    private static void copyIn(Tensor t, Layout layout, TornadoNativeArray array) {
        if (t.tornadoArray() == null) {
            Staging.copyIn(t, layout, array.getSegment());
        }
    }

    @Override
    public void close() {
        plans.close();
    }
}
