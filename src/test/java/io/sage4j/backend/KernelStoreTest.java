package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.AttentionSpec;
import io.sage4j.DType;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.backend.KernelStore.Stored;
import io.sage4j.cuda.FakeDriver;
import io.sage4j.numeric.AttentionShape;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Compiled kernels in files. */
class KernelStoreTest {
    private static final Stored KERNEL = new Stored("sage_k", 384, 200_000, new byte[] {1, 2, 3, 4, 5, -6});

    @TempDir
    Path folder;

    private KernelStore store() {
        return new KernelStore(Optional.of(folder));
    }

    private static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            return all.filter(Files::isRegularFile).toList();
        }
    }

    @Test
    void whatIsKeptIsFoundByItsKeyOnly() throws IOException {
        store().keep("a", KERNEL);
        assertThat(store().find("a").orElseThrow()).usingRecursiveComparison().isEqualTo(KERNEL);
        assertThat(store().find("b")).isEmpty();
        // A file under another key's name is not taken for that key's.
        Files.copy(store().file("a"), store().file("b"));
        assertThat(store().find("b")).isEmpty();
    }

    @Test
    void damagedFileIsNone() throws IOException {
        store().keep("a", KERNEL);
        byte[] good = Files.readAllBytes(store().file("a"));
        long seed = new Random().nextLong();
        Random random = new Random(seed);
        for (int n = 0; n < good.length; n++) {
            byte[] bad = good.clone();
            bad[n] ^= (byte) (1 << random.nextInt(8));
            Files.write(store().file("a"), bad);
            assertThat(store().find("a")).as("byte %d, seed %d", n, seed).isEmpty();
            Files.write(store().file("a"), Arrays.copyOf(good, n));
            assertThat(store().find("a")).as("first %d bytes", n).isEmpty();
        }
        Files.write(store().file("a"), good);
        assertThat(store().find("a")).isPresent();
    }

    @Test
    void folderThatTakesNoFileIsNoFailure() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "x");
        KernelStore none = new KernelStore(Optional.of(file));
        none.keep("a", KERNEL);
        assertThat(none.find("a")).isEmpty();
        KernelStore off = new KernelStore(Optional.empty());
        off.keep("a", KERNEL);
        assertThat(off.find("a")).isEmpty();
    }

    @Test
    void folderIsThatOfTheSettings() {
        Map<String, String> none = Map.of();
        Map<String, String> xdg = Map.of("XDG_CACHE_HOME", "/caches");
        Map<String, String> set = Map.of("XDG_CACHE_HOME", "/caches", "SAGE4J_CACHE", "/mine");
        assertThat(KernelStore.folder(null, none::get, "/home/x")).contains(Path.of("/home/x/.cache/sage4j"));
        assertThat(KernelStore.folder(null, xdg::get, "/home/x")).contains(Path.of("/caches/sage4j"));
        assertThat(KernelStore.folder(null, Map.of("XDG_CACHE_HOME", "relative")::get, "/home/x"))
                .contains(Path.of("/home/x/.cache/sage4j"));
        assertThat(KernelStore.folder(null, set::get, "/home/x")).contains(Path.of("/mine"));
        assertThat(KernelStore.folder("/property", set::get, "/home/x")).contains(Path.of("/property"));
        assertThat(KernelStore.folder("off", set::get, "/home/x")).isEmpty();
        assertThat(KernelStore.folder(null, Map.of("SAGE4J_CACHE", "off")::get, "/home/x"))
                .isEmpty();
        assertThat(KernelStore.folder(null, none::get, null)).isEmpty();
    }

    /** Launches a call and tells how many kernels had to be compiled. */
    private int compilations(FakeDriver driver, String variant, AttentionShape s, Path folder) {
        int before = driver.compilations;
        driver.launches.clear();
        try (CudaBackend backend = (CudaBackend) FakeCuda.choice(driver, folder).backend()) {
            Tensor q = backend.allocate(DType.FLOAT16, s.batch(), s.qHeads(), s.qoLen(), s.headDim());
            Tensor k = backend.allocate(DType.FLOAT16, s.batch(), s.kvHeads(), s.kvLen(), s.headDim());
            Tensor out = backend.allocate(DType.FLOAT16, s.batch(), s.qHeads(), s.qoLen(), s.headDim());
            AttentionSpec spec = AttentionSpec.defaults();
            AttentionRequest request =
                    new AttentionRequest(s, Variant.of(variant), spec.layout(), 0, 0.1f, q, k, k, null, out, null);
            backend.enqueue(request, backend.newStream());
        }
        assertThat(driver.thrown).isEmpty();
        assertThat(driver.launches).hasSizeGreaterThanOrEqualTo(5);
        return driver.compilations - before;
    }

    @Test
    void nextProcessCompilesNothingUnlessAFileIsBad() throws IOException {
        AttentionShape shape = new AttentionShape(1, 2, 2, 100, 100, 64);
        try (FakeDriver driver = new FakeDriver()) {
            assertThat(compilations(driver, "int8-fp8-sm90", shape, folder)).isEqualTo(6);
            List<Path> kept = files(folder);
            assertThat(kept).hasSize(6);
            for (Path file : kept) {
                // An object's default text would differ from process to process.
                assertThat(Files.readString(file, StandardCharsets.ISO_8859_1))
                        .contains("sm_90a; CUDA 13010")
                        .doesNotContainPattern("@[0-9a-f]{3,}");
            }
            assertThat(compilations(driver, "int8-fp8-sm90", shape, folder)).isZero();
            assertThat(compilations(driver, "int8-fp8", shape, folder)).isEqualTo(4);
            Files.write(kept.get(0), new byte[] {1, 2, 3});
            assertThat(compilations(driver, "int8-fp8-sm90", shape, folder)).isEqualTo(1);
            assertThat(compilations(driver, "int8-fp8-sm90", shape, folder)).isZero();
            assertThat(compilations(driver, "int8-fp8-sm90", shape, null)).isEqualTo(6);
        }
    }

    @Test
    void machineCodeThatTheDriverRefusesIsCompiledAnew() throws IOException {
        AttentionShape shape = new AttentionShape(1, 2, 2, 100, 100, 64);
        try (FakeDriver driver = new FakeDriver()) {
            compilations(driver, "int8-fp8-sm90", shape, folder);
            // Whole files, but no machine code in them.
            driver.fakeMagic = "elf";
            assertThat(compilations(driver, "int8-fp8-sm90", shape, folder)).isEqualTo(6);
            assertThat(compilations(driver, "int8-fp8-sm90", shape, folder)).isZero();
        }
    }

    @Test
    void versionFollowsTheClassesThatGenerateKernels() throws IOException {
        Path classes = folder.resolve("classes");
        Path generator = classes.resolve("io/sage4j/ptx/kernel/K.class");
        Files.createDirectories(generator.getParent());
        Files.writeString(generator, "one");
        String one = CodeVersion.of(classes);
        assertThat(CodeVersion.of(classes)).isEqualTo(one);
        Files.createDirectories(classes.resolve("io/sage4j/cli"));
        Files.writeString(classes.resolve("io/sage4j/cli/C.class"), "not of a kernel");
        assertThat(CodeVersion.of(classes)).isEqualTo(one);
        assertThat(CodeVersion.of(jar("one"))).isEqualTo(one);
        assertThat(CodeVersion.of(jar("two"))).isNotEqualTo(one);
        Files.writeString(generator, "two");
        assertThat(CodeVersion.of(classes)).isNotEqualTo(one).isEqualTo(CodeVersion.of(jar("two")));
        assertThat(CodeVersion.here()).isPresent();
    }

    private Path jar(String content) throws IOException {
        Path jar = folder.resolve(content + ".jar");
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar))) {
            out.putNextEntry(new JarEntry("io/sage4j/ptx/kernel/K.class"));
            out.write(content.getBytes(StandardCharsets.UTF_8));
            out.closeEntry();
        }
        return jar;
    }
}
