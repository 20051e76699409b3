package io.sage4j.plan;

import io.sage4j.SageException;
import io.sage4j.numeric.Rung;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;

/**
 * The Java source of the kernel that a step runs, from the jar.
 *
 * @param type class in {@code io.sage4j.kernel}
 * @param method its method
 */
public record KernelSource(String type, String method) {
    /** The kernel of a step of a plan. */
    public static KernelSource of(Rung rung, String step) {
        return switch (step) {
            case "smooth-q", "smooth-k", "smooth-v" -> new KernelSource("TokenMeans", "mean");
            case "quantize-q", "quantize-k" -> new KernelSource("QuantizeQk", "quantize");
            case "v-scale" -> new KernelSource("QuantizeV", "scale");
            case "quantize-v" -> new KernelSource("QuantizeV", "quantize");
            case "delta-s" -> new KernelSource("DeltaS", "deltaS");
            case "lse-correction" -> new KernelSource("LseCorrection", "correct");
            case "widen-q", "widen-k", "widen-v" -> new KernelSource("Convert", "widen");
            case "narrow" -> new KernelSource("Convert", "narrow");
            case "keep-gaps" -> new KernelSource("Convert", "touch");
            case "pack-q", "pack-k" -> new KernelSource("MmaTiles", "packBytes");
            case "pack-v" -> new KernelSource("MmaTiles", rung == Rung.MMA_FP16 ? "packHalves" : "packBytes");
            case "scores", "softmax" -> new KernelSource("NaiveAttention", step);
            case "attend" -> attend(rung);
            default -> throw new SageException("no source is known for step " + step);
        };
    }

    private static KernelSource attend(Rung rung) {
        return switch (rung) {
            case NAIVE -> new KernelSource("NaiveAttention", "output");
            case TILED -> new KernelSource("TiledAttention", "attend");
            case FLASH -> new KernelSource("FlashAttention", "attend");
            case QUANTIZED -> new KernelSource("QuantizedAttention", "attend");
            case MMA_FP16 -> new KernelSource("MmaHalfAttention", "attend");
            case MMA_FP8 -> new KernelSource("MmaFp8Attention", "attend");
        };
    }

    /** Where the source lies in the project. */
    public String path() {
        return "src/main/java/io/sage4j/kernel/" + type + ".java";
    }

    /**
     * The method with its comment, indented as in a class of its own.
     *
     * @throws SageException if the jar was built without sources
     */
    public String text() {
        return method(file().lines().toList());
    }

    private String file() {
        try (InputStream in = KernelSource.class.getResourceAsStream("/io/sage4j/kernel/" + type + ".java")) {
            if (in == null) {
                throw new SageException("this build of sage4j has no sources of its kernels; see " + path());
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new SageException("cannot read " + path() + ": " + e.getMessage(), e);
        }
    }

    /** Members of a class are indented by four: a method ends at the first closing brace so indented after its head. */
    private String method(List<String> lines) {
        int head = -1;
        for (int i = 0; i < lines.size() && head < 0; i++) {
            if (lines.get(i).matches("    public static void " + method + "\\(.*")) {
                head = i;
            }
        }
        if (head < 0) {
            throw new SageException("no method " + method + " in " + path());
        }
        int first = head;
        while (first > 0 && lines.get(first - 1).matches("     ?(/\\*\\*|\\*|@).*")) {
            first--;
        }
        int last = head;
        while (!lines.get(last).equals("    }")) {
            last++;
        }
        StringBuilder text = new StringBuilder();
        for (String line : lines.subList(first, last + 1)) {
            text.append(line.isEmpty() ? line : line.substring(4)).append('\n');
        }
        return text.toString();
    }

    @Override
    public String toString() {
        return String.format(Locale.ROOT, "%s.%s", type, method);
    }
}
