package io.sage4j.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.sage4j.SageException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** A kernel of a module; usable as long as the module is open. */
public final class CudaFunction {
    private static final int INVALID_VALUE = 1;

    private final CudaModule module;
    private final String name;
    private final long raw;
    /** Bytes of each parameter; empty if the driver cannot tell. */
    private final Optional<List<Long>> parameters;

    CudaFunction(CudaModule module, String name, long raw) {
        this.module = module;
        this.name = name;
        this.raw = raw;
        this.parameters = module.context().driver().has(DriverFunction.FUNCTION_GET_PARAM_INFO)
                ? Optional.of(parameterSizes())
                : Optional.empty();
    }

    /** Name in the PTX. */
    public String name() {
        return name;
    }

    /** An attribute's value. */
    public int attribute(FunctionAttribute attribute) {
        Handle.given(attribute, "attribute");
        module.use();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_INT);
            module.context()
                    .call(
                            DriverFunction.FUNCTION_GET_ATTRIBUTE,
                            "asking kernel " + name + " for " + attribute,
                            out,
                            attribute.code(),
                            raw);
            return out.get(JAVA_INT, 0);
        }
    }

    /**
     * Lets launches ask for dynamic shared memory beyond the 48 KiB that need no leave.
     *
     * @param bytes the most that a launch will ask for
     */
    public void allowDynamicShared(int bytes) {
        if (bytes < 0) {
            throw new SageException("dynamic shared memory is " + bytes + " bytes, expected 0 or more");
        }
        module.use();
        module.context()
                .call(
                        DriverFunction.FUNCTION_SET_ATTRIBUTE,
                        "allowing kernel " + name + " " + bytes + " bytes of dynamic shared memory",
                        raw,
                        FunctionAttribute.MAX_DYNAMIC_SHARED_BYTES.code(),
                        bytes);
    }

    /** The driver's handle, for a launch in a context. */
    long useIn(CudaContext context) {
        module.useIn(context);
        return raw;
    }

    /** Refuses arguments that are not what the kernel takes: the driver would read past them. */
    void check(List<Long> sizes) {
        parameters.ifPresent(expected -> {
            if (!expected.equals(sizes)) {
                throw new SageException(
                        "kernel " + name + " got arguments of " + sizes + " bytes, expected parameters of " + expected);
            }
        });
    }

    private List<Long> parameterSizes() {
        List<Long> sizes = new ArrayList<>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment offset = arena.allocate(JAVA_LONG);
            MemorySegment size = arena.allocate(JAVA_LONG);
            while (true) {
                int code = module.context()
                        .tryCall(DriverFunction.FUNCTION_GET_PARAM_INFO, raw, (long) sizes.size(), offset, size);
                if (code == INVALID_VALUE) {
                    return sizes;
                }
                if (code != 0) {
                    throw module.context()
                            .driver()
                            .failure(
                                    DriverFunction.FUNCTION_GET_PARAM_INFO,
                                    "asking kernel " + name + " for its parameters",
                                    code,
                                    "");
                }
                sizes.add(size.get(JAVA_LONG, 0));
            }
        }
    }

    @Override
    public String toString() {
        return "kernel " + name;
    }
}
