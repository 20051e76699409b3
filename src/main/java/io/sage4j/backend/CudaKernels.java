package io.sage4j.backend;

import io.sage4j.backend.KernelStore.Stored;
import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaException;
import io.sage4j.cuda.CudaFunction;
import io.sage4j.cuda.FunctionAttribute;
import io.sage4j.cuda.JitOptions;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.PtxModule;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;

/**
 * The kernels that are loaded on a GPU: their PTX from files where an earlier process left it, else generated; compiled by the
 * driver, side by side.
 */
final class CudaKernels {
    private static final int SIDE_BY_SIDE = 8;

    /**
     * A kernel ready to be launched.
     *
     * @param function in its module
     * @param threads of a CTA
     * @param sharedBytes dynamic shared memory of a CTA
     */
    record Loaded(CudaFunction function, int threads, int sharedBytes) {}

    /**
     * A kernel that is wanted.
     *
     * @param key equal, and with equal text, for equal kernels
     * @param generator generates it
     */
    record Wanted(Object key, Supplier<Kernel> generator) {}

    private final CudaContext context;
    private final Arch arch;
    private final KernelStore store;
    private final String target;
    private final Map<Object, Loaded> loaded = new ConcurrentHashMap<>();

    CudaKernels(CudaContext context, Arch arch, KernelStore store) {
        this.context = context;
        this.arch = arch;
        // Without a version of the generators an old kernel could be taken for a new one.
        this.store = CodeVersion.here().isPresent() ? store : new KernelStore(Optional.empty());
        target = arch.ptx() + "; sage4j " + CodeVersion.here().orElse("");
    }

    /**
     * All of some kernels; those that are not loaded yet are got side by side, as each takes the compiler its time.
     *
     * @throws io.sage4j.SageException if one cannot be compiled
     */
    List<Loaded> get(List<Wanted> wanted) {
        List<Wanted> missing = wanted.stream()
                .filter(w -> !loaded.containsKey(w.key()))
                .distinct()
                .toList();
        if (missing.size() > 1) {
            together(missing);
        }
        return wanted.stream().map(this::get).toList();
    }

    private Loaded get(Wanted wanted) {
        return loaded.computeIfAbsent(wanted.key(), k -> load(wanted));
    }

    private void together(List<Wanted> missing) {
        ExecutorService threads = Executors.newFixedThreadPool(
                Math.min(missing.size(), SIDE_BY_SIDE),
                Thread.ofPlatform().daemon().name("sage4j-compile-", 0).factory());
        try {
            List<Future<Loaded>> all = new ArrayList<>();
            missing.forEach(w -> all.add(threads.submit(() -> get(w))));
            for (Future<Loaded> one : all) {
                one.get();
            }
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException failure) {
                throw failure;
            }
            throw new IllegalStateException("compiling a kernel failed", e.getCause());
        } catch (InterruptedException e) {
            // The calling thread compiles what is still missing.
            Thread.currentThread().interrupt();
        } finally {
            threads.shutdown();
        }
    }

    private Loaded load(Wanted wanted) {
        String key = target + "; " + wanted.key();
        Optional<Stored> kept = store.find(key);
        if (kept.isPresent()) {
            try {
                return load(kept.get());
            } catch (RuntimeException e) {
                if (!(e.getCause() instanceof CudaException)) {
                    throw e;
                }
                // The file is whole, but the driver does not take it: as if there were none.
            }
        }
        Kernel kernel = wanted.generator().get();
        String ptx = PtxModule.of(arch, kernel).text();
        Stored generated = new Stored(kernel.name(), kernel.maxThreads(), kernel.dynamicSharedBytes(), ptx);
        Loaded ready = load(generated);
        store.keep(key, generated);
        return ready;
    }

    private Loaded load(Stored stored) {
        CudaFunction function = context.load(stored.ptx(), JitOptions.DEFAULT).function(stored.name());
        if (stored.sharedBytes() > 0) {
            function.allowDynamicShared(stored.sharedBytes());
        }
        // The driver loads a kernel when it is first asked about; in a launch that is captured it could not.
        function.attribute(FunctionAttribute.REGISTERS);
        return new Loaded(function, stored.threads(), stored.sharedBytes());
    }
}
