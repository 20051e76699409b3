package io.sage4j.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
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

    /** CUjitInputType. */
    private static final int INPUT_PTX = 1;

    /** An option; the driver takes numbers and pointers alike in the place of a pointer. */
    private record Option(int code, long value) {}

    private final String log;

    private CudaModule(CudaContext context, long raw, String log) {
        super(context, "a module", raw);
        this.log = log;
    }

    /** Options of a compilation in native memory, and its logs. */
    private static final class Compilation {
        private final MemorySegment info;
        private final MemorySegment error;
        private final int count;
        private final MemorySegment codes;
        private final MemorySegment values;

        Compilation(JitOptions jit, Arena arena) {
            // Zeroed, and one byte longer than the driver is told: there is always an end.
            info = arena.allocate(LOG_BYTES + 1);
            error = arena.allocate(LOG_BYTES + 1);
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
            count = options.size();
            codes = arena.allocate(JAVA_INT, count);
            values = arena.allocate(JAVA_LONG, count);
            for (int i = 0; i < options.size(); i++) {
                codes.setAtIndex(JAVA_INT, i, options.get(i).code());
                values.setAtIndex(JAVA_LONG, i, options.get(i).value());
            }
        }

        void require(CudaContext context, DriverFunction function, int code) {
            if (code != 0) {
                throw context.driver().failure(function, "compiling a PTX module", code, error.getString(0));
            }
        }
    }

    static CudaModule load(CudaContext context, String ptx, JitOptions jit) {
        try (Arena arena = Arena.ofConfined()) {
            Compilation c = new Compilation(jit, arena);
            MemorySegment out = arena.allocate(JAVA_LONG);
            MemorySegment text = arena.allocateFrom(ptx);
            c.require(
                    context,
                    DriverFunction.MODULE_LOAD,
                    context.tryCall(DriverFunction.MODULE_LOAD, out, text, c.count, c.codes, c.values));
            return new CudaModule(context, out.get(JAVA_LONG, 0), c.info.getString(0));
        }
    }

    static CudaModule load(CudaContext context, byte[] cubin) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment image = arena.allocate(Math.max(1, cubin.length), Long.BYTES);
            MemorySegment.copy(cubin, 0, image, JAVA_BYTE, 0, cubin.length);
            MemorySegment none = MemorySegment.NULL;
            long raw = context.create(DriverFunction.MODULE_LOAD, "loading machine code", image, 0, none, none);
            return new CudaModule(context, raw, "");
        }
    }

    @SuppressWarnings("restricted")
    static byte[] compile(CudaContext context, String ptx, JitOptions jit) {
        try (Arena arena = Arena.ofConfined()) {
            Compilation c = new Compilation(jit, arena);
            MemorySegment out = arena.allocate(JAVA_LONG);
            c.require(
                    context,
                    DriverFunction.LINK_CREATE,
                    context.tryCall(DriverFunction.LINK_CREATE, c.count, c.codes, c.values, out));
            long link = out.get(JAVA_LONG, 0);
            try {
                MemorySegment text = arena.allocateFrom(ptx);
                MemorySegment none = MemorySegment.NULL;
                MemorySegment name = arena.allocateFrom("sage4j");
                c.require(
                        context,
                        DriverFunction.LINK_ADD_DATA,
                        context.tryCall(
                                DriverFunction.LINK_ADD_DATA,
                                link,
                                INPUT_PTX,
                                text,
                                text.byteSize(),
                                name,
                                0,
                                none,
                                none));
                MemorySegment image = arena.allocate(ADDRESS);
                MemorySegment size = arena.allocate(JAVA_LONG);
                c.require(
                        context,
                        DriverFunction.LINK_COMPLETE,
                        context.tryCall(DriverFunction.LINK_COMPLETE, link, image, size));
                // The image ends with the link.
                return image.get(ADDRESS, 0).reinterpret(size.get(JAVA_LONG, 0)).toArray(JAVA_BYTE);
            } finally {
                context.tryCall(DriverFunction.LINK_DESTROY, link);
            }
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
