package io.sage4j.plan;

import java.security.CodeSource;
import uk.ac.manchester.tornado.api.KernelContext;

/** Which implementation of TornadoVM's API the kernels meet. */
public final class TornadoApi {
    /** The SDK is a set of named modules; tornado-jvm has a name of its own, or none on the class path. */
    private static final boolean REAL =
            "tornado.api".equals(KernelContext.class.getModule().getName());

    private static final boolean TORNADO_JVM = !REAL && isOurs();

    private TornadoApi() {}

    /** Whether it is a real TornadoVM's, on its modules. */
    public static boolean isReal() {
        return REAL;
    }

    /** Whether it is tornado-jvm; if it is neither, TornadoVM's jar is on the class path and nothing can run. */
    public static boolean isTornadoJvm() {
        return TORNADO_JVM;
    }

    /** Whether the API comes from where tornado-jvm's other classes do. */
    private static boolean isOurs() {
        try {
            Class<?> inside =
                    Class.forName("io.sage4j.tornadojvm.TornadoJvm", false, KernelContext.class.getClassLoader());
            CodeSource ours = inside.getProtectionDomain().getCodeSource();
            CodeSource found = KernelContext.class.getProtectionDomain().getCodeSource();
            return ours == null || found == null || ours.getLocation().equals(found.getLocation());
        } catch (ClassNotFoundException e) {
            return false;
        }
    }
}
