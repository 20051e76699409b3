package io.sage4j.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.SageException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The golden files are what NumPy 2.4.6 (with ml_dtypes 0.6.0) writes. */
class NpyTest {
    private static final String V1 = "934e554d505901007600";
    private static final byte[] F4 = Fixtures.npy(
            V1,
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 1, 3), }",
            52,
            "0a0000803f000020c082a8fb370000807f0000c07f00000000");

    @TempDir
    Path folder;

    static List<Arguments> golden() {
        return List.of(
                Arguments.of(ElementType.FLOAT32, new long[] {1, 2, 1, 3}, F4),
                Arguments.of(
                        ElementType.FLOAT16,
                        new long[] {2, 2},
                        Fixtures.npy(
                                V1,
                                "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 2), }",
                                58,
                                "0a003cff7b00800100")),
                Arguments.of(
                        ElementType.BFLOAT16,
                        new long[] {2},
                        Fixtures.npy(
                                V1, "{'descr': '<V2', 'fortran_order': False, 'shape': (2,), }", 60, "0a803f00c0")),
                Arguments.of(
                        ElementType.BOOL,
                        new long[] {3},
                        Fixtures.npy(V1, "{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }", 60, "0a010001")),
                Arguments.of(
                        ElementType.UINT8,
                        new long[] {2},
                        Fixtures.npy(V1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", 60, "0a00ff")),
                Arguments.of(
                        ElementType.INT8,
                        new long[] {2},
                        Fixtures.npy(V1, "{'descr': '|i1', 'fortran_order': False, 'shape': (2,), }", 60, "0a00ff")),
                Arguments.of(
                        ElementType.FLOAT32,
                        new long[] {},
                        Fixtures.npy(V1, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }", 62, "0a0000c03f")),
                Arguments.of(
                        ElementType.FLOAT32,
                        new long[] {2, 0, 3},
                        Fixtures.npy(V1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 0, 3), }", 55, "0a")));
    }

    @ParameterizedTest
    @MethodSource("golden")
    void readsWhatNumpyWritesAndWritesTheSameBytes(ElementType type, long[] shape, byte[] file) throws IOException {
        NdArray array = Npy.read("golden", MemorySegment.ofArray(file));
        assertThat(array.type()).isEqualTo(type);
        assertThat(array.shape()).isEqualTo(shape);
        Path target = folder.resolve("copy.npy");
        Npy.write(target, array);
        assertThat(target).hasBinaryContent(file);
        assertThat(Npy.read(target)).isEqualTo(array);
    }

    @Test
    void readsTheValues() {
        MemorySegment data = Npy.read("f4", MemorySegment.ofArray(F4)).data();
        float[] values = new float[6];
        for (int i = 0; i < 6; i++) {
            values[i] = data.get(Fixtures.FLOAT, 4L * i);
        }
        assertThat(values).containsExactly(1f, -2.5f, 3e-5f, Float.POSITIVE_INFINITY, Float.NaN, 0f);
    }

    @ParameterizedTest
    @ValueSource(strings = {"934e554d5059020074000000", "934e554d5059030074000000"})
    void readsVersions2And3(String prefix) {
        byte[] file = Fixtures.npy(
                prefix, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 58, "0a0000803f00000040");
        assertThat(Npy.read("v", MemorySegment.ofArray(file))).isEqualTo(Fixtures.floats(new long[] {2}, 1f, 2f));
    }

    @Test
    void readsOtherSpellingsOfTheSameDict() {
        for (String header : List.of(
                "{'descr':'<f4','fortran_order':False,'shape':(2,)}",
                "{\"shape\": (2,), \"descr\": \"<f4\", \"fortran_order\": False}",
                "  { 'fortran_order' : False , 'shape' : ( 2 , ) , 'descr' : '<f4' , }  \n")) {
            assertThat(Npy.read("n", MemorySegment.ofArray(Fixtures.npy(header, new byte[8]))))
                    .isEqualTo(Fixtures.floats(new long[] {2}, 0f, 0f));
        }
        assertThat(Npy.read("n", MemorySegment.ofArray(Fixtures.npy(header("'bfloat16'", "(1,)"), new byte[2])))
                        .type())
                .isEqualTo(ElementType.BFLOAT16);
    }

    private static String header(String descr, String shape) {
        return "{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + ", }\n";
    }

    static Stream<Arguments> wrong() {
        return Stream.of(
                Arguments.of(new byte[0], "no .npy file: its first bytes are (none)"),
                Arguments.of("PK\3\4 zip archive".getBytes(), "no .npy file: its first bytes are 50 4b 03 04 20 7a"),
                Arguments.of(Fixtures.bytes("934e554d50590400"), "version 4.0, expected 1.0, 2.0 or 3.0"),
                Arguments.of(Fixtures.bytes("934e554d50590101"), "version 1.1"),
                Arguments.of(Fixtures.bytes("934e554d5059010076"), "cut off at byte 9"),
                Arguments.of(Fixtures.bytes("934e554d505901007600"), "a header of 118 bytes, 0 bytes follow"),
                Arguments.of(
                        Fixtures.bytes("934e554d50590200ffffffff"), "a header of 4294967295 bytes, expected at most"),
                Arguments.of(
                        Fixtures.npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }", new byte[8]),
                        "Fortran order"),
                Arguments.of(Fixtures.npy(header("'>f4'", "(2,)"), new byte[8]), "is big-endian ('>f4')"),
                Arguments.of(Fixtures.npy(header("'<c8'", "(2,)"), new byte[16]), "element type '<c8', expected '<f4'"),
                Arguments.of(Fixtures.npy(header("'|O'", "(2,)"), new byte[16]), "element type '|O'"),
                Arguments.of(Fixtures.npy(header("'<f\u001b[2J'", "(2,)"), new byte[8]), "'<f\\x1b[2J'"),
                Arguments.of(Fixtures.npy(header("[('a', '<f4')]", "(2,)"), new byte[8]), "structured element type"),
                Arguments.of(
                        Fixtures.npy(header("'<f4'", "(2,)"), new byte[7]), "is cut off: shape [2] of float32 needs 8"),
                Arguments.of(Fixtures.npy(header("'<f4'", "(2,)"), new byte[9]), "has bytes after the array"),
                Arguments.of(Fixtures.npy(header("'<f4'", "(-2,)"), new byte[8]), "a size is negative"),
                Arguments.of(Fixtures.npy(header("'<f4'", "(-2, 0)")), "a size is negative"),
                Arguments.of(
                        Fixtures.npy(header("'<f4'", "(4294967296, 4294967296)"), new byte[8]),
                        "more than 2^63 - 1 bytes"),
                Arguments.of(Fixtures.npy(header("'<f4'", "(4611686018427387904,)")), "more than 2^63 - 1 bytes"),
                Arguments.of(Fixtures.npy(header("'<f4'", "(99999999999999999999,)")), "a size is beyond 64 bits"),
                Arguments.of(Fixtures.npy(header("'<f4'", "(" + "1, ".repeat(65) + ")"), new byte[4]), "65 dimensions"),
                Arguments.of(Fixtures.npy(header("'<f4'", "(2)"), new byte[8]), "expected a tuple"),
                Arguments.of(Fixtures.npy(header("'<f4'", "2"), new byte[8]), "expected '('"),
                Arguments.of(Fixtures.npy(header("'<f4'", "(2.0,)"), new byte[8]), "expected ')', found '.0,)"),
                Arguments.of(Fixtures.npy(header("'<f4'", "(--2,)"), new byte[8]), "expected an integer"),
                Arguments.of(Fixtures.npy(header("'<f4'", "(2,),'shape': (2,)"), new byte[8]), "'shape' appears twice"),
                Arguments.of(Fixtures.npy(header("'<f4'", "(2,),'more': 1"), new byte[8]), "the key 'more' is unknown"),
                Arguments.of(Fixtures.npy(header("'<f4", "(2,)"), new byte[8]), "bad .npy header"),
                Arguments.of(Fixtures.npy(header("'<f4\\x00'", "(2,)"), new byte[8]), "a string without escapes"),
                Arguments.of(
                        Fixtures.npy("{'descr': '<f4', 'shape': (2,), }", new byte[8]), "found only [descr, shape]"),
                Arguments.of(
                        Fixtures.npy("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }", new byte[8]),
                        "expected True or False"),
                Arguments.of(Fixtures.npy("__import__('os')", new byte[8]), "expected '{'"),
                Arguments.of(Fixtures.npy(header("'<f4'", "(2,)") + "{}", new byte[8]), "text follows the dict"),
                Arguments.of(Fixtures.npy("{", new byte[8]), "found the end of the header"),
                Arguments.of(Fixtures.npy("", new byte[8]), "found the end of the header"));
    }

    @ParameterizedTest
    @MethodSource("wrong")
    void refusesWithOneLineThatSaysWhy(byte[] file, String why) throws IOException {
        Path path = folder.resolve("in.npy");
        Files.write(path, file);
        assertThatThrownBy(() -> Npy.read(path))
                .isInstanceOf(SageException.class)
                .hasMessageStartingWith(path + ": ")
                .hasMessageContaining(why)
                .message()
                .doesNotContain("\n")
                .hasSizeLessThan(500);
    }

    @Test
    void refusesToWriteWhatTheFormatCannotHold() {
        NdArray fp8 = Fixtures.bytes(ElementType.FLOAT8_E4M3, new long[] {2}, 1, 2);
        assertThatThrownBy(() -> Npy.write(folder.resolve("o.npy"), fp8))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("cannot hold float8_e4m3");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void refusesMissingFilesFoldersAndDevices() {
        assertThatThrownBy(() -> Npy.read(folder.resolve("none.npy")))
                .isInstanceOf(SageException.class)
                .hasMessageEndingWith("none.npy: cannot be read: no such file or directory");
        assertThatThrownBy(() -> Npy.read(folder))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("is a directory, expected a file");
        assertThatThrownBy(() -> Npy.read(Path.of("/dev/null")))
                .isInstanceOf(SageException.class)
                .hasMessageContaining("expected a regular file");
    }
}
