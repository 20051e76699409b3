package io.sage4j.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Native functions that are an object's methods, those whose names begin as the driver's do. What is called is noted; what a method
 * throws is kept, as it would end the JVM; and a function fails when told to.
 */
@SuppressWarnings("restricted")
final class Upcalls {
    private static final int UPCALL_THREW = 999;

    final List<String> calls = Collections.synchronizedList(new ArrayList<>());
    final List<Throwable> thrown = Collections.synchronizedList(new ArrayList<>());
    private final Map<String, Integer> failures = new ConcurrentHashMap<>();
    private final Object functions;
    private final Arena arena;

    /** @param arena in which the native functions live */
    Upcalls(Object functions, Arena arena) {
        this.functions = functions;
        this.arena = arena;
    }

    /** Makes a function fail from now on; 0 lets it work again. */
    void fail(String function, int code) {
        failures.put(function, code);
    }

    /** The functions, but for those that are missing. */
    SymbolLookup symbols(Set<String> missing) {
        Map<String, Method> byName = Stream.of(functions.getClass().getDeclaredMethods())
                .filter(m -> m.getName().startsWith("cu")
                        && Character.isUpperCase(m.getName().charAt(2)))
                .collect(Collectors.toMap(Method::getName, m -> m));
        return name -> missing.contains(name)
                ? Optional.empty()
                : Optional.ofNullable(byName.get(name)).map(this::stub);
    }

    private MemorySegment stub(Method method) {
        try {
            MethodHandle body = MethodHandles.lookup().unreflect(method).bindTo(functions);
            List<Class<?>> parameters = body.type().parameterList();
            // What an upcall throws would end the JVM.
            MethodHandle safe = MethodHandles.catchException(
                    body, Throwable.class, MethodHandles.dropArguments(own("threw", Throwable.class), 1, parameters));
            MethodHandle isToWork = MethodHandles.insertArguments(own("isToWork", String.class), 0, method.getName());
            MethodHandle toldCode = MethodHandles.insertArguments(own("toldCode", String.class), 0, method.getName());
            MethodHandle told = MethodHandles.guardWithTest(
                    MethodHandles.dropArguments(isToWork, 0, parameters),
                    safe,
                    MethodHandles.dropArguments(toldCode, 0, parameters));
            MemoryLayout[] arguments = parameters.stream().map(Upcalls::layout).toArray(MemoryLayout[]::new);
            return Linker.nativeLinker().upcallStub(told, FunctionDescriptor.of(JAVA_INT, arguments), arena);
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    private MethodHandle own(String name, Class<?> parameter) throws ReflectiveOperationException {
        return MethodHandles.lookup()
                .unreflect(Upcalls.class.getDeclaredMethod(name, parameter))
                .bindTo(this);
    }

    private static MemoryLayout layout(Class<?> type) {
        if (type == int.class) {
            return JAVA_INT;
        }
        if (type == long.class) {
            return JAVA_LONG;
        }
        return type == byte.class ? JAVA_BYTE : ADDRESS;
    }

    private int threw(Throwable e) {
        thrown.add(e);
        return UPCALL_THREW;
    }

    private boolean isToWork(String function) {
        calls.add(function);
        return failures.getOrDefault(function, 0) == 0;
    }

    private int toldCode(String function) {
        return failures.get(function);
    }
}
