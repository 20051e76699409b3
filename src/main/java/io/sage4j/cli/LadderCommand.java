package io.sage4j.cli;

import io.sage4j.Sage;
import io.sage4j.Variant;
import io.sage4j.backend.Backends;
import io.sage4j.bench.BenchRecord;
import io.sage4j.bench.Json;
import io.sage4j.bench.LadderBench;
import io.sage4j.bench.LadderRecord;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code sage4j bench ladder}. */
@Command(
        name = "ladder",
        description = "Time the Java kernels on a backend, by head_dim and length, with the device time of each step.",
        sortOptions = false)
final class LadderCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(
            names = "--variants",
            paramLabel = "NAME",
            split = ",",
            defaultValue = "naive,tiled,flash,int8-fp16,int8-fp8,int8-fp8-sm90",
            description = "Names from 'sage4j variants'. Default: ${DEFAULT-VALUE}.")
    private List<String> variants;

    @Option(
            names = "--head-dims",
            paramLabel = "D",
            split = ",",
            defaultValue = "64,128",
            converter = Words.ToHeadDim.class,
            description = "Channels of a head. Default: ${DEFAULT-VALUE}.")
    private List<Integer> headDims;

    @Option(
            names = "--tokens",
            paramLabel = "N",
            split = ",",
            defaultValue = "1024,4096,16384",
            converter = Words.ToCount.class,
            description = "Lengths of q, k and v. Default: ${DEFAULT-VALUE}.")
    private List<Integer> tokens;

    @Option(
            names = "--batch",
            paramLabel = "B",
            defaultValue = "4",
            converter = Words.ToCount.class,
            description = "Batch entries, fewer for slow kernels. Default: ${DEFAULT-VALUE}.")
    private int batch;

    @Option(
            names = "--heads",
            paramLabel = "H",
            defaultValue = "32",
            converter = Words.ToCount.class,
            description = "Heads, fewer for slow kernels. Default: ${DEFAULT-VALUE}.")
    private int heads;

    @Option(
            names = "--runs",
            paramLabel = "N",
            defaultValue = "20",
            converter = Words.ToCount.class,
            description = "Timed runs of each. Default: ${DEFAULT-VALUE}.")
    private int runs;

    @Option(
            names = "--turns",
            paramLabel = "FILE",
            converter = Words.ToFile.class,
            description = "Be timed in turn with other processes that name this file, and compile beside them.")
    private Path turns;

    @Mixin
    private MeasureOptions options;

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        List<Variant> which = variants.stream().map(Variant::of).toList();
        options.check();
        String name;
        String reason;
        // The ladder is that of the Java kernels: by auto on what runs these.
        boolean auto = options.backend().equals(Backends.AUTO);
        try (Sage opened = Sage.open(auto ? Backends.javaKernels() : options.backend())) {
            name = opened.backend();
            reason = auto ? "auto: the fastest for Java kernels" : opened.backendReason();
        }
        LadderBench bench =
                new LadderBench(which, headDims, tokens.stream().sorted().toList(), batch, heads, runs, turns);
        LadderBench.Result result = bench.run(name, options.json() ? line -> {} : out::println, soFar -> {
            if (options.record() != null) {
                record(soFar, name, reason).write(options.record());
            }
        });
        LadderRecord found = record(result, name, reason);
        if (options.json()) {
            out.println(Json.text(found));
        }
        if (!result.failures().isEmpty()) {
            ErrorLine.print(
                    spec.commandLine().getErr(), result.failures().size() + " measurements failed, see the output");
            return ErrorLine.INTERNAL;
        }
        return 0;
    }

    private LadderRecord record(LadderBench.Result result, String backend, String reason) {
        return new LadderRecord(
                BenchRecord.now(
                        spec.root().commandLine().getParseResult().originalArgs(),
                        backend,
                        reason,
                        result.measurements()),
                result.failures());
    }
}
