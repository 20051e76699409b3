package io.sage4j.plan;

import uk.ac.manchester.tornado.api.KernelContext;

/** Which implementation of TornadoVM's API the kernels meet. */
public final class TornadoApi {
    /** The SDK is a set of named modules; tornado-jvm has a name of its own, or none on the class path. */
    private static final boolean REAL =
            "tornado.api".equals(KernelContext.class.getModule().getName());

    private TornadoApi() {}

    /** Whether it is a real TornadoVM's, not tornado-jvm's. */
    public static boolean isReal() {
        return REAL;
    }
}
