package io.sage4j.bench;

import io.sage4j.AttentionResult;
import io.sage4j.AttentionSpec;
import io.sage4j.Sage;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.bench.Measurement.Accuracy;
import io.sage4j.bench.Measurement.Elsewhere;
import io.sage4j.io.NdArray;
import io.sage4j.io.Safetensors;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Variants on real numbers: Q, K and V of every layer of a sentence encoder (all-MiniLM-L6-v2) over a text of 512
 * tokens, which are packaged with sage4j. Exact attention is computed once per layer.
 */
public final class ActivationsBench {
    /** What records call the input. */
    public static final String INPUT = "all-MiniLM-L6-v2, 512 tokens";
    /** The same with a large constant added to each channel of K, as K of large models has it. */
    public static final String BIASED_INPUT = INPUT + ", layer0 in FP32, K + channel bias";

    private static final String RESOURCE = "/io/sage4j/demo/minilm-qkv.safetensors";
    private static final double BIAS_IN_DEVIATIONS = 50;
    private static final long SEED = 6;

    private final List<Layer> layers;
    private final Map<String, Reference> references = new LinkedHashMap<>();

    /** Q, K and V of one layer. */
    private record Layer(String name, Tensor q, Tensor k, Tensor v) {}

    private ActivationsBench(List<Layer> layers) {
        this.layers = layers;
    }

    /** Reads the packaged activations. */
    public static ActivationsBench load() {
        MemorySegment file;
        try (InputStream in = ActivationsBench.class.getResourceAsStream(RESOURCE)) {
            if (in == null) {
                throw new IllegalStateException(RESOURCE + " is not on the class path; build sage4j again");
            }
            MemorySegment bytes = MemorySegment.ofArray(in.readAllBytes());
            file = Arena.ofAuto().allocate(bytes.byteSize(), 64).copyFrom(bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Safetensors tensors = Safetensors.read(RESOURCE, file);
        List<Layer> layers = tensors.names().stream()
                .filter(name -> name.endsWith(".q"))
                .map(name -> name.substring(0, name.length() - 2))
                .sorted()
                .map(name -> new Layer(
                        name,
                        tensor(tensors.tensor(name + ".q")),
                        tensor(tensors.tensor(name + ".k")),
                        tensor(tensors.tensor(name + ".v"))))
                .toList();
        return new ActivationsBench(layers);
    }

    private static Tensor tensor(NdArray array) {
        return Tensor.of(array.data(), array.type().dtype().orElseThrow(), array.shape());
    }

    /** Number of layers. */
    public int layers() {
        return layers.size();
    }

    /**
     * Runs a variant over every layer. The first layer warms up and is not timed; all have the same shape.
     *
     * @param listener told after each layer
     */
    public Measurement run(Sage sage, Variant variant, AttentionBench.Listener listener) {
        return run(sage, variant, INPUT, layers, listener);
    }

    /** The same for tensors of another origin, one of them standing for a layer; exact attention is computed once for each. */
    Measurement runOn(
            Sage sage, Variant variant, String input, Tensor q, Tensor k, Tensor v, AttentionBench.Listener listener) {
        return run(sage, variant, input, List.of(new Layer(input, q, k, v)), listener);
    }

    private Measurement run(
            Sage sage, Variant variant, String input, List<Layer> parts, AttentionBench.Listener listener) {
        AttentionSpec spec = AttentionSpec.builder().variant(variant).build();
        List<AttentionResult> results = new ArrayList<>();
        List<Accuracy> accuracy = new ArrayList<>();
        for (Layer part : parts) {
            AttentionResult result = sage.attend(part.q, part.k, part.v, spec);
            results.add(result);
            Reference exact = references.computeIfAbsent(
                    part.name, n -> Reference.of(part.q, part.k, part.v, spec, Reference.DEFAULT_BUDGET));
            accuracy.add(new Accuracy(part.name, exact.rows(), exact.isSampled(), exact.measure(result.output())));
            listener.ran();
        }
        List<AttentionResult> timed = results.size() == 1 ? results : results.subList(1, results.size());
        Layer first = parts.get(0);
        return new Measurement(
                input,
                variant.name(),
                Notation.of(variant.scheme()),
                sizes(first.q),
                sizes(first.k),
                first.q.dtype().toString(),
                Notation.of(spec.causal()),
                Elsewhere.of(results.getLast(), sage),
                results.size() - timed.size(),
                Times.of(timed.stream().mapToLong(AttentionResult::totalNanos).toArray()),
                AttentionBench.stepMedians(timed),
                accuracy,
                null);
    }

    private static List<Long> sizes(Tensor tensor) {
        return Arrays.stream(tensor.shape()).boxed().toList();
    }

    /**
     * What smoothing K is for: a variant without and with it, on K as it is and on K with a large constant added to
     * each channel, which does not change exact attention.
     *
     * @param listener told after each of four runs
     */
    public List<Measurement> smoothK(Sage sage, Variant variant, AttentionBench.Listener listener) {
        Layer plain = layers.get(0);
        Layer biased = new Layer("layer0, K biased", wide(plain.q), biased(plain.k), wide(plain.v));
        List<Measurement> found = new ArrayList<>();
        for (Layer layer : List.of(plain, biased)) {
            for (boolean smooth : new boolean[] {false, true}) {
                Variant changed = variant.with(variant.scheme().withSmoothK(smooth));
                String input = layer == plain ? INPUT + ", layer0" : BIASED_INPUT;
                found.add(run(sage, changed, input, List.of(layer), listener));
            }
        }
        return found;
    }

    private static Tensor wide(Tensor tensor) {
        return Tensor.of(tensor.toFloatArray(), tensor.shape());
    }

    /** K plus one number per channel, up to some standard deviations of K in size. */
    private static Tensor biased(Tensor k) {
        float[] values = k.toFloatArray();
        double sum = 0;
        double squares = 0;
        for (float value : values) {
            sum += value;
            squares += (double) value * value;
        }
        double mean = sum / values.length;
        double deviation = Math.sqrt(squares / values.length - mean * mean);
        int dim = Math.toIntExact(k.size(Tensor.RANK - 1));
        Random random = new Random(SEED);
        double[] bias = random.doubles(dim, -BIAS_IN_DEVIATIONS * deviation, BIAS_IN_DEVIATIONS * deviation)
                .toArray();
        for (int i = 0; i < values.length; i++) {
            values[i] += (float) bias[i % dim];
        }
        return Tensor.of(values, k.shape());
    }
}
