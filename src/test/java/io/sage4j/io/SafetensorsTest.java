package io.sage4j.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.SageException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class SafetensorsTest {
    /** Written by the Python package safetensors 0.6. */
    private static final byte[] GOLDEN = Fixtures.join(
            Fixtures.bytes("9000000000000000"),
            ("{\"__metadata__\":{\"made\":\"by\"},\"q\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
                            + "\"m\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[8,11]}}    ")
                    .getBytes(),
            Fixtures.bytes("0000803f00000040010001"));

    @TempDir
    Path folder;

    @Test
    void readsWhatPythonWrites() throws IOException {
        Path path = folder.resolve("golden.safetensors");
        Files.write(path, GOLDEN);
        Safetensors file = Safetensors.open(path);
        assertThat(file.names()).containsExactly("q", "m");
        assertThat(file.metadata()).containsExactly(Map.entry("made", "by"));
        assertThat(file.tensor("q")).isEqualTo(Fixtures.floats(new long[] {1, 2}, 1f, 2f));
        assertThat(file.tensor("m")).isEqualTo(Fixtures.bytes(ElementType.BOOL, new long[] {3}, 1, 0, 1));
    }

    @Test
    void whatIsWrittenIsReadBackWithTypesNamesAndMetadata() {
        Map<String, NdArray> tensors = new LinkedHashMap<>();
        for (ElementType type : ElementType.values()) {
            NdArray array = Fixtures.bytes(type, new long[] {1, 3}, new int[3 * type.bytes()]);
            array.data().fill((byte) (type.ordinal() + 1));
            tensors.put("tensor \"" + type + "\" \u00e9\n", array);
        }
        tensors.put("scalar", Fixtures.floats(new long[0], 7f));
        tensors.put("empty", Fixtures.floats(new long[] {0, 5}));
        Path path = folder.resolve("all.safetensors");
        Safetensors.write(path, tensors, Map.of("key", "value \u2028 \t"));
        Safetensors file = Safetensors.open(path);
        assertThat(file.names()).containsExactlyInAnyOrderElementsOf(tensors.keySet());
        tensors.forEach((name, array) -> assertThat(file.tensor(name)).isEqualTo(array));
        assertThat(file.metadata()).containsEntry("key", "value \u2028 \t");
    }

    @Test
    void writtenDataStartsAligned() throws IOException {
        Path path = folder.resolve("aligned.safetensors");
        Safetensors.write(
                path,
                Map.of(
                        "a", Fixtures.bytes(ElementType.BOOL, new long[] {3}, 1, 0, 1),
                        "b", Fixtures.floats(new long[] {1}, 2f)),
                Map.of());
        byte[] bytes = Files.readAllBytes(path);
        int header = MemorySegment.ofArray(bytes).get(Fixtures.SHORT, 0);
        assertThat((8 + header) % 64).isZero();
        assertThat(bytes).hasSize(8 + header + 4 + 3);
        assertThat(Safetensors.open(path).tensor("b").data().address() % 4).isZero();
    }

    @Test
    void dataAtAnOddAddressCanBeUsed() {
        byte[] file = Fixtures.safetensors(
                "{\"m\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                        + "\"q\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1,5]}}",
                Fixtures.bytes("ff0000803f"));
        NdArray q = Safetensors.read("odd", MemorySegment.ofArray(file)).tensor("q");
        assertThat(q).isEqualTo(Fixtures.floats(new long[] {1}, 1f));
        assertThat(q.data().address() % 4).isZero();
    }

    @Test
    void unknownTypesMatterOnlyWhenAskedFor() {
        byte[] json = Fixtures.safetensors(
                "{\"a\":{\"dtype\":\"F4\",\"shape\":[4],\"data_offsets\":[0,2]},"
                        + "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}",
                new byte[3]);
        Safetensors file = Safetensors.read("f", MemorySegment.ofArray(json));
        assertThat(file.tensor("b").shape()).containsExactly(1);
        assertThatThrownBy(() -> file.tensor("a"))
                .isInstanceOf(SageException.class)
                .hasMessage("f: tensor 'a' has dtype 'F4', expected F32, F16 or BF16, or BOOL for a mask");
    }

    @Test
    void aMissingTensorIsSaidWithThoseThatThereAre() {
        Safetensors file = Safetensors.read("f", MemorySegment.ofArray(GOLDEN));
        assertThatThrownBy(() -> file.tensor("k"))
                .isInstanceOf(SageException.class)
                .hasMessage("f: has no tensor 'k', it has 'q', 'm'");
    }

    private static String tensor(String fields) {
        return "{\"t\":{" + fields + "}}";
    }

    private static Arguments bad(String fields, String why) {
        return Arguments.of(Fixtures.safetensors(tensor(fields), new byte[8]), why);
    }

    static Stream<Arguments> wrong() {
        String ok = "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]";
        String two = "{\"t\":{" + ok + "},\"u\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[%d,%d]}}";
        return Stream.of(
                Arguments.of(new byte[0], "has 0 bytes, expected 8 or more"),
                Arguments.of(Fixtures.safetensors(-1, new byte[2]), "a header of 18446744073709551615 bytes"),
                Arguments.of(Fixtures.safetensors(1L << 62, new byte[2]), "expected at most 100000000"),
                Arguments.of(Fixtures.safetensors(100_000_001, new byte[2]), "expected at most 100000000"),
                Arguments.of(Fixtures.safetensors(3, "{}".getBytes()), "a header of 3 bytes, 2 bytes follow"),
                Arguments.of(Fixtures.safetensors(0, "{}".getBytes()), "byte 8 is 7b"),
                Arguments.of(Fixtures.safetensors("[]"), "byte 8 is 5b, expected 7b"),
                Arguments.of(Fixtures.safetensors("{"), "not JSON"),
                Arguments.of(Fixtures.safetensors("{\"a\u001b\":1}"), "not JSON"),
                Arguments.of(Fixtures.safetensors("{}{}"), "text follows"),
                Arguments.of(Fixtures.safetensors("{}x"), "not JSON"),
                Arguments.of(Fixtures.safetensors("{\"t\":1}"), "'t' is an integer, expected an object"),
                Arguments.of(Fixtures.safetensors("{\"t\":[]}"), "'t' is an array, expected an object"),
                Arguments.of(Fixtures.safetensors(2, new byte[] {'{', (byte) 0xff}), "not JSON"),
                bad(ok + ",\"more\":1", "'t.more' is unknown"),
                bad("\"dtype\":\"F32\",\"shape\":[2]", "'t' lacks data_offsets"),
                bad("\"shape\":[2],\"data_offsets\":[0,8]", "'t' lacks dtype"),
                bad("\"dtype\":\"F32\",\"data_offsets\":[0,8]", "'t' lacks shape"),
                bad("\"dtype\":4,\"shape\":[2],\"data_offsets\":[0,8]", "'t.dtype' is an integer, expected a string"),
                bad("\"dtype\":null,\"shape\":[2],\"data_offsets\":[0,8]", "'t.dtype' is null"),
                bad("\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]", "'t.shape' is an integer"),
                bad("\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]", "'t.shape' is a fraction"),
                bad("\"dtype\":\"F32\",\"shape\":[true],\"data_offsets\":[0,8]", "'t.shape' is a boolean"),
                bad("\"dtype\":\"F32\",\"shape\":[NaN],\"data_offsets\":[0,8]", "not JSON"),
                bad("\"dtype\":\"F32\",\"shape\":[[2]],\"data_offsets\":[0,8]", "'t.shape' is an array"),
                bad("\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]", "the number -2"),
                bad("\"dtype\":\"F32\",\"shape\":[9223372036854775808],\"data_offsets\":[0,8]", "0 to 2^63 - 1"),
                bad(
                        "\"dtype\":\"F32\",\"shape\":[" + "9".repeat(40) + "],\"data_offsets\":[0,8]",
                        "bad safetensors header"),
                bad("\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,8]", "more than 2^63 - 1"),
                bad("\"dtype\":\"F32\",\"shape\":[" + "1,".repeat(64) + "2],\"data_offsets\":[0,8]", "more than 64"),
                bad("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]", "has 1 numbers, expected 2"),
                bad("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,9]", "has 3 numbers, expected 2"),
                bad("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]", "the number -8"),
                bad("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]", "the first not above the second"),
                bad(
                        "\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]",
                        "12 bytes, but data_offsets [0, 8], 8 bytes"),
                bad("\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,8]", "4 bytes, but data_offsets"),
                bad("\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]", "only 8 bytes follow"),
                bad("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]", "4 bytes follow the last tensor"),
                bad("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]", "have a hole"),
                bad(
                        "\"dtype\":\"X\",\"shape\":[1],\"data_offsets\":[9223372036854775800,9223372036854775807]",
                        "only 8"),
                bad(ok + ",\"dtype\":\"F32\"", "Duplicate"),
                Arguments.of(Fixtures.safetensors("{\"t\":{" + ok + "},\"t\":{" + ok + "}}", new byte[8]), "Duplicate"),
                Arguments.of(Fixtures.safetensors(String.format(two, 1, 7, 8), new byte[8]), "tensors overlap"),
                Arguments.of(Fixtures.safetensors(String.format(two, 8, 0, 8), new byte[8]), "tensors overlap"),
                Arguments.of(Fixtures.safetensors(String.format(two, 1, 9, 10), new byte[10]), "have a hole"),
                Arguments.of(Fixtures.safetensors("{\"__metadata__\":{\"a\":1}}"), "'__metadata__.a' is an integer"),
                Arguments.of(Fixtures.safetensors("{\"__metadata__\":[]}"), "'__metadata__' is an array"),
                Arguments.of(Fixtures.safetensors("{\"t\":" + "[".repeat(5000)), "bad safetensors header"),
                Arguments.of(
                        Fixtures.safetensors("{\"t\":{\"x\":" + "{\"a\":".repeat(9000)), "bad safetensors header"));
    }

    @ParameterizedTest
    @MethodSource("wrong")
    void refusesWithOneLineThatSaysWhy(byte[] file, String why) {
        assertThatThrownBy(() -> Safetensors.read("in.safetensors", MemorySegment.ofArray(file)))
                .isInstanceOf(SageException.class)
                .hasMessageStartingWith("in.safetensors: ")
                .hasMessageContaining(why)
                .message()
                .doesNotContain("\n")
                .hasSizeLessThan(600);
    }

    @Test
    void aTensorCannotBeCalledMetadata() {
        Map<String, NdArray> tensors = Map.of("__metadata__", Fixtures.floats(new long[] {1}, 1f));
        assertThatThrownBy(() -> Safetensors.write(folder.resolve("o"), tensors, Map.of()))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("choose another name");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void readsThePackagedActivations() throws IOException {
        byte[] bytes;
        try (var in = Safetensors.class.getResourceAsStream("/io/sage4j/demo/minilm-qkv.safetensors")) {
            bytes = in.readAllBytes();
        }
        Safetensors file = Safetensors.read("demo", MemorySegment.ofArray(bytes));
        assertThat(file.names()).hasSize(18).containsAll(List.of("layer0.q", "layer5.v"));
        assertThat(file.tensor("layer3.k").shape()).containsExactly(1, 12, 512, 32);
    }
}
