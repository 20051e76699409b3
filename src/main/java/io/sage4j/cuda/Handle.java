package io.sage4j.cuda;

import io.sage4j.SageException;
import java.util.concurrent.atomic.AtomicBoolean;

/** A handle of the driver, made in a context. Closing twice is harmless; use after close is refused. */
abstract class Handle implements AutoCloseable {
    private final CudaContext context;
    private final String what;
    private final long raw;
    private final AtomicBoolean closed = new AtomicBoolean();

    /**
     * @param what for messages, "a stream" for example
     * @param raw the driver's handle or pointer
     */
    Handle(CudaContext context, String what, long raw) {
        this.context = context;
        this.what = what;
        this.raw = raw;
        context.adopt(this);
    }

    /** Gives the handle back to the driver. */
    abstract void free(long handle);

    final CudaContext context() {
        return context;
    }

    /** The driver's handle, for a call. */
    final long use() {
        if (closed.get()) {
            throw new SageException(what + " is closed, expected an open one; close it after its last use");
        }
        return raw;
    }

    final boolean isClosed() {
        return closed.get();
    }

    /** This handle's raw value for a call in a context, which must be the one that it was made in. */
    final long useIn(CudaContext used) {
        if (used != context) {
            throw new SageException(what + " belongs to another context, expected one of the same context");
        }
        return use();
    }

    @Override
    public final void close() {
        if (closed.compareAndSet(false, true)) {
            context.forget(this);
            free(raw);
        }
    }

    @Override
    public final String toString() {
        return what;
    }

    /** The argument itself; a null one is bad input like any other. */
    static <T> T given(T argument, String name) {
        if (argument == null) {
            throw new SageException(name + " is null, expected a value");
        }
        return argument;
    }
}
