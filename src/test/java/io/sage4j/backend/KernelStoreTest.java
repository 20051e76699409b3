package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.DType;
import io.sage4j.Layout;
import io.sage4j.SageException;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.backend.CudaKernels.Wanted;
import io.sage4j.backend.KernelStore.Stored;
import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.FakeDriver;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.PtxModule;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Generated kernels in files. */
class KernelStoreTest {
    private static final Stored KERNEL = new Stored("sage_k", 384, 200_000, ".version 8.0\n");

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

    private static Kernel kernel() {
        return new KernelBuilder("k", 64).build();
    }

    /** Loads some kernels as a new process would, and tells how many had to be generated. */
    private int generated(FakeDriver driver, Path folder, Arch arch, Object... keys) {
        AtomicInteger count = new AtomicInteger();
        try (CudaContext context =
                driver.search().driver().orElseThrow().device(0).retainContext()) {
            CudaKernels kernels = new CudaKernels(context, arch, new KernelStore(Optional.ofNullable(folder)));
            List<Wanted> wanted = Stream.of(keys)
                    .map(key -> new Wanted(key, () -> {
                        count.incrementAndGet();
                        return kernel();
                    }))
                    .toList();
            assertThat(kernels.get(wanted))
                    .allSatisfy(l -> assertThat(l.threads()).isEqualTo(64));
            int before = driver.compiler.compilations;
            kernels.get(wanted);
            assertThat(driver.compiler.compilations)
                    .as("what is loaded is loaded")
                    .isEqualTo(before);
        }
        assertThat(driver.thrown).isEmpty();
        return count.get();
    }

    @Test
    void nextProcessGeneratesNothingUnlessAFileIsBad() throws IOException {
        try (FakeDriver driver = new FakeDriver()) {
            assertThat(generated(driver, folder, Arch.SM_90A, "a", "b", "c")).isEqualTo(3);
            assertThat(driver.compiler.ptx)
                    .isEqualTo(PtxModule.of(Arch.SM_90A, kernel()).text());
            List<Path> kept = files(folder);
            assertThat(kept).hasSize(3);
            assertThat(generated(driver, folder, Arch.SM_90A, "c", "b", "a")).isZero();
            assertThat(driver.compiler.ptx)
                    .isEqualTo(PtxModule.of(Arch.SM_90A, kernel()).text());
            assertThat(generated(driver, folder, Arch.SM_89, "a")).isEqualTo(1);
            Files.write(kept.get(0), new byte[] {1, 2, 3});
            assertThat(generated(driver, folder, Arch.SM_90A, "a", "b", "c")).isEqualTo(1);
            assertThat(generated(driver, folder, Arch.SM_90A, "a", "b", "c")).isZero();
            assertThat(generated(driver, null, Arch.SM_90A, "a", "a")).isEqualTo(1);
        }
    }

    @Test
    void failureToCompileIsToldAlsoBesideOthers() {
        try (FakeDriver driver = new FakeDriver()) {
            generated(driver, folder, Arch.SM_90A, "a");
            driver.compiler.error = "ptxas fatal : no";
            assertThatThrownBy(() -> generated(driver, folder, Arch.SM_90A, "a", "b"))
                    .isInstanceOf(SageException.class)
                    .hasMessageContaining("its log: ptxas fatal : no");
            driver.compiler.error = "";
            assertThat(generated(driver, folder, Arch.SM_90A, "a", "b")).isEqualTo(1);
        }
    }

    @Test
    void keysOfRealKernelsAreTheSameInEveryProcess() throws IOException {
        try (FakeDriver driver = new FakeDriver();
                CudaBackend backend = FakeCuda.backend(driver, 0, folder)) {
            for (String variant : List.of("int8-fp8-sm90", "int8-fp16-sm90", "int8-fp8", "int8-fp16")) {
                Tensor q = backend.allocate(DType.FLOAT16, 1, 2, 100, 64);
                Tensor out = backend.allocate(DType.FLOAT16, 1, 2, 100, 64);
                Tensor lse = backend.allocate(DType.FLOAT32, 1, 2, 100, 1);
                backend.enqueue(
                        new AttentionRequest(
                                new AttentionShape(1, 2, 2, 100, 100, 64),
                                Variant.of(variant),
                                false,
                                Layout.HND,
                                0,
                                0.1f,
                                q,
                                q,
                                q,
                                null,
                                out,
                                lse),
                        backend.newStream());
            }
        }
        assertThat(files(folder)).hasSizeGreaterThanOrEqualTo(12);
        for (Path file : files(folder)) {
            // An object's default text would differ from process to process.
            assertThat(Files.readString(file, StandardCharsets.ISO_8859_1))
                    .contains("sm_90a; sage4j " + CodeVersion.here().orElseThrow())
                    .doesNotContainPattern("@[0-9a-f]{3,}");
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
