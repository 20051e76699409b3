package io.sage4j.tornadojvm;

import uk.ac.manchester.tornado.api.exceptions.TornadoRuntimeException;

/** An error inside a kernel, with the place where it happened. */
public class KernelException extends TornadoRuntimeException {
    private static final long serialVersionUID = 1L;

    private final String kernel;
    private final String group;
    private final String items;

    KernelException(String what, String kernel, String group, String items, Throwable cause) {
        super(what + " [kernel " + kernel + ", work-group " + group + ", work-item " + items + "]");
        this.kernel = kernel;
        this.group = group;
        this.items = items;
        if (cause != null) {
            initCause(cause);
        }
    }

    /**
     * The kernel: class and method where they are known, and the task.
     *
     * @return for example {@code Attention.tiled of task graph.attend}
     */
    public String kernel() {
        return kernel;
    }

    /**
     * The work-group.
     *
     * @return its three ids, for example {@code (3, 0, 0)}
     */
    public String group() {
        return group;
    }

    /**
     * The work-items concerned.
     *
     * @return their local ids, for example {@code (17, 0, 0)}
     */
    public String items() {
        return items;
    }
}
