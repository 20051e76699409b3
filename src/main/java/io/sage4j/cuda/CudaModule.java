package io.sage4j.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** A module, compiled for the GPU and loaded. */
public final class CudaModule extends Handle {
    private static final int LOG_BYTES = 16 * 1024;

    // CUjit_option
    private static final int MAX_REGISTERS = 0;
    private static final int INFO_LOG = 3;
    private static final int INFO_LOG_BYTES = 4;
    private static final int ERROR_LOG = 5;
    private static final int ERROR_LOG_BYTES = 6;
    private static final int OPTIMIZATION_LEVEL = 7;
    private static final int LOG_VERBOSE = 12;
    private static final int GENERATE_LINE_INFO = 13;

    /** An option; the driver takes numbers and pointers alike in the place of a pointer. */
    private record Option(int code, long value) {}

    private final String log;

    private CudaModule(CudaContext context, long raw, String log) {
        super(context, "a module", raw);
        this.log = log;
    }

    static CudaModule load(CudaContext context, String ptx, JitOptions jit) {
        try (Arena arena = Arena.ofConfined()) {
            // Zeroed, and one byte longer than the driver is told: there is always an end.
            MemorySegment info = arena.allocate(LOG_BYTES + 1);
            MemorySegment error = arena.allocate(LOG_BYTES + 1);
            List<Option> options = new ArrayList<>(List.of(
                    new Option(INFO_LOG, info.address()),
                    new Option(INFO_LOG_BYTES, LOG_BYTES),
                    new Option(ERROR_LOG, error.address()),
                    new Option(ERROR_LOG_BYTES, LOG_BYTES),
                    new Option(OPTIMIZATION_LEVEL, jit.optimization()),
                    new Option(LOG_VERBOSE, jit.verbose() ? 1 : 0),
                    new Option(GENERATE_LINE_INFO, jit.lineInfo() ? 1 : 0)));
            if (jit.maxRegisters() != 0) {
                options.add(new Option(MAX_REGISTERS, jit.maxRegisters()));
            }
            MemorySegment codes = arena.allocate(JAVA_INT, options.size());
            MemorySegment values = arena.allocate(JAVA_LONG, options.size());
            for (int i = 0; i < options.size(); i++) {
                codes.setAtIndex(JAVA_INT, i, options.get(i).code());
                values.setAtIndex(JAVA_LONG, i, options.get(i).value());
            }
            MemorySegment out = arena.allocate(JAVA_LONG);
            int code = context.tryCall(
                    DriverFunction.MODULE_LOAD, out, arena.allocateFrom(ptx), options.size(), codes, values);
            if (code != 0) {
                throw context.driver()
                        .failure(DriverFunction.MODULE_LOAD, "compiling a PTX module", code, error.getString(0));
            }
            return new CudaModule(context, out.get(JAVA_LONG, 0), info.getString(0));
        }
    }

    /** What the compiler said; registers and spills if {@link JitOptions#verbose()}. */
    public String log() {
        return log;
    }

    /**
     * A kernel. It ends with the module.
     *
     * @param name its name in the PTX
     */
    public CudaFunction function(String name) {
        given(name, "kernel name");
        try (Arena arena = Arena.ofConfined()) {
            long raw = context()
                    .create(
                            DriverFunction.MODULE_GET_FUNCTION,
                            "looking for kernel " + name,
                            use(),
                            arena.allocateFrom(name));
            return new CudaFunction(this, name, raw);
        }
    }

    @Override
    void free(long handle) {
        context().call(DriverFunction.MODULE_UNLOAD, "unloading a module", handle);
    }
}
