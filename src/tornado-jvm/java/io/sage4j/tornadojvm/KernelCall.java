package io.sage4j.tornadojvm;

/** Calls a kernel with its arguments; made without reflection from the functional interfaces of the API. */
@FunctionalInterface
public interface KernelCall {
    /**
     * Runs the kernel once.
     *
     * @param arguments in the order of its parameters
     * @throws Throwable what the kernel throws
     */
    void invoke(Object[] arguments) throws Throwable;
}
