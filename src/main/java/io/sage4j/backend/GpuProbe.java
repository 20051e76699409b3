package io.sage4j.backend;

import io.sage4j.SageException;
import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaDriver;
import io.sage4j.cuda.CudaFunction;
import io.sage4j.cuda.CudaModule;
import io.sage4j.cuda.CudaStream;
import io.sage4j.cuda.DeviceInfo;
import io.sage4j.cuda.DeviceMemory;
import io.sage4j.cuda.JitOptions;
import io.sage4j.cuda.KernelArguments;
import io.sage4j.cuda.LaunchShape;
import io.sage4j.cuda.LaunchShape.Extent;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.MmaShape;
import io.sage4j.ptx.PtxModule;
import io.sage4j.ptx.kernel.AccumulatorProbe;
import io.sage4j.ptx.kernel.AccumulatorProbe.Bits;
import io.sage4j.ptx.kernel.NativeSupport;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * What a GPU's tensor cores keep of a sum, measured on it, and the variant to take there.
 *
 * @param gpu ordinal
 * @param variant to take, with the reason
 * @param findings measured, instruction by instruction
 * @param problem why nothing was measured; empty if it was
 */
public record GpuProbe(int gpu, String variant, List<Finding> findings, String problem) {
    private static final int FP32_BITS = 23;

    /**
     * One instruction.
     *
     * @param instruction short name
     * @param accumulatorBits bits of mantissa that the accumulator keeps, 23 being FP32
     * @param productBits bits that are kept between the products of one instruction, at least; 17 is all that FP8 admits
     */
    public record Finding(String instruction, int accumulatorBits, int productBits) {
        /** What follows. */
        public String meaning() {
            if (accumulatorBits >= FP32_BITS) {
                return "FP32 sums: one running sum is exact enough";
            }
            return instruction.contains("f16")
                    ? "FP16 sums: only where the sum of a tile is bounded"
                    : "FP" + (accumulatorBits + 9) + " sums: long ones are biased, sum tiles apart (int8-fp8)";
        }
    }

    /** Measures on a GPU; what goes wrong is told, not thrown. */
    public static GpuProbe of(CudaDriver driver, DeviceInfo info) {
        try {
            Arch arch = Arch.ofCapability(info.computeMajor() * 10 + info.computeMinor());
            NativeSupport support = NativeSupport.of(arch);
            List<Finding> findings = new ArrayList<>();
            try (CudaContext context = driver.device(info.ordinal()).retainContext()) {
                if (arch.sm() >= 89) {
                    findings.add(finding(context, arch, "FP8 mma.sync, f32", AccumulatorProbe.mma(MmaShape.E4M3_F32)));
                    findings.add(finding(context, arch, "FP8 mma.sync, f16", AccumulatorProbe.mma(MmaShape.E4M3_F16)));
                }
                if (arch == Arch.SM_90A) {
                    findings.add(finding(context, arch, "FP8 wgmma, f32", AccumulatorProbe.wgmma()));
                }
                findings.add(finding(context, arch, "FP16 mma.sync, f32", AccumulatorProbe.mma(MmaShape.F16_F32)));
            }
            return new GpuProbe(info.ordinal(), support.variant() + ": " + support.why(), findings, "");
        } catch (SageException | IllegalArgumentException e) {
            return new GpuProbe(info.ordinal(), "", List.of(), e.getMessage());
        }
    }

    private static Finding finding(CudaContext context, Arch arch, String name, Kernel kernel) {
        try (Arena arena = Arena.ofConfined();
                CudaStream stream = context.newStream();
                CudaModule module = context.load(PtxModule.of(arch, kernel).text(), JitOptions.DEFAULT);
                DeviceMemory memory = context.allocate((long) AccumulatorProbe.RESULTS * Float.BYTES)) {
            CudaFunction function = module.function(kernel.name());
            MemorySegment host = arena.allocate(memory.bytes(), Float.BYTES);
            LaunchShape shape = LaunchShape.of(Extent.of(1), Extent.of(kernel.maxThreads()));
            stream.launch(function, shape, new KernelArguments().int64(memory.address()));
            stream.download(memory, 0, host);
            stream.synchronize();
            Bits bits = Bits.of(host.toArray(ValueLayout.JAVA_FLOAT));
            return new Finding(name, bits.addend(), bits.products());
        }
    }
}
