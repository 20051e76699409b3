package io.sage4j.cli;

import io.sage4j.DType;
import io.sage4j.SageException;
import io.sage4j.Variant;
import io.sage4j.backend.FailureLine;
import io.sage4j.backend.TornadoDevices;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.plan.ArrayBindings;
import io.sage4j.plan.AttentionPlan;
import io.sage4j.plan.AttentionProblem;
import io.sage4j.plan.DeviceSettings;
import io.sage4j.plan.KernelSource;
import io.sage4j.plan.MaskView;
import io.sage4j.plan.TensorView;
import io.sage4j.plan.TornadoApi;
import io.sage4j.ptx.kernel.NativeKernel;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import uk.ac.manchester.tornado.api.common.TornadoDevice;

/** {@code sage4j explain}. */
@Command(
        name = "explain",
        description = {
            "Print the Java source of a kernel, and what TornadoVM's backend makes of it, freshly compiled.",
            "For the native kernel mma-attention: what bounds it on which GPU, as 'sage4j throughput --pipes' predicts it."
        },
        sortOptions = false)
final class ExplainCommand implements Callable<Integer> {
    /** TornadoVM prints each kernel that it compiles; to be set before it starts. */
    private static final String PRINT = "tornado.printKernel";

    private static final int TOKENS = 64;

    private static final String NATIVE = NativeKernel.MMA_ATTENTION.toString();

    @Spec
    private CommandSpec spec;

    @Parameters(
            index = "0",
            arity = "0..1",
            paramLabel = "KERNEL",
            description =
                    "A step of the variant, such as smooth-k or attend, or mma-attention; without it, the list of them.")
    private String step;

    @Mixin
    private VariantOptions variantOptions;

    @Option(
            names = "--head-dim",
            paramLabel = "D",
            converter = Words.ToHeadDim.class,
            defaultValue = "64",
            description = "Channels of a head, a constant in the code. Default: ${DEFAULT-VALUE}.")
    private int headDim;

    @Option(
            names = "--dtype",
            paramLabel = "TYPE",
            defaultValue = "float16",
            converter = Words.ToDType.class,
            description = "float16 (default), bfloat16 or float32, a constant in the code.")
    private DType dtype;

    /** The launcher starts the JVM that fits it. */
    @Option(
            names = "--backend",
            paramLabel = "NAME",
            defaultValue = "jvm",
            description =
                    "tornado, tornado:opencl, tornado:ptx or tornado:cuda; jvm (default) runs the class file itself.")
    private String backend;

    @Override
    public Integer call() {
        if (NATIVE.equals(step)) {
            List<OptionSpec> given = spec.commandLine().getParseResult().matchedOptions();
            if (!given.isEmpty()) {
                throw new ParameterException(
                        spec.commandLine(),
                        given.get(0).longestName() + " does not go with " + NATIVE
                                + ", whose prediction has all its variants; leave it out");
            }
            return ThroughputCommand.print(spec.commandLine().getOut(), false, true);
        }
        System.setProperty(PRINT, "True");
        boolean tornado = TornadoApi.isReal();
        if (tornado ? !backend.startsWith("tornado") : !backend.equals("jvm")) {
            throw new ParameterException(
                    spec.commandLine(),
                    tornado
                            ? "--backend is '" + backend + "', expected that of this JVM's TornadoVM"
                            : "--backend is '" + backend
                                    + "', expected jvm, or with TORNADOVM_HOME and ./sage4j tornado, tornado:opencl,"
                                    + " tornado:ptx or tornado:cuda");
        }
        Variant variant = variantOptions.variant();
        List<String> code = new ArrayList<>();
        List<String> steps = step == null ? steps(variant) : compile(variant, code);
        PrintWriter out = spec.commandLine().getOut();
        if (step == null) {
            TextTable table = new TextTable("kernel", "Java", "source");
            steps.forEach(s -> {
                KernelSource source = KernelSource.of(variant.rung(), s);
                table.row(s, source.toString(), source.path());
            });
            table.print(out);
            return 0;
        }
        int index = steps.indexOf(step);
        KernelSource source = KernelSource.of(variant.rung(), step);
        out.println("// Java, " + source.path());
        out.println();
        out.println(source.text());
        if (!tornado) {
            out.println("// Backend jvm runs the class file of this source: there is no other code.");
        } else if (code.size() != steps.size()) {
            throw new SageException("TornadoVM printed " + code.size() + " kernels for " + steps.size() + " steps");
        } else {
            out.println("// " + language() + ", by TornadoVM, head_dim " + headDim + ", " + dtype);
            out.println();
            out.println(code.get(index).strip());
        }
        out.flush();
        return 0;
    }

    private static String language() {
        return switch (DeviceSettings.backendName(TornadoDevices.asked().getTornadoVMBackend())) {
            case "opencl" -> "OpenCL C";
            case "ptx" -> "PTX";
            case "cuda" -> "CUDA C";
            default -> TornadoDevices.asked().getTornadoVMBackend().name().toLowerCase(Locale.ROOT);
        };
    }

    private AttentionPlan plan(Variant variant) {
        TensorView view = TensorView.contiguous(dtype, 1, TOKENS, headDim);
        AttentionProblem problem = new AttentionProblem(
                new AttentionShape(1, 1, 1, TOKENS, TOKENS, headDim),
                variant.rung(),
                variant.scheme(),
                AttentionProblem.NOT_CAUSAL,
                (float) (1 / Math.sqrt(headDim)),
                false,
                view,
                view,
                view,
                view,
                MaskView.NONE);
        TornadoDevice device = TornadoDevices.asked();
        return AttentionPlan.of(problem, ArrayBindings.NONE, device, DeviceSettings.of(device));
    }

    private List<String> steps(Variant variant) {
        try (AttentionPlan plan = plan(variant)) {
            return plan.stepNames();
        }
    }

    /** Runs the variant once and catches what TornadoVM prints: one kernel per step, in their order. */
    private List<String> compile(Variant variant, List<String> code) {
        PrintStream before = System.out;
        try (AttentionPlan plan = plan(variant)) {
            if (!plan.stepNames().contains(step)) {
                throw new ParameterException(
                        spec.commandLine(),
                        "variant " + variant.name() + " has no kernel '" + step + "', expected one of "
                                + String.join(", ", plan.stepNames()));
            }
            System.setOut(new PrintStream(OutputStream.nullOutputStream()) {
                @Override
                public void println(String text) {
                    if (isKernel(text)) {
                        code.add(text);
                    }
                }
            });
            plan.run();
            return plan.stepNames();
        } catch (SageException | ParameterException e) {
            throw e;
        } catch (RuntimeException e) {
            throw new SageException("TornadoVM failed: " + FailureLine.of(e), e);
        } finally {
            System.setOut(before);
        }
    }

    private static boolean isKernel(String text) {
        return text != null
                && (text.contains("__kernel ") || text.contains("__global__ ") || text.contains(".visible .entry "));
    }
}
