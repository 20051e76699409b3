package io.sage4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.backend.Backends;
import io.sage4j.io.ElementType;
import io.sage4j.io.Npy;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Whatever is wrong: exit status 2, one line that says what, and a folder in which nothing appeared or changed. */
class BadInputTest {
    @TempDir
    Path folder;

    private Path q;
    private Path k;
    private Path v;
    private Path o;
    private SortedSet<Path> before;

    @BeforeEach
    void writeInputs() throws IOException {
        q = TensorFiles.npy(folder, "q.npy", ElementType.FLOAT32, 1, 4, 5, 8);
        k = TensorFiles.npy(folder, "k.npy", ElementType.FLOAT32, 1, 2, 7, 8);
        v = TensorFiles.npy(folder, "v.npy", ElementType.FLOAT32, 1, 2, 7, 8);
        o = folder.resolve("o.npy");
        before = list();
    }

    private SortedSet<Path> list() throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return new TreeSet<>(files.toList());
        }
    }

    @AfterEach
    void nothingAppeared() throws IOException {
        assertThat(list()).isEqualTo(before);
    }

    private Path npy(String name, ElementType type, long... shape) throws IOException {
        Path file = TensorFiles.npy(folder, name, type, shape);
        before = list();
        return file;
    }

    private Path bytes(String name, byte[] content) throws IOException {
        Path file = Files.write(folder.resolve(name), content);
        before = list();
        return file;
    }

    private CliRun attend(Object... more) {
        List<Object> arguments = new ArrayList<>(List.of("attend", "--q", q, "--k", k, "--v", v, "-o", o));
        arguments.addAll(List.of(more));
        return CliRun.of(arguments.toArray());
    }

    @Test
    void wrongRank() throws IOException {
        q = npy("q3.npy", ElementType.FLOAT32, 4, 5, 8);
        attend().refuses("q3.npy) has 3 dimensions, [4, 5, 8], expected 4");
    }

    @Test
    void wrongShape() throws IOException {
        v = npy("v2.npy", ElementType.FLOAT32, 1, 2, 6, 8);
        attend().refuses("expected equal shapes");
    }

    @Test
    void wrongBatch() throws IOException {
        q = npy("q2.npy", ElementType.FLOAT32, 2, 4, 5, 8);
        attend().refuses("batch");
    }

    @Test
    void wrongHeadDim() throws IOException {
        q = npy("q2.npy", ElementType.FLOAT32, 1, 4, 5, 16);
        attend().refuses("head_dim");
    }

    @Test
    void headDimTooLarge() throws IOException {
        q = npy("q2.npy", ElementType.FLOAT32, 1, 1, 1, 257);
        k = npy("k2.npy", ElementType.FLOAT32, 1, 1, 1, 257);
        v = k;
        attend().refuses("head_dim is 257, expected 1..256");
    }

    @Test
    void headsThatDoNotDivide() throws IOException {
        q = npy("q2.npy", ElementType.FLOAT32, 1, 3, 5, 8);
        attend().refuses("multiple of num_kv_heads 2");
    }

    @Test
    void differentTypes() throws IOException {
        k = npy("k2.npy", ElementType.FLOAT16, 1, 2, 7, 8);
        attend().refuses("k has type float16, expected float32");
    }

    @Test
    void wrongType() throws IOException {
        q = npy("q2.npy", ElementType.FLOAT64, 1, 4, 5, 8);
        attend().refuses("has dtype float64, expected float32, float16 or bfloat16");
        q = npy("q3.npy", ElementType.BOOL, 1, 4, 5, 8);
        attend().refuses("has dtype bool");
    }

    @Test
    void wrongMask() throws IOException {
        attend("--mask", npy("m.npy", ElementType.BOOL, 5, 6)).refuses("expected sizes that broadcast to [1, 4, 5, 7]");
        attend("--mask", npy("m3.npy", ElementType.BOOL, 4, 5, 7)).refuses("has 3 dimensions");
        attend("--mask", npy("mi.npy", ElementType.INT64, 5, 7)).refuses("has dtype int64, expected bool");
    }

    @Test
    void truncatedFiles() throws IOException {
        byte[] whole = Files.readAllBytes(q);
        for (int length : new int[] {0, 1, 7, 9, 50, whole.length - 1}) {
            q = bytes("cut.npy", Arrays.copyOf(whole, length));
            attend().refuses("cut.npy: ");
        }
    }

    @Test
    void hostileFiles() throws IOException {
        Random random = new Random(11);
        for (int i = 0; i < 50; i++) {
            byte[] noise = new byte[random.nextInt(300)];
            random.nextBytes(noise);
            q = bytes("noise.npy", noise);
            attend().refuses("noise.npy: is no .npy file");
            Path in = bytes("noise.safetensors", noise);
            CliRun.of("attend", "--in", in, "-o", o).refuses("noise.safetensors: ");
        }
        Path huge = bytes("huge.safetensors", new byte[] {-1, -1, -1, -1, -1, -1, -1, 127, '{', '}'});
        CliRun.of("attend", "--in", huge, "-o", o).refuses("claims a header of 9223372036854775807 bytes");
    }

    @Test
    void missingFiles() {
        q = folder.resolve("none.npy");
        attend().refuses("none.npy: cannot be read: no such file or directory");
        CliRun.of("attend", "--in", folder.resolve("none.safetensors"), "-o", o).refuses("no such file");
        q = folder;
        attend().refuses("is a directory, expected a file");
        q = Path.of("/dev/zero");
        attend().refuses("expected a regular file");
    }

    @Test
    void aNameThatWouldBreakTheLine() {
        q = folder.resolve("two\nlines\u001b[2J.npy");
        attend().refuses("two\\x0alines\\x1b[2J.npy");
    }

    @Test
    void unwritableTargets() throws IOException {
        o = folder.resolve("none").resolve("o.npy");
        attend().refuses("is no directory, create it first");
        o = Files.createDirectory(folder.resolve("dir.npy"));
        before = list();
        attend().refuses("dir.npy: cannot write: is a directory");
        o = Path.of("/proc/o.npy");
        attend().refuses("/proc/o.npy: cannot write");
        o = Path.of("/dev/null");
        attend().refuses("expected a name that ends in .npy or .safetensors");
        o = folder.resolve("o.npy");
        attend("--lse-out", folder.resolve("none").resolve("l.npy")).refuses("is no directory");
        attend("--lse-out", o).refuses("are the same file");
        Path sameFolder = Files.createSymbolicLink(folder.resolve("link"), folder);
        before = list();
        attend("--lse-out", sameFolder.resolve("o.npy")).refuses("are the same file");
        attend("--lse-out", folder.resolve("l.txt")).refuses("ends in .npy");
        o = folder.resolve("o.txt");
        attend().refuses("expected a name that ends in .npy or .safetensors");
        assertThat(Path.of("/dev/null")).exists();
    }

    @Test
    void theOldOutputStaysWhenTheInputIsBad() throws IOException {
        Npy.write(o, TensorFiles.array(ElementType.FLOAT32, 1));
        before = list();
        byte[] old = Files.readAllBytes(o);
        v = npy("v2.npy", ElementType.FLOAT32, 1, 2, 6, 8);
        attend().refuses("expected equal shapes");
        assertThat(o).hasBinaryContent(old);
    }

    @Test
    void unknownTensorNames() throws IOException {
        Path in = TensorFiles.safetensors(folder, "in.safetensors", Map.of("q", Npy.read(q), "k", Npy.read(k)));
        before = list();
        CliRun.of("attend", "--in", in, "-o", o).refuses("has no tensor 'v', it has 'k', 'q'");
        CliRun.of("attend", "--in", in, "--v-name", "k", "--mask-name", "m", "-o", o)
                .refuses("has no tensor 'm'");
    }

    static Stream<Arguments> options() {
        return Stream.of(
                options("unknown variant 'int9', expected one of naive,", "--variant", "int9"),
                options("unknown backend 'abacus', expected auto or one of", "--backend", "abacus"),
                options("Unknown option: '--smooth'", "--smooth"),
                options("Unknown option: '--chek', did you mean", "--chek"),
                options("'abc', expected a finite number", "--sm-scale", "abc"),
                options("'NaN', expected a finite number", "--sm-scale", "NaN"),
                options("'1e99', expected a finite number", "--sm-scale", "1e99"),
                options("Missing required parameter for option '--sm-scale'", "--sm-scale"),
                options("'sideways', expected none, top-left, bottom-right", "--causal=sideways"),
                options("'hdn', expected hnd, nhd", "--layout", "hdn"),
                options("'per-row', expected per-tensor,", "--granularity", "per-row"),
                options("variant flash quantizes nothing", "--variant", "flash", "--granularity", "per-block"),
                options("variant naive quantizes nothing", "--variant", "naive", "--smooth-k"),
                options("--q-name, --k-name, --v-name and --mask-name are for --in", "--q-name", "q"),
                options("found both", "--in", "x.safetensors"),
                options("needs --lse-out", "--lse"),
                options("--out-name is for a .safetensors output", "--out-name", "o"),
                options("Unmatched argument at index 9: 'more'", "more"),
                options("should be specified only once", "--layout", "hnd", "--layout", "nhd"),
                options("an empty name, expected a file name", "--mask", ""));
    }

    private static Arguments options(String why, String... options) {
        return Arguments.of(List.of(options), why);
    }

    @ParameterizedTest
    @MethodSource("options")
    void wrongOptions(List<Object> options, String why) {
        attend(options.toArray()).refuses(why);
    }

    static Stream<Arguments> commands() {
        return Stream.of(
                options("no command, expected one of attend, demo, devices, variants, bench"),
                options("Unmatched argument at index 0: 'atend'", "atend"),
                options("Unknown option: '--verbose'", "--verbose"),
                options("Missing required option: '--out=FILE'", "attend"),
                options("expected --q, --k and --v, or --in; found none of them", "attend", "-o", "o.npy"),
                options("Unknown option: '--all'", "devices", "--all"),
                options("Unmatched argument at index 1: 'int8-fp8'", "variants", "int8-fp8"),
                options("no benchmark, expected one of ladder, attention", "bench"),
                options("'1x2x3', expected BxHxNxD", "bench", "attention", "--shape", "1x2x3"),
                options("expected 1..256", "bench", "attention", "--shape", "1x2x3x1000"),
                options("'1x2x3x257', head_dim is 257", "bench", "attention", "--shape", "1x2x3x8,1x2x3x257"),
                options("'0', expected a whole number", "bench", "attention", "--runs", "0"),
                options("'ten', expected a whole number", "bench", "attention", "--runs", "ten"),
                options("runs is 19, expected at least 20", "bench", "attention", "--runs", "19"),
                options("'int8', expected float32, float16, bfloat16 (", "bench", "attention", "--dtype", "int8"),
                options("'bool', expected float32, float16, bfloat16 (", "bench", "attention", "--dtype", "bool"),
                options("(see sage4j bench attention --help)", "bench", "attention", "--shape", "1x2x3"),
                options("'257', expected a whole number from 1 to 256", "bench", "ladder", "--head-dims", "64,257"),
                options("'257', expected a whole number from 1 to 256", "explain", "attend", "--head-dim", "257"),
                options("sage4j: Missing required argument (specify one of these)", "ptx"),
                options("has no tensors in GPU memory; open backend cuda", onGpu(Backends.javaKernels(), "1x1x8x64")),
                options("'1x2', expected BxHxNxD", onGpu("auto", "1x1x8x64,1x2")),
                options("is no directory", "bench", "attention", "--record", "/none/r.json"),
                options("cannot lock /none/turns, expected a file", "bench", "ladder", "--turns", "/none/turns"),
                options("'foo', expected one of attend, demo, devices, variants, bench", "foo"),
                options("unknown variant 'x'", "demo", "--variant", "flash,x"),
                options("unknown backend 'x'", "demo", "--backend", "x"),
                options("expected a name that ends in .png", "demo", "--chart", "x.jpg"),
                options("is no directory", "demo", "--chart", "/none/x.png"),
                options("are the same file", "demo", "--chart", "/tmp/x.png", "--record", "/tmp/../tmp/x.png"),
                options("is no directory", "demo", "--record", "/none/x.json"));
    }

    private static String[] onGpu(String backend, String shape) {
        return new String[] {"bench", "attention", "--on-gpu", "--backend", backend, "--shape", shape};
    }

    @ParameterizedTest
    @MethodSource("commands")
    void wrongCommands(List<Object> arguments, String why) {
        CliRun.of(arguments.toArray()).refuses(why);
    }
}
