package uk.ac.manchester.tornado.api;

import io.sage4j.tornadojvm.Profile;
import uk.ac.manchester.tornado.api.profiler.ProfilerInterface;

/** Times and sizes of one execution, measured on the host. */
public class TornadoProfilerResult implements ProfilerInterface {
    private final Profile profile;
    private final String trace;

    TornadoProfilerResult(Profile profile, String trace) {
        this.profile = profile;
        this.trace = trace;
    }

    /** Time of the execution, in nanoseconds. */
    @Override
    public long getTotalTime() {
        return profile.total();
    }

    /** 0: kernels are compiled already. */
    @Override
    public long getCompileTime() {
        return 0;
    }

    /** 0: kernels are compiled already. */
    @Override
    public long getTornadoCompilerTime() {
        return 0;
    }

    /** 0: there is no driver. */
    @Override
    public long getDriverInstallTime() {
        return 0;
    }

    /** 0: nothing is copied. */
    @Override
    public long getDataTransfersTime() {
        return 0;
    }

    /** 0: nothing is copied. */
    @Override
    public long getDeviceWriteTime() {
        return 0;
    }

    /** 0: nothing is copied. */
    @Override
    public long getDeviceReadTime() {
        return 0;
    }

    /** 0: nothing is copied. */
    @Override
    public long getDataTransferDispatchTime() {
        return 0;
    }

    /** 0: starting the work-items is part of the kernel time. */
    @Override
    public long getKernelDispatchTime() {
        return 0;
    }

    /** Time of all tasks, in nanoseconds. */
    @Override
    public long getDeviceKernelTime() {
        return profile.kernels();
    }

    /** All figures, with the time of every task. */
    @Override
    public String getProfileLog() {
        return profile.json();
    }

    /** Bytes that a device would have received. */
    @Override
    public long getTotalBytesCopyIn() {
        return profile.bytesIn();
    }

    /** Bytes that a device would have sent back. */
    @Override
    public long getTotalBytesCopyOut() {
        return profile.bytesOut();
    }

    /** Bytes that would have moved in both directions. */
    @Override
    public long getTotalBytesTransferred() {
        return profile.bytesIn() + profile.bytesOut();
    }

    /** Bytes of the off-heap arrays of the plan. */
    @Override
    public long getTotalDeviceMemoryUsage() {
        return profile.memory();
    }

    /** Prints {@link #getProfileLog}. */
    public void dumpProfiles() {
        System.out.println(getProfileLog());
    }

    /**
     * The options of the plan when the result was asked for.
     *
     * @return as {@link TornadoExecutionPlan#getTraceExecutionPlan}
     */
    public String getTraceExecutionPlan() {
        return trace;
    }
}
