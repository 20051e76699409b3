package io.sage4j.cli;

import io.sage4j.DType;
import io.sage4j.SageException;
import io.sage4j.Tensor;
import io.sage4j.io.ElementType;
import io.sage4j.io.NdArray;
import io.sage4j.io.Npy;
import io.sage4j.io.OneLine;
import io.sage4j.io.Safetensors;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import picocli.CommandLine.Option;

/** Where Q, K, V and the mask come from: three .npy files, or one .safetensors file. */
final class InputOptions {
    @Option(names = "--q", paramLabel = "FILE", converter = Words.ToFile.class, description = "Queries, a .npy file.")
    private Path q;

    @Option(names = "--k", paramLabel = "FILE", converter = Words.ToFile.class, description = "Keys, a .npy file.")
    private Path k;

    @Option(names = "--v", paramLabel = "FILE", converter = Words.ToFile.class, description = "Values, a .npy file.")
    private Path v;

    @Option(
            names = "--in",
            paramLabel = "FILE",
            converter = Words.ToFile.class,
            description = "A .safetensors file with all three, instead of --q, --k and --v.")
    private Path in;

    @Option(names = "--q-name", paramLabel = "NAME", description = "Tensor of the queries in --in. Default: q.")
    private String qName;

    @Option(names = "--k-name", paramLabel = "NAME", description = "Tensor of the keys in --in. Default: k.")
    private String kName;

    @Option(names = "--v-name", paramLabel = "NAME", description = "Tensor of the values in --in. Default: v.")
    private String vName;

    @Option(
            names = "--mask",
            paramLabel = "FILE",
            converter = Words.ToFile.class,
            description =
                    "A mask, a .npy file that broadcasts to [batch, heads, q tokens, k tokens]: bool, uint8 or int8"
                            + " (take part where not 0), or floating point (added to the scaled score).")
    private Path mask;

    @Option(names = "--mask-name", paramLabel = "NAME", description = "Tensor of the mask in --in, instead of --mask.")
    private String maskName;

    /**
     * What was read.
     *
     * @param q queries
     * @param k keys
     * @param v values
     * @param mask mask; null for none
     */
    record Inputs(Tensor q, Tensor k, Tensor v, Tensor mask) {}

    /** Checks the options against each other, then opens the files. */
    Inputs open() {
        if (in == null) {
            if (Stream.of(q, k, v).anyMatch(file -> file == null)) {
                throw new SageException("expected --q, --k and --v, or --in; found " + given());
            }
            if (Stream.of(qName, kName, vName, maskName).anyMatch(name -> name != null)) {
                throw new SageException("--q-name, --k-name, --v-name and --mask-name are for --in, which is missing");
            }
            return new Inputs(
                    operand("q", q.toString(), Npy.read(q)),
                    operand("k", k.toString(), Npy.read(k)),
                    operand("v", v.toString(), Npy.read(v)),
                    openMask(null));
        }
        if (Stream.of(q, k, v).anyMatch(file -> file != null)) {
            throw new SageException("expected --q, --k and --v, or --in; found both");
        }
        if (mask != null && maskName != null) {
            throw new SageException("expected --mask or --mask-name; found both");
        }
        Safetensors file = Safetensors.open(in);
        return new Inputs(
                operand("q", file, qName == null ? "q" : qName),
                operand("k", file, kName == null ? "k" : kName),
                operand("v", file, vName == null ? "v" : vName),
                openMask(file));
    }

    private String given() {
        String found = String.join(
                ", ",
                Stream.of(q == null ? "" : "--q", k == null ? "" : "--k", v == null ? "" : "--v")
                        .filter(s -> !s.isEmpty())
                        .toList());
        return found.isEmpty() ? "none of them" : "only " + found;
    }

    private Tensor operand(String role, Safetensors file, String name) {
        return operand(role, in + ", tensor " + OneLine.quoted(name), file.tensor(name));
    }

    private static Tensor operand(String role, String from, NdArray array) {
        String what = role + " (" + from + ")";
        DType dtype = array.type().dtype().filter(DType::isFloat).orElse(null);
        if (dtype == null) {
            throw new SageException(what + " has dtype " + array.type()
                    + ", expected float32, float16 or bfloat16; convert it, for example x.astype(numpy.float32)");
        }
        if (array.rank() != Tensor.RANK) {
            throw new SageException(what + " has " + array.rank() + " dimensions, " + Arrays.toString(array.shape())
                    + ", expected 4: [batch, heads, tokens, head_dim], or with --layout nhd [batch, tokens, heads,"
                    + " head_dim]; reshape it");
        }
        return Tensor.of(array.data(), dtype, array.shape());
    }

    private Tensor openMask(Safetensors file) {
        if (maskName != null) {
            return maskTensor(in + ", tensor " + OneLine.quoted(maskName), file.tensor(maskName));
        }
        return mask == null ? null : maskTensor(mask.toString(), Npy.read(mask));
    }

    /** A mask of two dimensions is for all batch entries and heads. */
    private static Tensor maskTensor(String from, NdArray array) {
        ElementType type = array.type();
        DType dtype = type == ElementType.UINT8 || type == ElementType.INT8
                ? DType.BOOL
                : type.dtype()
                        .orElseThrow(() -> new SageException("mask (" + from + ") has dtype " + type
                                + ", expected bool, uint8, int8, float32, float16 or bfloat16"));
        long[] shape = array.shape();
        if (shape.length == 2) {
            return Tensor.of(array.data(), dtype, 1, 1, shape[0], shape[1]);
        }
        if (shape.length != Tensor.RANK) {
            throw new SageException("mask (" + from + ") has " + shape.length + " dimensions, " + Arrays.toString(shape)
                    + ", expected 4, [batch, heads, q tokens, k tokens], or the last 2 of them");
        }
        return Tensor.of(array.data(), dtype, shape);
    }
}
