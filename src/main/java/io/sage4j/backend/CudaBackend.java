package io.sage4j.backend;

import io.sage4j.AttentionResult.NumericReport;
import io.sage4j.AttentionResult.StepTime;
import io.sage4j.DType;
import io.sage4j.SageException;
import io.sage4j.Tensor;
import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaDriver;
import io.sage4j.cuda.CudaFunction;
import io.sage4j.cuda.DeviceInfo;
import io.sage4j.cuda.DeviceMemory;
import io.sage4j.cuda.JitOptions;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.Rung;
import io.sage4j.plan.NativeAttention;
import io.sage4j.plan.NativeAttention.Placed;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.PtxModule;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.function.Supplier;

/**
 * Runs the native kernels through the CUDA driver, without TornadoVM. Calls side by side run on streams of their own;
 * kernels are compiled when first wanted and kept. Device memory is a call's own, from the driver's pool.
 */
final class CudaBackend implements AttentionBackend {
    private final CudaContext context;
    private final DeviceInfo info;
    private final Arch arch;
    private final Map<Object, Compiled> kernels = new ConcurrentHashMap<>();
    private final ConcurrentLinkedDeque<CudaLane> idle = new ConcurrentLinkedDeque<>();
    private volatile boolean closed;

    /**
     * A kernel ready to be launched.
     *
     * @param function in its module
     * @param threads of a CTA
     * @param sharedBytes dynamic shared memory of a CTA
     */
    record Compiled(CudaFunction function, int threads, int sharedBytes) {}

    /** @throws SageException if there is no such GPU, or none that the kernels are for */
    CudaBackend(CudaDriver driver, int ordinal) {
        info = driver.device(ordinal).info();
        arch = arch(info);
        context = driver.device(ordinal).retainContext();
    }

    private static Arch arch(DeviceInfo gpu) {
        return switch (gpu.computeMajor() * 10 + gpu.computeMinor()) {
            case 80 -> Arch.SM_80;
            case 86, 87 -> Arch.SM_86;
            case 89 -> Arch.SM_89;
            case 90 -> Arch.SM_90A;
            case 100 -> Arch.SM_100A;
            case 120, 121 -> Arch.SM_120;
            default ->
                throw new SageException("GPU " + gpu.name() + " has compute capability " + gpu.computeMajor() + "."
                        + gpu.computeMinor() + ", the native kernels are for 8.0, 8.6, 8.7, 8.9, 9.0, 10.0, 12.0 and"
                        + " 12.1; use another backend");
        };
    }

    @Override
    public String name() {
        return Backends.CUDA;
    }

    Arch arch() {
        return arch;
    }

    DeviceInfo info() {
        return info;
    }

    Compiled compiled(Object key, Supplier<Kernel> generator) {
        return kernels.computeIfAbsent(key, k -> {
            Kernel kernel = generator.get();
            CudaFunction function = context.load(PtxModule.of(arch, kernel).text(), JitOptions.DEFAULT)
                    .function(kernel.name());
            int shared = kernel.dynamicSharedBytes();
            if (shared > 0) {
                function.allowDynamicShared(shared);
            }
            return new Compiled(function, kernel.maxThreads(), shared);
        });
    }

    @Override
    public Execution attend(AttentionRequest r) {
        requireNative(r);
        AttentionShape shape = r.shape();
        if (shape.qoLen() == 0 || shape.kvLen() == 0) {
            return withoutKeys(r);
        }
        CudaLane lane = idle.pollFirst();
        if (lane == null) {
            lane = new CudaLane(this, context);
        }
        List<StepTime> steps;
        try {
            steps = run(lane, r);
        } catch (Throwable t) {
            // What a failed call left in the stream is not known.
            lane.discard(t);
            throw t;
        }
        release(lane);
        return new Execution(steps, NumericReport.NOT_COUNTED);
    }

    private static void requireNative(AttentionRequest r) {
        if (r.variant().rung() != Rung.QUANTIZED) {
            throw new SageException("backend cuda computes quantized variants, not "
                    + r.variant().name() + "; use another variant or backend");
        }
        DType type = r.q().dtype();
        if (type != DType.FLOAT16 && type != DType.BFLOAT16) {
            throw new SageException("backend cuda takes float16 and bfloat16 tensors, these are " + type
                    + "; convert them or use another backend");
        }
        if (r.mask() != null) {
            throw new SageException("backend cuda takes no mask tensor; use causal, or another backend");
        }
    }

    private List<StepTime> run(CudaLane lane, AttentionRequest r) {
        AttentionShape shape = r.shape();
        DType type = r.q().dtype();
        Placed q = lane.upload(r.q(), r.layout());
        Placed k = lane.upload(r.k(), r.layout());
        Placed v = lane.upload(r.v(), r.layout());
        DeviceMemory out = lane.memory(Staging.stagedBytes(r.out()));
        Placed placed = CudaLane.placed(out, r.out(), r.layout());
        DeviceMemory lse = r.lse() == null ? null : lane.memory(r.lse().size() * Float.BYTES);
        NativeAttention.run(
                lane,
                new NativeAttention.Call(
                        shape,
                        r.variant().scheme(),
                        r.diagonal(),
                        r.smScale(),
                        type,
                        q,
                        k,
                        v,
                        placed,
                        lse == null ? 0 : lse.address()));
        MemorySegment output = lane.download(out);
        MemorySegment sums = lse == null ? null : lane.download(lse);
        List<StepTime> steps = lane.await();
        Staging.copyOut(output, r.out(), r.layout());
        if (sums != null) {
            MemorySegment.copy(sums, 0, r.lse().data(), 0, sums.byteSize());
        }
        lane.reset();
        return steps;
    }

    /** No query, or nothing that a query could see: zeros, and an lse of minus infinity. */
    private static Execution withoutKeys(AttentionRequest r) {
        Tensor out = r.out();
        if (out.size() > 0) {
            MemorySegment zeros = Arena.ofAuto().allocate(Staging.stagedBytes(out));
            Staging.copyOut(zeros, out, r.layout());
        }
        for (long i = 0; r.lse() != null && i < r.lse().size(); i++) {
            r.lse().data().set(ValueLayout.JAVA_FLOAT_UNALIGNED, i * Float.BYTES, Float.NEGATIVE_INFINITY);
        }
        return new Execution(List.of(), NumericReport.NOT_COUNTED);
    }

    private void release(CudaLane lane) {
        idle.addFirst(lane);
        if (closed) {
            closeIdle();
        }
    }

    private void closeIdle() {
        for (CudaLane lane = idle.pollFirst(); lane != null; lane = idle.pollFirst()) {
            lane.close();
        }
    }

    @Override
    public void close() {
        closed = true;
        closeIdle();
        context.close();
    }
}
