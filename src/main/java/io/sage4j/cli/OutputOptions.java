package io.sage4j.cli;

import io.sage4j.AttentionResult;
import io.sage4j.SageException;
import io.sage4j.Tensor;
import io.sage4j.io.AtomicFile;
import io.sage4j.io.ElementType;
import io.sage4j.io.NdArray;
import io.sage4j.io.Npy;
import io.sage4j.io.OneLine;
import io.sage4j.io.Safetensors;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Option;

/** Where the output and the log-sum-exp go. */
final class OutputOptions {
    private static final String LSE = "lse";

    @Option(
            names = {"-o", "--out"},
            paramLabel = "FILE",
            required = true,
            converter = Words.ToFile.class,
            description =
                    "The output, a .npy or .safetensors file: shape, layout and dtype of q. Replaced if it exists.")
    private Path out;

    @Option(
            names = "--out-name",
            paramLabel = "NAME",
            description = "Tensor of the output in a .safetensors file." + " Default: o.")
    private String outName;

    @Option(
            names = "--lse",
            description =
                    "Also give the natural log-sum-exp of each row, float32 [batch, heads, q tokens]: as tensor 'lse'"
                            + " of a .safetensors output, or in --lse-out.")
    private boolean lse;

    @Option(
            names = "--lse-out",
            paramLabel = "FILE",
            converter = Words.ToFile.class,
            description = "A .npy file for the log-sum-exp; asks for --lse.")
    private Path lseOut;

    /** Whether the log-sum-exp is wanted. */
    boolean wantsLse() {
        return lse || lseOut != null;
    }

    Path out() {
        return out;
    }

    Path lseOut() {
        return lseOut;
    }

    /** Checks all that can be known before the work: names, folders, and that files can be made there. */
    void check() {
        if (!isNpy(out) && !isSafetensors(out)) {
            throw new SageException(
                    "-o " + OneLine.of(out.toString()) + ": expected a name that ends in .npy or .safetensors");
        }
        if (outName != null && !isSafetensors(out)) {
            throw new SageException("--out-name is for a .safetensors output, -o is " + out);
        }
        if (isSafetensors(out)
                && outName != null
                && (outName.equals("__metadata__") || outName.equals(LSE) && wantsLse())) {
            throw new SageException("--out-name cannot be " + OneLine.quoted(outName) + ", that name is taken");
        }
        if (lseOut != null && isSafetensors(out)) {
            throw new SageException(
                    "--lse-out is for a .npy output; with -o " + out + " the tensor 'lse' goes there too");
        }
        if (lse && lseOut == null && isNpy(out)) {
            throw new SageException("--lse with a .npy output needs --lse-out FILE, or give -o a .safetensors file");
        }
        AtomicFile.check(out);
        if (lseOut != null) {
            if (!isNpy(lseOut)) {
                throw new SageException("--lse-out " + lseOut + ": expected a name that ends in .npy");
            }
            AtomicFile.check(lseOut);
            AtomicFile.checkDistinct("-o", out, "--lse-out", lseOut);
        }
    }

    private static boolean isNpy(Path file) {
        return file.toString().endsWith(".npy");
    }

    private static boolean isSafetensors(Path file) {
        return file.toString().endsWith(".safetensors");
    }

    /** Writes everything; all files are whole before the first takes its place. */
    void write(AttentionResult result) {
        NdArray o = array(result.output(), result.output().shape());
        NdArray rows = result.lse().map(OutputOptions::lseArray).orElse(null);
        try (AtomicFile file = new AtomicFile(out);
                AtomicFile lseFile = lseOut == null ? null : new AtomicFile(lseOut)) {
            if (isSafetensors(out)) {
                Map<String, NdArray> tensors = new LinkedHashMap<>();
                tensors.put(outName == null ? "o" : outName, o);
                if (rows != null) {
                    tensors.put(LSE, rows);
                }
                file.fill(Safetensors.body(tensors, Map.of("generator", "sage4j " + RootCommand.Version.number())));
            } else {
                file.fill(Npy.body(out, o));
            }
            if (lseFile != null) {
                lseFile.fill(Npy.body(lseOut, rows));
                lseFile.commit();
            }
            file.commit();
        }
    }

    private static NdArray lseArray(Tensor lse) {
        return array(lse, Arrays.copyOf(lse.shape(), Tensor.RANK - 1));
    }

    private static NdArray array(Tensor tensor, long[] shape) {
        return new NdArray(ElementType.of(tensor.dtype()), shape, tensor.toSegment());
    }
}
