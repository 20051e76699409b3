package io.sage4j.plan;

/**
 * Keeps the source of a kernel the same from run to run, for compilers that keep what they compiled and find it by its source, such as NVRTC and
 * PoCL: they take seconds for an attention kernel.
 *
 * <p>TornadoVM 5.2.0 declares a kernel's variables in the order of hash maps, whose keys are its types of numbers. Those have no hash code but
 * the JVM's, which depends on how many others a thread was asked for before. So they are asked for at once, where a program begins. For PTX
 * that would not do: a kernel's name there has the hash code of its KernelContext.
 */
public final class SourceOrder {
    private static final String[] TYPES = {"opencl.graal.lir.OCLKind", "cuda.graal.lir.CUDAKind"};

    static {
        for (String type : TYPES) {
            try {
                for (Object number : Class.forName("uk.ac.manchester.tornado.drivers." + type)
                        .getEnumConstants()) {
                    number.hashCode();
                }
            } catch (ClassNotFoundException | LinkageError e) {
                // Not a backend of this JVM.
                continue;
            }
        }
    }

    private SourceOrder() {}

    /** Fixes it, if that has not been done. A command line does so before all else. */
    public static void fix() {
        // The work is done once, by the static initializer.
    }
}
