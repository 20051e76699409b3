package io.sage4j.backend;

import io.sage4j.DType;
import io.sage4j.SageException;
import io.sage4j.cuda.DeviceInfo;
import io.sage4j.numeric.Rung;
import io.sage4j.plan.Refusal;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.kernel.NativeSupport;
import java.util.Optional;

/** What backend cuda takes on a GPU. Needs to know the GPU, and starts nothing on it. */
final class CudaRules implements BackendRules {
    private final DeviceInfo info;
    private final Arch arch;

    /** @throws SageException if the kernels are for no such GPU */
    CudaRules(DeviceInfo info) {
        this.info = info;
        try {
            arch = Arch.ofCapability(info.computeMajor() * 10 + info.computeMinor());
        } catch (IllegalArgumentException e) {
            throw new SageException("GPU " + info.name() + " has " + e.getMessage() + "; use another backend", e);
        }
    }

    Arch arch() {
        return arch;
    }

    @Override
    public String name() {
        return Backends.cudaName(info.ordinal());
    }

    @Override
    public boolean watchesV() {
        return true;
    }

    @Override
    public Choice variantFor(int headDim) {
        NativeSupport best = NativeSupport.of(arch).forDim(headDim);
        return new Choice(best.recommended(), "best on " + arch.ptx() + ": " + best.why());
    }

    @Override
    public Optional<Refusal> refusal(AttentionRequest r) {
        Optional<Refusal> rule = ofAllKernels(r);
        return rule.isPresent() || CudaBackend.isEmpty(r)
                ? rule
                : CudaPlan.refusal(
                        arch, info, r.q().isOnDevice() ? CudaBackend.callInPlace(r) : CudaBackend.callOfCopies(r));
    }

    /** What no kernel takes; the rest is said where a call is laid out, {@link CudaPlan#refusal}. */
    static Optional<Refusal> ofAllKernels(AttentionRequest r) {
        if (r.variant().rung() != Rung.QUANTIZED) {
            return Optional.of(new Refusal(
                    "backend cuda computes quantized variants, not "
                            + r.variant().name(),
                    "use another variant or backend"));
        }
        if (r.q().isOnDevice() && r.q().dtype() == DType.FLOAT32) {
            return Optional.of(new Refusal(
                    "backend cuda takes float16 and bfloat16 tensors in GPU memory, these are float32",
                    "convert them there, or pass them in host memory, from where they are rounded on the way"));
        }
        return r.mask() == null
                ? Optional.empty()
                : Optional.of(new Refusal("backend cuda takes no mask tensor", "use causal, or another backend"));
    }
}
