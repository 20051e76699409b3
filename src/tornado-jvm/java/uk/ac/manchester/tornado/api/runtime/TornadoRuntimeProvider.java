package uk.ac.manchester.tornado.api.runtime;

import io.sage4j.tornadojvm.JvmRuntime;
import uk.ac.manchester.tornado.api.TornadoRuntime;

/** Gives the runtime. */
public class TornadoRuntimeProvider {
    /** Nothing to hold. */
    public TornadoRuntimeProvider() {}

    /**
     * The runtime of this process.
     *
     * @return that of tornado-jvm
     */
    public static TornadoRuntime getTornadoRuntime() {
        return JvmRuntime.INSTANCE;
    }
}
