package io.sage4j.cli;

import io.sage4j.DType;
import io.sage4j.SageException;
import io.sage4j.Variant;
import io.sage4j.io.AtomicFile;
import io.sage4j.numeric.TileShape;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.PtxModule;
import io.sage4j.ptx.kernel.NativeKernel;
import java.io.PrintWriter;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** {@code sage4j ptx}. */
@Command(
        name = "ptx",
        description = {
            "Print the PTX of a native kernel.",
            "Without --variant a kernel that there is on Hopper tiles only is that of int8-fp8-sm90."
        })
final class PtxCommand implements Callable<Integer> {
    private static final Variant HOPPER = Variant.of("int8-fp8-sm90");

    private static final Set<NativeKernel> HOPPER_ONLY = EnumSet.of(
            NativeKernel.WGMMA_ATTENTION,
            NativeKernel.WGMMA_ATTENTION_Q,
            NativeKernel.WGMMA_ATTENTION_PACKED,
            NativeKernel.WGMMA_ATTENTION_PARTS,
            NativeKernel.WGMMA_JOIN_PARTS,
            NativeKernel.QUANTIZE_KV,
            NativeKernel.QUANTIZE_KV_PACKED);

    @Spec
    private CommandSpec spec;

    @ArgGroup(multiplicity = "1")
    private Choice choice;

    /** A kernel, or the list of them. */
    private static final class Choice {
        @Option(names = "--kernel", required = true, paramLabel = "NAME", description = "Which kernel.")
        private String kernel;

        @Option(names = "--list", required = true, description = "List the kernels.")
        private boolean list;
    }

    @Option(
            names = "--arch",
            paramLabel = "sm_XX",
            defaultValue = "sm_90a",
            description = "Target. Default: ${DEFAULT-VALUE}.")
    private String arch;

    @Mixin
    private VariantOptions variant;

    @Option(
            names = "--head-dim",
            paramLabel = "D",
            converter = Words.ToHeadDim.class,
            defaultValue = "128",
            description = "Channels of a head, 1 to 256 (128 on Hopper tiles). Default: ${DEFAULT-VALUE}.")
    private int headDim;

    @Option(names = "--causal", description = "With the causal mask; for attention kernels.")
    private boolean causal;

    @Option(names = "--lse", description = "With the log-sum-exp; for attention kernels.")
    private boolean lse;

    @Option(
            names = "--dtype",
            paramLabel = "TYPE",
            converter = ToHalf.class,
            defaultValue = "fp16",
            description = "fp16 or bf16: input of a quantizer, output of attention. Default: ${DEFAULT-VALUE}.")
    private DType type;

    @Option(names = "--narrow", description = "For strides or channels that allow no wide loads and stores.")
    private boolean narrow;

    @Option(names = "--stats", description = "Print instructions, registers and shared memory instead.")
    private boolean stats;

    @Option(
            names = {"-o", "--out"},
            paramLabel = "FILE",
            converter = Words.ToFile.class,
            description = "Write to a file.")
    private Path file;

    /** {@code fp16} or {@code bf16}, or as the files name them. */
    static final class ToHalf implements ITypeConverter<DType> {
        @Override
        public DType convert(String word) {
            return switch (word) {
                case "fp16", "float16" -> DType.FLOAT16;
                case "bf16", "bfloat16" -> DType.BFLOAT16;
                default -> throw new TypeConversionException("'" + word + "', expected fp16 or bf16");
            };
        }
    }

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        String text = choice.list ? list() : module();
        if (file == null) {
            out.print(text);
            out.flush();
        } else {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            AtomicFile.write(file, channel -> AtomicFile.write(channel, MemorySegment.ofArray(bytes)));
        }
        return 0;
    }

    private static String list() {
        StringBuilder text = new StringBuilder();
        for (NativeKernel kernel : NativeKernel.values()) {
            text.append(String.format("%-22s %s%n", kernel, kernel.summary()));
        }
        return text.toString();
    }

    private String module() {
        NativeKernel which = NativeKernel.of(choice.kernel);
        Variant asked = variant.variant(HOPPER_ONLY.contains(which) ? HOPPER : Variant.INT8_FP8_F16ACC);
        if (HOPPER_ONLY.contains(which) && !asked.scheme().tiles().equals(TileShape.WGMMA)) {
            throw new SageException("kernel " + which + " has Hopper tiles, variant " + asked.name()
                    + " has not: take one with tiles 64x128 of 'sage4j variants', such as " + HOPPER.name());
        }
        Arch target;
        Kernel kernel;
        String text;
        try {
            target = Arch.of(arch);
            kernel = which.kernel(options(target, asked, causal, lse));
            text = PtxModule.of(target, kernel).text();
            if (causal && isSame(text, target, which.kernel(options(target, asked, false, lse)))) {
                throw new SageException("--causal changes nothing in kernel " + which + "; leave it out");
            }
            if (lse && isSame(text, target, which.kernel(options(target, asked, causal, false)))) {
                throw new SageException("--lse changes nothing in kernel " + which + "; leave it out");
            }
        } catch (IllegalArgumentException e) {
            throw new SageException("kernel " + which + " for " + arch + ": " + e.getMessage(), e);
        }
        return stats ? statistics(kernel) : text;
    }

    private NativeKernel.Options options(Arch target, Variant asked, boolean withCausal, boolean withLse) {
        return new NativeKernel.Options(target, asked.scheme(), headDim, withCausal, withLse, type, !narrow);
    }

    private static boolean isSame(String text, Arch target, Kernel other) {
        return PtxModule.of(target, other).text().equals(text);
    }

    private static String statistics(Kernel kernel) {
        StringBuilder text = new StringBuilder();
        text.append(String.format("threads %d%n", kernel.maxThreads()));
        text.append(String.format("shared memory %d bytes%n", kernel.sharedBytes()));
        kernel.registers()
                .forEach((type, count) -> text.append(String.format("virtual registers %s %d%n", type.ptx(), count)));
        kernel.mix().forEach((opcode, count) -> text.append(String.format("%6d %s%n", count, opcode)));
        return text.toString();
    }
}
