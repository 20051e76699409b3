package uk.ac.manchester.tornado.api;

import io.sage4j.tornadojvm.Plan;
import io.sage4j.tornadojvm.Profile;
import java.util.function.Supplier;
import uk.ac.manchester.tornado.api.exceptions.TornadoRuntimeException;

/** The result of one execution of a plan. */
public class TornadoExecutionResult {
    private final Plan plan;
    private final Profile profile;
    private final Supplier<String> trace;

    TornadoExecutionResult(Plan plan, Profile profile, Supplier<String> trace) {
        this.plan = plan;
        this.profile = profile;
        this.trace = trace;
    }

    /**
     * Times and sizes.
     *
     * @return the profile; all times are 0 unless the plan had the profiler on
     */
    public TornadoProfilerResult getProfilerResult() {
        return new TornadoProfilerResult(profile, trace.get());
    }

    /**
     * Checks that the objects belong to the plan; their contents are there already.
     *
     * @param objects arrays
     * @return this
     */
    public TornadoExecutionResult transferToHost(Object... objects) {
        for (Object object : objects) {
            if (!plan.knows(object)) {
                throw new TornadoRuntimeException("transferToHost of "
                        + (object == null ? "null" : "a " + object.getClass().getSimpleName())
                        + " that no task graph of this plan uses");
            }
        }
        return this;
    }

    /**
     * Checks that a range belongs to the plan; its contents are there already.
     *
     * @param dataRange range of an array
     * @return this
     */
    public TornadoExecutionResult transferToHost(DataRange dataRange) {
        dataRange.materialize();
        return transferToHost(dataRange.getArray());
    }

    /**
     * Whether the execution has ended.
     *
     * @return true: {@code execute} returns no sooner
     */
    public boolean isReady() {
        return true;
    }
}
