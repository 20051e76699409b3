package io.sage4j.jmh;

import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.PtxModule;
import io.sage4j.ptx.kernel.NativeKernel;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * How long Java takes to write a native kernel as PTX, which the first call with a new kind of shape waits for. In a new process that is several
 * times as long, as nothing is compiled yet: hence single shots of fresh JVMs beside the average.
 */
@State(Scope.Benchmark)
@BenchmarkMode({Mode.AverageTime, Mode.SingleShotTime})
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(3)
public class EmitBenchmark {
    /** A kernel, the target it is for and the variant. */
    @Param({
        "wgmma-attention-q sm_90a int8-fp8-sm90",
        "quantize-kv sm_90a int8-fp8-sm90",
        "mma-attention sm_89 int8-fp8-f16acc",
        "mma-attention sm_80 int8-fp16"
    })
    public String kernel;

    private NativeKernel which;
    private NativeKernel.Options options;

    /** Finds the kernel. */
    @Setup
    public void find() {
        String[] words = kernel.split(" ");
        which = NativeKernel.of(words[0]);
        options = new NativeKernel.Options(
                Arch.of(words[1]), Variant.of(words[2]).scheme(), 128, false, false, DType.FLOAT16, true);
    }

    /** From the options to the text that goes to the driver. */
    @Benchmark
    public String emit() {
        return PtxModule.of(options.arch(), which.kernel(options)).text();
    }
}
