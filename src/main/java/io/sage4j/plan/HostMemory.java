package io.sage4j.plan;

import io.sage4j.SageException;
import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaDriver;
import io.sage4j.cuda.DriverSearch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.function.Function;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;

/**
 * Memory of a plan's arrays, each in pages of its own. TornadoVM pins the memory of arrays, and CUDA refuses a copy that begins
 * in pinned memory and ends outside of it.
 *
 * <p>Its PTX backend takes no notice of either: memory of which some was pinned already, by an array that was freed since or by
 * anybody else in the process, counts as pinned, and of a copy that is refused 5.2.0 prints a line and goes on, so that kernels see
 * zeros. For that backend memory is pinned here, before TornadoVM asks for it. The driver then answers TornadoVM that it is
 * pinned, all of it, and TornadoVM leaves it so. Memory that cannot be pinned whole is not used.
 */
final class HostMemory implements AutoCloseable {
    static final long PAGE = 4096;

    /** Memory that may be found pinned before there is an error. */
    static final int MOST_REFUSED = 1000;

    /** What keeps memory pinned. */
    interface Pin extends AutoCloseable {
        @Override
        void close();
    }

    private static CudaContext context;

    private final Function<MemorySegment, Optional<Pin>> pinning;
    private final Arena arena;
    private final Deque<Pin> pins = new ArrayDeque<>();

    private HostMemory(Function<MemorySegment, Optional<Pin>> pinning, Arena arena) {
        this.pinning = pinning;
        this.arena = arena;
    }

    /** Memory for arrays on a device. */
    static HostMemory of(TornadoDevice device) {
        return device.getTornadoVMBackend() == TornadoVMBackendType.PTX
                ? pinned(memory -> context().pin(memory).map(lock -> lock::close))
                : plain();
    }

    /**
     * A GPU's context, which the driver needs to pin memory, for as long as the process lives. Any will do: memory is pinned for all.
     *
     * @throws SageException if there is no driver for us
     */
    private static synchronized CudaContext context() {
        if (context == null) {
            DriverSearch search = DriverSearch.here();
            CudaDriver driver = search.driver()
                    .orElseThrow(() -> new SageException("the arrays of the PTX backend cannot be pinned: "
                            + search.reason().orElseThrow()));
            context = driver.device(0).retainContext();
        }
        return context;
    }

    /** Memory that goes when nobody can reach it any more. */
    static HostMemory plain() {
        return new HostMemory(null, Arena.ofAuto());
    }

    /**
     * Memory that is pinned until this is closed.
     *
     * @param pinning pins memory; gives nothing if some of it is pinned already
     */
    static HostMemory pinned(Function<MemorySegment, Optional<Pin>> pinning) {
        return new HostMemory(pinning, Arena.ofShared());
    }

    /**
     * New memory, zeroed.
     *
     * @throws SageException if it cannot be pinned
     */
    MemorySegment allocate(long bytes) {
        long pages = Math.ceilDiv(bytes, PAGE) * PAGE;
        for (int refused = 0; refused < MOST_REFUSED; refused++) {
            // What is refused stays allocated until the end: it would only be found again.
            MemorySegment memory = arena.allocate(pages, PAGE);
            if (pinning == null) {
                return memory.asSlice(0, bytes);
            }
            Optional<Pin> pin = pinning.apply(memory);
            if (pin.isPresent()) {
                pins.push(pin.get());
                return memory.asSlice(0, bytes);
            }
        }
        throw new SageException("the driver says " + MOST_REFUSED + " times that new memory of " + pages
                + " bytes is pinned already: something in this process frees memory that it has pinned");
    }

    /** Unpins and frees the memory, if it is pinned. No copy may be under way. Closing twice is harmless. */
    @Override
    public void close() {
        if (pinning != null && arena.scope().isAlive()) {
            while (!pins.isEmpty()) {
                pins.pop().close();
            }
            arena.close();
        }
    }
}
