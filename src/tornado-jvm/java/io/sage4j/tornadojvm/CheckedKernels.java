package io.sage4j.tornadojvm;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.exceptions.TornadoRuntimeException;

/**
 * Finds the method behind a task and gives its instrumented copy.
 *
 * <p>A functional interface does not tell which method it calls. So the kernel is run for the first work-items with all
 * its arrays replaced by null, until one ends at its first array access or at its first call of the kernel context,
 * before it can change anything, and the stack names it.
 */
final class CheckedKernels {
    /**
     * A kernel to run under the race check.
     *
     * @param name class and method
     * @param call calls the instrumented copy
     */
    record Kernel(String name, KernelCall call) {}

    /** Ends the search for the kernel at its first call of the kernel context. */
    static final class Found extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    private static final ClassValue<Class<?>> COPIES = new ClassValue<>() {
        @Override
        protected Class<?> computeValue(Class<?> type) {
            return InstrumentedCopy.of(type);
        }
    };

    private final Map<Graph.Task, Kernel> kernels = new IdentityHashMap<>();

    /** The instrumented copy of a task's kernel. */
    Kernel of(String name, Graph.Task task, Grid grid, Function<WorkItem, KernelContext> contexts) {
        return kernels.computeIfAbsent(task, key -> find(name, task, grid, contexts));
    }

    private static Kernel find(String name, Graph.Task task, Grid grid, Function<WorkItem, KernelContext> contexts) {
        StackTraceElement frame = probe(name, task, grid, contexts);
        if (frame == null) {
            return new Kernel(null, task.call()); // touches neither arrays nor the context
        }
        Method method = method(name, task, frame);
        Class<?> copy = COPIES.get(method.getDeclaringClass());
        try {
            MethodType type = MethodType.methodType(method.getReturnType(), method.getParameterTypes());
            MethodHandle handle = MethodHandles.privateLookupIn(copy, MethodHandles.lookup())
                    .findStatic(copy, method.getName(), type)
                    .asSpreader(Object[].class, task.arguments().length)
                    .asType(MethodType.methodType(void.class, Object[].class));
            String kernel = KernelFrames.simpleName(frame.getClassName()) + "." + frame.getMethodName();
            return new Kernel(kernel, handle::invokeExact);
        } catch (ReflectiveOperationException e) {
            throw new TornadoRuntimeException(e);
        }
    }

    private static StackTraceElement probe(
            String name, Graph.Task task, Grid grid, Function<WorkItem, KernelContext> contexts) {
        Launch launch = new Launch(name, null, grid, task.call(), task.arguments(), contexts, true);
        WorkGroup group = new SerialWorkGroup(launch, 0);
        StackTraceElement[] stack = null;
        for (int id = 0; id < grid.groupSize && stack == null; id++) {
            WorkItem item = new WorkItem(group, id);
            item.probe();
            try {
                task.call().invoke(scalarsOnly(task.arguments(), contexts.apply(item)));
            } catch (Throwable e) {
                stack = e.getStackTrace();
            }
        }
        if (stack == null) {
            return null;
        }
        if (stack.length == 0) {
            throw unsupported(
                    name,
                    "the JVM left out the stack that tells its kernel; start Java with"
                            + " -XX:-OmitStackTraceInFastThrow",
                    null);
        }
        StackTraceElement[] frames = KernelFrames.programFrames(stack);
        if (frames.length == 0) {
            throw unsupported(name, "its kernel was not found on the stack", null);
        }
        StackTraceElement entry = frames[frames.length - 1];
        boolean lambda = entry.getMethodName().startsWith("lambda$");
        if (lambda && !frames[0].getClassName().equals(entry.getClassName())) {
            throw unsupported(
                    name,
                    "it is a lambda in " + entry.getClassName() + " that calls " + frames[0].getClassName() + "."
                            + frames[0].getMethodName() + "; pass the kernel as a method reference",
                    null);
        }
        return entry;
    }

    private static Object[] scalarsOnly(Object[] arguments, KernelContext context) {
        Object[] scalars = new Object[arguments.length];
        for (int i = 0; i < scalars.length; i++) {
            Object argument = arguments[i];
            if (argument instanceof KernelContext) {
                scalars[i] = context;
            } else if (argument instanceof Number
                    || argument instanceof Boolean
                    || argument instanceof Character
                    || argument instanceof Enum) {
                scalars[i] = argument;
            }
        }
        return scalars;
    }

    private static Method method(String name, Graph.Task task, StackTraceElement frame) {
        Class<?> type;
        try {
            type = Class.forName(frame.getClassName(), false, task.loader());
        } catch (ClassNotFoundException e) {
            throw unsupported(name, "its class " + frame.getClassName() + " was not found", e);
        }
        List<Method> matches = new ArrayList<>();
        for (Method method : type.getDeclaredMethods()) {
            if (method.getName().equals(frame.getMethodName())
                    && Modifier.isStatic(method.getModifiers())
                    && accepts(method.getParameterTypes(), task.arguments())) {
                matches.add(method);
            }
        }
        if (matches.size() != 1) {
            throw unsupported(
                    name,
                    frame.getClassName() + "." + frame.getMethodName() + " has " + matches.size()
                            + " static overloads for its arguments, expected one; a kernel must be a static method"
                            + " without captured values",
                    null);
        }
        return matches.get(0);
    }

    private static boolean accepts(Class<?>[] parameters, Object[] arguments) {
        if (parameters.length != arguments.length) {
            return false;
        }
        for (int i = 0; i < parameters.length; i++) {
            if (!MethodType.methodType(parameters[i]).wrap().returnType().isInstance(arguments[i])) {
                return false;
            }
        }
        return true;
    }

    static TornadoRuntimeException unsupported(String name, String why, Exception cause) {
        TornadoRuntimeException error =
                new TornadoRuntimeException("task " + name + " cannot run under the race check: " + why);
        if (cause != null) {
            error.initCause(cause);
        }
        return error;
    }
}
