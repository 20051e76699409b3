package io.sage4j.plan;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.sim.GlobalMemory;
import io.sage4j.ptx.sim.Simulator;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** Runs kernels in the interpreter; those with instructions that it lacks are only noted. */
final class InterpretedDevice implements NativeDevice, AutoCloseable {
    final GlobalMemory global = new GlobalMemory();
    final Simulator simulator = new Simulator(global);
    final List<String> steps = new ArrayList<>();
    final Map<Long, MemorySegment> allocated = new HashMap<>();
    final Map<String, List<Object>> argumentsOf = new HashMap<>();
    final Map<String, Integer> gridOf = new HashMap<>();
    final List<String> overlapping = new ArrayList<>();
    Kernel last;

    private final Arena arena = Arena.ofConfined();
    private final Arch arch;
    private final int multiprocessors;
    private final long cacheBytes;
    private final boolean atOnce;
    private final List<Runnable> launches = new ArrayList<>();

    private InterpretedDevice(Arch arch, int multiprocessors, long cacheBytes, boolean atOnce) {
        this.arch = arch;
        this.multiprocessors = multiprocessors;
        this.cacheBytes = cacheBytes;
        this.atOnce = atOnce;
    }

    /** An H100 that runs each kernel when it is launched. */
    static InterpretedDevice atOnce(Arch arch) {
        return new InterpretedDevice(arch, 132, 50L << 20, true);
    }

    /** One that runs the kernels when it is asked to ({@link #run}). */
    static InterpretedDevice later(Arch arch, int multiprocessors, long cacheBytes) {
        return new InterpretedDevice(arch, multiprocessors, cacheBytes, false);
    }

    MemorySegment segment(long bytes) {
        MemorySegment segment = arena.allocate(Math.max(256, bytes), 256);
        segment.fill((byte) 0x7D);
        return segment;
    }

    @Override
    public Arch arch() {
        return arch;
    }

    @Override
    public int multiprocessors() {
        return multiprocessors;
    }

    @Override
    public long cacheBytes() {
        return cacheBytes;
    }

    @Override
    public long allocate(long bytes) {
        MemorySegment segment = segment(bytes);
        long address = global.map(segment);
        allocated.put(address, segment);
        return address;
    }

    @Override
    public void launch(
            String step,
            Object key,
            Supplier<Kernel> kernel,
            int gridX,
            int gridY,
            int gridZ,
            boolean overlaps,
            List<Object> arguments) {
        Kernel made = kernel.get();
        last = made;
        steps.add(step);
        argumentsOf.put(step, arguments);
        gridOf.put(step, gridX);
        if (overlaps) {
            overlapping.add(step);
        }
        assertThat(arguments).as(step).hasSameSizeAs(made.params());
        if (!made.requirement().hopperOnly()) {
            launches.add(() -> simulator.run(made, gridX, gridY, gridZ, arguments.toArray()));
        }
        if (atOnce) {
            run();
        }
    }

    /** Runs what has been launched and not been run. */
    void run() {
        launches.forEach(Runnable::run);
        launches.clear();
    }

    /** The allocation that an argument of a step points to. */
    MemorySegment argument(String step, int argument) {
        return allocated.get((Long) argumentsOf.get(step).get(argument));
    }

    @Override
    public void close() {
        arena.close();
    }
}
