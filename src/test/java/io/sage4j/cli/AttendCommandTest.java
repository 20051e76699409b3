package io.sage4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sage4j.AttentionResult;
import io.sage4j.AttentionSpec;
import io.sage4j.AttentionSpec.Causal;
import io.sage4j.DType;
import io.sage4j.Layout;
import io.sage4j.Sage;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.backend.Backends;
import io.sage4j.io.ElementType;
import io.sage4j.io.NdArray;
import io.sage4j.io.Npy;
import io.sage4j.io.Safetensors;
import io.sage4j.numeric.Granularity;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Good runs of {@code sage4j attend}: the files hold, bit for bit, what the library gives. */
class AttendCommandTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path folder;

    private Path q;
    private Path k;
    private Path v;
    private Path o;

    @BeforeEach
    void writeInputs() {
        q = TensorFiles.npy(folder, "q.npy", ElementType.FLOAT16, 2, 4, 9, 16);
        k = TensorFiles.npy(folder, "k.npy", ElementType.FLOAT16, 2, 2, 11, 16);
        v = TensorFiles.npy(folder, "v.npy", ElementType.FLOAT16, 2, 2, 11, 16);
        o = folder.resolve("o.npy");
    }

    private CliRun attend(Object... more) {
        List<Object> arguments = new ArrayList<>(List.of("attend", "--q", q, "--k", k, "--v", v, "-o", o));
        arguments.addAll(List.of("--backend", Backends.javaKernels()));
        arguments.addAll(List.of(more));
        return CliRun.of(arguments.toArray());
    }

    private AttentionResult library(UnaryOperator<AttentionSpec.Builder> choices) {
        try (Sage sage = Sage.open(Backends.javaKernels())) {
            return sage.attend(
                    TensorFiles.tensor(Npy.read(q)),
                    TensorFiles.tensor(Npy.read(k)),
                    TensorFiles.tensor(Npy.read(v)),
                    choices.apply(AttentionSpec.builder()).build());
        }
    }

    private static NdArray array(Tensor tensor, long... shape) {
        return new NdArray(ElementType.of(tensor.dtype()), shape, tensor.toSegment());
    }

    private static NdArray array(Tensor tensor) {
        return array(tensor, tensor.shape());
    }

    static Stream<Arguments> choices() {
        return Stream.of(
                choice(b -> b),
                choice(b -> b.variant(Variant.of("flash")), "--variant", "flash"),
                choice(b -> b.causal(Causal.TOP_LEFT), "--causal"),
                choice(b -> b.causal(Causal.BOTTOM_RIGHT), "--causal=bottom-right"),
                choice(b -> b.smScale(0.5), "--sm-scale", "0.5"),
                choice(b -> b.smScale(-0.5), "--sm-scale", "-0.5"),
                choice(
                        b -> b.variant(Variant.INT8_FP8_F16ACC.with(
                                Variant.INT8_FP8_F16ACC.scheme().withSmoothK(false))),
                        "--no-smooth-k"),
                choice(
                        b -> b.variant(Variant.of("sage1")
                                .with(Variant.of("sage1")
                                        .scheme()
                                        .withGranularity(Granularity.PER_WARP)
                                        .withSmoothQ(true))),
                        "--variant",
                        "sage1",
                        "--granularity",
                        "per-warp",
                        "--smooth-q",
                        "--smooth-k"));
    }

    private static Arguments choice(UnaryOperator<AttentionSpec.Builder> choices, Object... options) {
        return Arguments.of(List.of(options), choices);
    }

    @ParameterizedTest
    @MethodSource("choices")
    void writesWhatTheLibraryGives(List<Object> options, UnaryOperator<AttentionSpec.Builder> choices) {
        assertThat(attend(options.toArray()).succeeds().out()).contains("o.npy").contains("float16[2, 4, 9, 16]");
        assertThat(Npy.read(o)).isEqualTo(array(library(choices).output()));
    }

    @ParameterizedTest
    @EnumSource(
            value = ElementType.class,
            names = {"FLOAT32", "FLOAT16", "BFLOAT16"})
    void theOutputHasTheTypeOfTheInput(ElementType type) {
        q = TensorFiles.npy(folder, "q.npy", type, 1, 2, 5, 8);
        k = TensorFiles.npy(folder, "k.npy", type, 1, 1, 7, 8);
        v = TensorFiles.npy(folder, "v.npy", type, 1, 1, 7, 8);
        attend().succeeds();
        assertThat(Npy.read(o)).isEqualTo(array(library(b -> b).output()));
        assertThat(Npy.read(o).type()).isEqualTo(type);
    }

    @Test
    void layoutNhd() {
        q = TensorFiles.npy(folder, "q.npy", ElementType.FLOAT32, 1, 5, 4, 8);
        k = TensorFiles.npy(folder, "k.npy", ElementType.FLOAT32, 1, 7, 2, 8);
        v = TensorFiles.npy(folder, "v.npy", ElementType.FLOAT32, 1, 7, 2, 8);
        attend("--layout", "nhd").succeeds();
        assertThat(Npy.read(o))
                .isEqualTo(array(library(b -> b.layout(Layout.NHD)).output()));
    }

    @ParameterizedTest
    @EnumSource(
            value = ElementType.class,
            names = {"BOOL", "UINT8", "INT8", "FLOAT32"})
    void masks(ElementType type) {
        NdArray mask = TensorFiles.array(type, 9, 11);
        Path file = folder.resolve("mask.npy");
        Npy.write(file, mask);
        attend("--mask", file).succeeds();
        DType dtype = type == ElementType.FLOAT32 ? DType.FLOAT32 : DType.BOOL;
        Tensor tensor = Tensor.of(mask.data(), dtype, 1, 1, 9, 11);
        assertThat(Npy.read(o)).isEqualTo(array(library(b -> b.mask(tensor)).output()));
        assertThat(Npy.read(o)).isNotEqualTo(array(library(b -> b).output()));
    }

    @Test
    void lseInAFileOfItsOwn() {
        Path lse = folder.resolve("l.npy");
        attend("--lse-out", lse).succeeds();
        AttentionResult expected = library(b -> b.lse(true));
        assertThat(Npy.read(lse)).isEqualTo(array(expected.lse().orElseThrow(), 2, 4, 9));
        assertThat(Npy.read(o)).isEqualTo(array(expected.output()));
    }

    @Test
    void safetensorsInAndOut() {
        Path in = TensorFiles.safetensors(
                folder,
                "in.safetensors",
                Map.of(
                        "a.q", Npy.read(q),
                        "a.k", Npy.read(k),
                        "v", Npy.read(v),
                        "m", TensorFiles.array(ElementType.BOOL, 2, 1, 9, 11)));
        Path out = folder.resolve("out.safetensors");
        CliRun.of(
                        "attend",
                        "--in",
                        in,
                        "--q-name",
                        "a.q",
                        "--k-name",
                        "a.k",
                        "-o",
                        out,
                        "--lse",
                        "--out-name",
                        "a.o",
                        "--mask-name",
                        "m")
                .succeeds();
        Tensor mask = TensorFiles.tensor(TensorFiles.array(ElementType.BOOL, 2, 1, 9, 11));
        AttentionResult expected = library(b -> b.lse(true).mask(mask));
        Safetensors found = Safetensors.open(out);
        assertThat(found.names()).containsExactlyInAnyOrder("a.o", "lse");
        assertThat(found.tensor("a.o")).isEqualTo(array(expected.output()));
        assertThat(found.tensor("lse")).isEqualTo(array(expected.lse().orElseThrow(), 2, 4, 9));
        assertThat(found.metadata()).containsKey("generator");
    }

    @Test
    void anOutputMayReplaceAnInput() {
        NdArray expected = array(library(b -> b).output());
        o = q;
        attend().succeeds();
        assertThat(Npy.read(q)).isEqualTo(expected);
    }

    @Test
    void jsonSaysEverything() throws IOException {
        JsonNode json =
                JSON.readTree(attend("--json", "--check", "--causal").succeeds().out());
        assertThat(json.get("output").asText()).isEqualTo(o.toString());
        assertThat(json.get("q")).hasSize(4);
        assertThat(json.get("causal").asText()).isEqualTo("top-left");
        assertThat(json.get("smScale").asDouble()).isEqualTo(0.25);
        assertThat(json.get("variant").get("name").asText()).isEqualTo("int8-fp8-f16acc");
        assertThat(json.get("variant").get("granularity").asText()).isEqualTo("per-thread");
        assertThat(json.get("backend").asText()).isNotEmpty();
        assertThat(json.get("backendReason").asText()).isEqualTo("asked for by name");
        assertThat(json.get("inputs").asText()).isEmpty();
        assertThat(json.get("variantReason").asText())
                .isEqualTo("V is too heavy-tailed for the FP16 sums of int8-fp8-f16acc");
        JsonNode open =
                JSON.readTree(attend("--json", "--no-watch-v").succeeds().out());
        assertThat(open.get("variantReason").asText())
                .isEqualTo("default of backend " + json.get("backend").asText());
        JsonNode named = JSON.readTree(
                attend("--json", "--variant", "int8-fp8").succeeds().out());
        assertThat(named.get("ranAs").get("name").asText()).isEqualTo("int8-fp8");
        assertThat(named.get("variantReason").asText()).isEqualTo("asked for by name");
        assertThat(json.get("totalMs").asDouble()).isPositive();
        assertThat(json.get("stepMs")).isNotEmpty();
        assertThat(json.get("report").get("vTotal").asLong()).isEqualTo(2 * 2 * 11 * 16);
        assertThat(json.get("check").get("rows").asInt()).isEqualTo(2 * 4 * 9);
        assertThat(json.get("check").get("metrics").get("cosine").asDouble()).isBetween(0.99, 1.0);
    }

    @Test
    void checkPrintsTheMetricsAlsoWhenQuiet() throws IOException {
        assertThat(attend("--quiet", "--check", "--variant", "naive").succeeds().out())
                .startsWith("check: cosine 1.0000")
                .hasLineCount(1);
        assertThat(attend("--quiet").succeeds().out()).isEmpty();
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactlyInAnyOrder(q, k, v, o);
        }
    }
}
