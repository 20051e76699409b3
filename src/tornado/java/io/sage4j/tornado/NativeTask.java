package io.sage4j.tornado;

import io.sage4j.SageException;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Kernel;
import java.util.Arrays;
import uk.ac.manchester.tornado.api.common.Access;
import uk.ac.manchester.tornado.api.common.LibraryTaskDescriptor;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * A native kernel as a task of a TornadoVM task graph on the CUDA backend:
 *
 * <pre>
 * graph.libraryTask("smooth-k", NativeTask::call, task, new Object[] {k, heads, ..., mean}, 7)
 * </pre>
 *
 * @param kernel the kernel
 * @param arch target
 * @param gridX CTAs in the first dimension
 * @param gridY CTAs in the second dimension
 * @param gridZ CTAs in the third dimension
 */
public record NativeTask(Kernel kernel, Arch arch, int gridX, int gridY, int gridZ) {
    /** Name of the library among those of TornadoVM. */
    public static final String LIBRARY = "sage4j/native";

    /**
     * Describes a call.
     *
     * @param task which kernel, and how many CTAs
     * @param arguments one a parameter of the kernel, in order: an array of TornadoVM where it takes an address, else an
     *     Integer, Long or Float
     * @param output position of the array that the kernel writes; it reads the others
     * @throws SageException if an argument is none of these, or the output is no array
     */
    public static LibraryTaskDescriptor call(NativeTask task, Object[] arguments, Integer output) {
        if (arguments.length != task.kernel().params().size()) {
            throw new SageException("kernel " + task.kernel().name() + " takes "
                    + task.kernel().params().size() + " arguments, got " + arguments.length);
        }
        if (output < 0 || output >= arguments.length || !(arguments[output] instanceof TornadoNativeArray)) {
            throw new SageException(
                    "output of kernel " + task.kernel().name() + " is argument " + output + ", which is no array");
        }
        for (Object argument : arguments) {
            if (!(argument instanceof TornadoNativeArray
                    || argument instanceof Integer
                    || argument instanceof Long
                    || argument instanceof Float)) {
                throw new SageException("argument " + argument + " of kernel "
                        + task.kernel().name() + ": expected an array of TornadoVM, an Integer, Long or Float");
            }
        }
        Access[] access = new Access[arguments.length];
        Arrays.fill(access, Access.READ_ONLY);
        access[output] = Access.WRITE_ONLY;
        return new LibraryTaskDescriptor()
                .withLibrary(LIBRARY)
                .withFunction(task.kernel().name())
                .withParameters(arguments.clone())
                .withAccess(access)
                .withTuning(task);
    }
}
